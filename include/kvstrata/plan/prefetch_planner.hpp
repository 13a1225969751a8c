// Decides what a prefetch brings up.
#pragma once

#include <kvstrata/plan/inexact_piece.hpp>
#include <kvstrata/plan/pieces.hpp>
#include <kvstrata/plan/prefetch.hpp>
#include <kvstrata/plan/request_checks.hpp>
#include <kvstrata/plan/victims.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As planner. Not synchronised.
template <class Residency>
class prefetch_planner
{
 public:
  using entry_type = typename Residency::entry_type;
  using batch = planned_batch<Residency>;

  prefetch_planner(Residency& r, victim_finder<Residency>& victims) : residency_(&r), victims_(&victims), checks_(r) {}

  /// Throws what is wrong with a request of one sequence, or it is of another epoch.
  [[nodiscard]] std::optional<pressure> check(const request& r) const
  {
    checks_.require_right(r);
    if (auto why = checks_.turned_away({&r, 1})) return why;
    const entry_type* const found = mode_of(r) == part_mode::scratch ? nullptr : residency_->users().find(key_of(r));
    checks_.require_goes_on(r, found);
    return std::nullopt;
  }

  /// Plans to bring up what the levels below have of one user's window, within the limit; nothing is left to the model, and
  /// nothing is forgotten: what the request will forget just stays where it is. `out.plan` has no request when there is
  /// nothing to bring up, or no room for it within the limit. `left`: the tokens that the slab will still lack.
  [[nodiscard]] std::optional<pressure> plan_prefetch(const request& r, const prefetch_limit& limit, batch& out,
                                                      token_count& left)
  {
    victims_->start(out);
    left = 0;
    if (auto why = check(r)) return why;
    entry_type* const found = residency_->users().find(key_of(r));
    if (found == nullptr) return std::nullopt;
    const kept_tokens kept = kept_by(r, found, contradiction_of(r, *found));
    const token_interval here = found->template look<0>().tokens;
    const token_interval below = reachable(*found, of_use(r, *found, intersect(kept.tokens, window_of(r))));
    if (here.contains(below)) return std::nullopt;
    std::vector<entry_type*> marked{found};
    const batch_marks<entry_type> marks(marked);
    if (found->holds != 0) return victims_->held(key_of(r));
    left = below.size() - intersect(below, here).size();
    for (page_count most = limit.pages;;) {
      const token_interval both = hull(here, within(below, here, most));
      if (both == here || (found->atomic && both != window_of(r))) return std::nullopt;
      const page_interval wanted = residency_->pages_to_take(both);
      const page_count taken = wanted.size() - found->template look<0>().covered().size();
      const page_count allowed = limit.displaced_pages < taken ? limit.displaced_pages : taken;
      if (const page_count room = out.plan.pages_free + allowed; taken > room) {
        if (room >= most) return std::nullopt;
        most = room;  // fewer, so that no more than allowed is displaced; none: into what the user has already
        continue;
      }
      checks_.require_fits(1, wanted.size());
      out.entries.push_back(found);
      found->in_batch = true;
      request_plan p{
          .user = r.user, .history = both.end, .first_token = both.begin, .lasting = both.end, .in_slab = here};
      append_pieces<Residency::memories>(out.plan.pieces, both, both, 0, residency_->layout().page_tokens,
                                         [found](auto i) { return found->template look<i()>().tokens; });
      p.piece_end = static_cast<std::uint32_t>(out.plan.pieces.size());
      p.inexact_from =
          first_inexact_piece<Residency>(out.plan.pieces, found, store_offer{}, residency_->layout().page_tokens);
      p.fetched = both.size() - here.size();
      p.pages_taken = taken;
      out.plan.pages_needed = p.pages_taken;
      out.plan.requests.push_back(p);
      if (!victims_->find(out)) return victims_->too_much_held(out);  // no slack: others lose no more than they must
      if (displaced(out) <= limit.displaced_pages) {
        left -= p.fetched;
        return std::nullopt;
      }
      const page_count free = out.plan.pages_free;
      victims_->start(out);
      if (free >= most) return std::nullopt;
      most = free;  // victims go whole, or in granules: more than was missing; then nobody goes
    }
  }

 private:
  /// Of these tokens those that the request will take: what is not exact, and all behind it, may be none of them.
  [[nodiscard]] token_interval of_use([[maybe_unused]] const request& r, [[maybe_unused]] const entry_type& e,
                                      token_interval wanted) const
  {
    if constexpr (tracks_exactness<typename Residency::tiers_type>) {
      for (std::vector<piece> pieces; r.exact; pieces.clear()) {
        append_pieces<Residency::memories>(pieces, wanted, wanted, 0, residency_->layout().page_tokens,
                                           [&e](auto i) { return e.template look<i()>().tokens; });
        const token_count first =
            first_inexact_piece<Residency>(pieces, &e, store_offer{}, residency_->layout().page_tokens);
        if (first == all_exact) break;
        wanted.end = first;
      }
    }
    return wanted;
  }

  /// The tokens of `wanted` that one interval in the slab can hold: what levels below have side by side with what is
  /// there, or where nothing is, with what the uppermost level has.
  [[nodiscard]] static token_interval reachable(const entry_type& e, token_interval wanted) noexcept
  {
    const token_interval here = e.template at<0>().tokens;
    token_interval out = here;
    for (level_index round = 1; round < Residency::memories; ++round) {  // each joins one more, or none does
      each_level<1, Residency::memories>([&](auto i) {
        const token_interval has = intersect(e.template at<i()>().tokens, wanted);
        if (joinable(out, has)) out = hull(out, has);
      });
    }
    return out;
  }

  /// Pages that users of this epoch lose.
  [[nodiscard]] static std::uint64_t displaced(const batch& out) noexcept
  {
    std::uint64_t pages = 0;
    for (const victim_plan& v : out.plan.victims) pages += v.stale ? 0 : v.pages;
    return pages;
  }

  /// What of `below` finds room in the granules that `here` has, and in at most `most` pages more: what lies behind
  /// `here` first, then what lies before it, or the rear when nothing is here. With `here` it is one interval.
  [[nodiscard]] token_interval within(token_interval below, token_interval here, page_count most) const noexcept
  {
    const page_count granule_pages = residency_->layout().granule_pages();
    const std::uint64_t granule = std::uint64_t{granule_pages} * residency_->layout().page_tokens;
    const auto granules = [&](token_count tokens) { return tokens / granule + (tokens % granule != 0 ? 1 : 0); };
    std::uint64_t left = (std::min)(std::uint64_t{most / granule_pages}, granules(below.end));
    const auto token = [&](std::uint64_t number) {
      return static_cast<token_count>(std::clamp<std::uint64_t>(number * granule, below.begin, below.end));
    };
    const auto before = [&](std::uint64_t number) { return token(number - (std::min)(left, number)); };
    if (here.empty()) return {before(granules(below.end)), below.end};
    const std::uint64_t mine = granules(here.end);
    const token_count end = (std::max)(token(mine + left), here.end);
    if (end < below.end) return {here.begin, end};
    left -= granules(end) - mine;
    return {(std::min)(before(here.begin / granule), here.begin), end};
  }

  Residency* residency_;
  victim_finder<Residency>* victims_;
  request_checks<Residency> checks_;
};

}  // namespace kvstrata
