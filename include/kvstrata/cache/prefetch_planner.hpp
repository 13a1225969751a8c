// Decides what a prefetch brings up.
#pragma once

#include <kvstrata/cache/prefetch.hpp>
#include <kvstrata/cache/request_checks.hpp>
#include <kvstrata/cache/room_finder.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace kvstrata {

/// As planner. Not synchronised.
template <class Hierarchy>
class prefetch_planner
{
 public:
  using entry_type = typename Hierarchy::entry_type;
  using batch = planned_batch<Hierarchy>;

  prefetch_planner(Hierarchy& h, room_finder<Hierarchy>& room) : levels_(&h), room_(&room), checks_(h) {}

  /// Plans to bring up what the lower tier has of one user's window, within the limit; nothing is left to the model, and
  /// nothing is forgotten: what the request will forget just stays where it is. `out.plan` has no request when there is
  /// nothing to bring up, or no room for it within the limit. `left`: the tokens that the device will still lack.
  [[nodiscard]] std::optional<pressure> plan_prefetch(const request& r, const prefetch_limit& limit, batch& out,
                                                      token_count& left)
  {
    room_->start(out);
    left = 0;
    checks_.require_right(r);
    entry_type* const found = levels_->users().find(r.user);
    if (found == nullptr) return std::nullopt;
    checks_.require_known(r, found);
    const kept_tokens kept = kept_by(r, found, contradiction_of(r, *found));
    const token_interval below = intersect(found->lower.tokens, intersect(kept.tokens, window_of(r)));
    const token_interval here = found->device.tokens;
    if (here.contains(below) || !joinable(below, here)) return std::nullopt;
    if (found->holds != 0) return room_->held(r.user);
    left = below.size() - intersect(below, here).size();
    for (page_count most = limit.pages;;) {
      const token_interval both = hull(here, within(below, here, most));
      if (both == here) return std::nullopt;
      const page_interval wanted = levels_->room(both);
      const page_count taken = wanted.size() - found->device.covered().size();
      const page_count allowed = limit.displaced_pages < taken ? limit.displaced_pages : taken;
      if (const page_count room = out.plan.pages_free + allowed; taken > room) {
        if (room == 0 || room >= most) return std::nullopt;
        most = room;  // fewer, so that no more than allowed is displaced
        continue;
      }
      checks_.require_fits(1, wanted.size());
      out.entries.push_back(found);
      request_plan p{
          .user = r.user, .history = both.end, .first_token = both.begin, .lasting = both.end, .device_hit = here};
      p.lower_hits[0] = here.empty() ? both : token_interval{both.begin, here.begin};
      if (!here.empty()) p.lower_hits[1] = {here.end, both.end};
      p.pages_taken = taken;
      out.plan.pages_needed = p.pages_taken;
      out.plan.requests.push_back(p);
      if (!room_->find_room(out)) return room_->too_much_held(out);
      if (displaced(out) <= limit.displaced_pages) {
        left -= p.lower_tokens();
        return std::nullopt;
      }
      most = out.plan.pages_free;  // victims go whole, or in granules: more than was missing; then nobody goes
      room_->start(out);
      if (most == 0) return std::nullopt;
    }
  }

 private:
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
    const page_count granule_pages = levels_->layout().granule_pages();
    const std::uint64_t granule = std::uint64_t{granule_pages} * levels_->layout().page_tokens;
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

  Hierarchy* levels_;
  room_finder<Hierarchy>* room_;
  request_checks<Hierarchy> checks_;
};

}  // namespace kvstrata
