// Decides what a batch needs, before anything moves: checks, sources, pages to take, victims.
#pragma once

#include <kvstrata/books/hot_record.hpp>
#include <kvstrata/books/known_history.hpp>
#include <kvstrata/plan/inexact_piece.hpp>
#include <kvstrata/plan/part_rows.hpp>
#include <kvstrata/plan/pieces.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request_checks.hpp>
#include <kvstrata/plan/splitter.hpp>
#include <kvstrata/plan/victims.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Reads the residency and changes nothing in it, but for marks that a replacement policy ages while it is asked for
/// victims. Not synchronised: the cache holds a lock.
template <class Residency, split_policy Split>
class planner
{
 public:
  using entry_type = typename Residency::entry_type;
  using batch = planned_batch<Residency>;
  using tiers_type = typename Residency::tiers_type;
  static constexpr bool exactness = tracks_exactness<tiers_type>;

  planner(Residency& r, victim_finder<Residency>& victims, const Split& split)
      : residency_(&r), victims_(&victims), splitter_(split), checks_(r)
  {
  }

  /// Plans a batch into `out`, or says why it cannot be served now. `queued`: the work before it, as the caller knows it.
  /// O(requests log requests + victims) and what the split policy takes. Throws usage_error, history_error or capacity_error
  /// for a batch that is never right; before the epochs are looked at only what is wrong whatever model serves.
  [[nodiscard]] std::optional<pressure> plan(std::span<const request> requests, batch& out, const queued_work& queued)
  {
    const std::size_t count = requests.size();
    victims_->start(out, count);
    const batch_marks<entry_type> marks(out.entries);
    out.plan.pieces.resize(count);
    entry_type** const users = out.entries.data();
    request_plan* const rows = out.plan.requests.data();
    piece* const pieces = out.plan.pieces.data();
    const auto limits = checks_.now();
    std::size_t unknown = 0;
    std::size_t whole = 0;  // the first so many
    bool right = true;
    bool held = false;
    for (std::size_t i = 0; i < count; ++i) {
      const request& r = requests[i];
      entry_type* const found = users[i] = residency_->users().find(r.user);
      const bool plain = checks_.is_right(r, limits);
      right = right && plain;
      if (found == nullptr) {
        ++unknown;
        continue;
      }
      right = right && !(found->in_batch || found->atomic);
      found->in_batch = true;  // whatever is wrong: no victim
      held = held || found->holds != 0;
      if (whole == i && plain && is_whole(r, *found)) {
        rows[i] = whole_row(r, *found, i, 0);
        pieces[i] = {window_of(r), 0};
        ++whole;
      }
    }
    out.whole = right && !held && whole == count;
    if (out.whole) return std::nullopt;  // all of it is there, so it fits
    out.plan.pieces.resize(whole);
    if (!right) {
      if (auto why = check(requests, out.entries)) return why;
    } else if (unknown > 1) {
      checks_.require_distinct(requests);
    }
    std::uint64_t batch_pages = 0;
    for (const request& r : requests) batch_pages += residency_->pages_to_take(window_of(r)).size();
    checks_.require_fits(requests.size(), batch_pages);
    for (std::size_t i = 0; !right && i < requests.size(); ++i) checks_.require_countable(requests[i]);
    for (std::size_t i = 0; held && i < requests.size(); ++i) {
      if (out.entries[i] != nullptr && out.entries[i]->holds != 0) return victims_->held(key_of(requests[i].user));
    }
    for (std::size_t i = whole; i < requests.size(); ++i) {
      entry_type* const found = out.entries[i];
      request_plan& p = out.plan.requests[i];
      if (found == nullptr || has_fingerprint(requests[i]) || !is_whole(requests[i], *found)) {
        plan_request(requests[i], found, true, p, out);
      } else {
        p = whole_row(requests[i], *found, out.plan.pieces.size(), out.plan.compute.size());
        out.plan.pieces.push_back({window_of(requests[i]), 0});
      }
    }
    split(out, queued);
    if (victims_->find(out, residency_->slab().slack(out.plan.pages_needed))) return std::nullopt;
    out.plan.clear_all_but_requests();
    out.victims.clear();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      plan_request(requests[i], out.entries[i], false, out.plan.requests[i], out);
    }
    split(out, queued);
    if (victims_->find(out, residency_->slab().slack(out.plan.pages_needed))) return std::nullopt;
    return victims_->too_much_held(out);
  }

  /// The same of a batch in which requests have parts. O(parts log parts + victims).
  [[nodiscard]] std::optional<pressure> plan(const part_rows& of, batch& out, const queued_work& queued);

 private:
  [[nodiscard]] std::optional<pressure> is_held(const request& r, const entry_type* found) const;
  [[nodiscard]] std::optional<pressure> choose_reader(const request& r, std::size_t rows, entry_type*& found) const;
  /// Is all of a replace or read part there, as the request wants it?
  [[nodiscard]] bool serves(const request& r, const entry_type& e) const;
  void plan_rows(const part_rows& of, bool keep_surplus, batch& out);
  void plan_row(const part_rows& of, std::size_t i, bool keep_surplus, batch& out);

  /// Throws what is wrong with a batch, the first thing first; or it is of another epoch.
  [[nodiscard]] std::optional<pressure> check(std::span<const request> requests, std::span<entry_type* const> users)
  {
    checks_.require_distinct(requests);
    for (const request& r : requests) checks_.require_right(r);
    if (auto why = checks_.turned_away(requests)) return why;
    for (std::size_t i = 0; i < requests.size(); ++i) checks_.require_goes_on(requests[i], users[i]);
    return std::nullopt;
  }

  /// Do all tokens of a request without fingerprint lie in the slab, and does its user go on as before? Then there is
  /// nothing to be done for it.
  [[nodiscard]] static bool is_whole(const request& r, entry_type& found, std::uint64_t version = 0) noexcept
  {
    if (!found.is_hot() || r.volatile_tail != 0) return false;
    const auto& hot = found.hot();
    const known_history* const known = hot.known.get();
    if (r.first_token != (known != nullptr ? known->first_token : 0)) return false;
    if (known != nullptr && (known->earlier_until > r.first_token || known->version != version)) return false;
    if constexpr (exactness) {
      if (r.exact && inexact_in<tiers_type, 0>(found, window_of(r)) != all_exact) return false;
    }
    const prefetch_state& ahead = hot.prefetched();
    if (ahead.unread || !ahead.arriving.empty()) return false;
    return r.first_token < r.history_tokens && hot.tokens.begin <= r.first_token &&
           r.history_tokens <= hot.tokens.end && hot.listed;
  }

  /// Of such a one: its piece, and where its compute list, of nothing, stands.
  [[nodiscard]] static request_plan whole_row(const request& r, const entry_type& found, std::size_t piece,
                                              std::size_t computed) noexcept
  {
    const auto at = static_cast<std::uint32_t>(piece);
    const auto behind = static_cast<std::uint32_t>(computed);
    return {.user = r.user,
            .history = r.history_tokens,
            .first_token = r.first_token,
            .inexact_from = inexact_in<tiers_type, 0>(found, window_of(r)),
            .lasting = r.history_tokens,
            .piece_begin = at,
            .piece_end = at + 1,
            .compute_begin = behind,
            .compute_end = behind,
            .in_slab = window_of(r),
            .whole = true};
  }

  /// Of a user of whom nothing is here.
  void plan_new(const request& r, request_plan& p, batch_plan& out) const
  {
    const token_interval all = window_of(r);
    const auto piece_begin = static_cast<std::uint32_t>(out.pieces.size());
    const auto compute_begin = static_cast<std::uint32_t>(out.compute.size());
    const std::uint32_t any = all.empty() ? 0 : 1;
    p = request_plan{.user = r.user,
                     .history = all.end,
                     .first_token = all.begin,
                     .lasting = lasting_tokens(r).end,
                     .piece_begin = piece_begin,
                     .piece_end = piece_begin + any,
                     .compute_begin = compute_begin,
                     .compute_end = compute_begin + any,
                     .pages_taken = residency_->pages_to_take(all).size()};
    if (any != 0) {
      out.pieces.push_back({all, piece::computed});
      out.compute.push_back(all);
    }
    out.pages_needed += p.pages_taken;
  }

  /// Has a store something on its way that the request may count on?
  [[nodiscard]] static bool is_offered(const batch& out, const request_plan& p) noexcept
  {
    if constexpr (Residency::stores == 0) return false;
    else return out.offers.of(static_cast<std::size_t>(&p - out.plan.requests.data())).level != 0;
  }

  /// A user whose history lies apart from what the slab has of them loses that: a level keeps one interval of a user.
  /// Without keep_surplus, so does a user with pages behind those that the request wants: the last resort when nobody
  /// else's pages make room.
  void plan_request(const request& r, entry_type* found, bool keep_surplus, request_plan& p, batch& out)
  {
    if (found == nullptr && !is_offered(out, p)) return plan_new(r, p, out.plan);
    const bool here = Residency::stores == 0 || found != nullptr;
    const token_interval all = window_of(r);
    p = request_plan{.user = r.user,
                     .history = all.end,
                     .first_token = all.begin,
                     .exact = r.exact,
                     .lasting = lasting_tokens(r).end};
    const contradiction against = here && has_fingerprint(r) ? contradiction_of(r, *found) : contradiction{};
    if (!keeps_all(r, found, against)) p.kept = kept_by(r, found, against);
    list_pieces(p, all, found, 0, out);
    if constexpr (exactness) {
      while (r.exact && p.inexact_from < all.end) {  // what takes the place of what goes may be no better
        if (here) p.kept = kept_by(r, found, against, p.inexact_from);
        else p.kept.tokens.end = p.inexact_from;  // a store's alone
        out.plan.pieces.resize(p.piece_begin);
        out.plan.compute.resize(p.compute_begin);
        list_pieces(p, all, found, 0, out);
      }
    }
    token_interval resident = here ? found->template look<0>().tokens : token_interval{};
    page_interval have = here ? found->template look<0>().covered() : page_interval{};
    if (p.kept.forgets) {
      resident = intersect(resident, p.kept.tokens);
      p.pages_forgotten = have.size() - residency_->pages_to_take(resident).size();
      have = residency_->pages_to_take(resident);
    }
    const page_interval wanted = residency_->pages_to_take(all);
    if (!joinable(all, resident)) {
      victims_->add(out, *found, {.pages = have.size()}, have, resident);
      have = {};
    } else if (const page_count last = (std::max)(wanted.end, have.begin); !keep_surplus && have.end > last) {
      victims_->add(out, *found, {.pages = have.end - last, .rear = true}, have, resident);
      have.end = last;
    }
    if (have.empty()) have = {wanted.begin, wanted.begin};
    if (!wanted.empty()) {
      p.pages_taken = (have.begin - wanted.begin) + (wanted.end > have.end ? wanted.end - have.end : 0);
    }
    out.plan.pages_needed += p.pages_taken;
    out.plan.pages_forgotten += p.pages_forgotten;
  }

  /// The request's sources; from levels below the slab nothing before `fetch_from`.
  void list_pieces(request_plan& p, token_interval all, const entry_type* found, token_count fetch_from,
                   batch& of) const
  {
    batch_plan& out = of.plan;
    p.piece_begin = static_cast<std::uint32_t>(out.pieces.size());
    p.compute_begin = static_cast<std::uint32_t>(out.compute.size());
    p.in_slab = {};
    p.fetched = 0;
    const store_offer offer = of.offers.of(static_cast<std::size_t>(&p - out.requests.data()));
    append_pieces<Residency::memories + Residency::stores>(
        out.pieces, all, p.kept.tokens, fetch_from, residency_->layout().page_tokens, [&](auto level) {
          if constexpr (level() < Residency::memories) {
            return found == nullptr ? token_interval{} : found->template look<level()>().tokens;
          } else {
            return offer.level == level() ? offer.tokens : token_interval{};
          }
        });
    p.piece_end = static_cast<std::uint32_t>(out.pieces.size());
    for (const piece& next : out.pieces_of(p)) {
      if (next.is_computed()) out.compute.push_back(next.tokens);
      else if (next.source == 0) p.in_slab = next.tokens;
      else p.fetched += next.tokens.size();
    }
    p.compute_end = static_cast<std::uint32_t>(out.compute.size());
    p.inexact_from = first_inexact_piece<Residency>(out.pieces_of(p), found, offer, residency_->layout().page_tokens);
  }

  /// Has the model compute what the split policy wants computed although a level below has it. Pages are taken all the same.
  void split(batch& out, const queued_work& queued)
  {
    const std::span<const token_interval> again = splitter_.ask(out.plan, residency_->layout().page_tokens, queued);
    if (again.empty()) return;
    out.plan.pieces.clear();
    out.plan.compute.clear();
    for (std::size_t i = 0; i < again.size(); ++i) {
      request_plan& p = out.plan.requests[i];
      p.recomputed = again[i];
      list_pieces(p, {p.first_token, p.history}, out.entries[i], again[i].end, out);
    }
  }

  Residency* residency_;
  victim_finder<Residency>* victims_;
  splitter<Split> splitter_;
  request_checks<Residency> checks_;
};

}  // namespace kvstrata

#include <kvstrata/plan/plan_parts.hpp>
