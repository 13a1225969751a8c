// Decides what a batch needs, before anything moves: checks, hits, pages to take, victims.
#pragma once

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/request_checks.hpp>
#include <kvstrata/cache/room_finder.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace kvstrata {

/// Reads the hierarchy and changes nothing in it, but for marks that a replacement policy ages while it is asked for
/// victims. Not synchronised: the cache holds a lock.
template <class Hierarchy>
class planner
{
 public:
  using entry_type = typename Hierarchy::entry_type;
  using batch = planned_batch<Hierarchy>;

  planner(Hierarchy& h, room_finder<Hierarchy>& room) : levels_(&h), room_(&room), checks_(h) {}

  /// Plans a batch into `out`, or says why it cannot be served now. O(requests log requests + victims). Throws
  /// usage_error, history_error or capacity_error for a batch that is never right.
  [[nodiscard]] std::optional<pressure> plan(std::span<const request> requests, batch& out)
  {
    room_->start(out);
    checks_.require_distinct_users(requests);
    std::uint64_t batch_pages = 0;
    for (const request& r : requests) {
      checks_.require_right(r);
      entry_type* const found = levels_->users().find(r.user);
      checks_.require_known(r, found);
      batch_pages += levels_->room(window_of(r)).size();
      out.entries.push_back(found);
    }
    checks_.require_fits(requests.size(), batch_pages);
    for (const request& r : requests) checks_.require_countable(r);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (out.entries[i] != nullptr && out.entries[i]->holds != 0) return room_->held(requests[i].user);
    }
    for (const bool keep_surplus : {true, false}) {
      out.plan.clear();
      out.victims.clear();
      for (std::size_t i = 0; i < requests.size(); ++i) plan_request(requests[i], out.entries[i], keep_surplus, out);
      if (room_->find_room(out)) return std::nullopt;
    }
    return room_->too_much_held(out);
  }

 private:
  /// A user whose history lies apart from what the device has of them loses that: the device keeps one interval of a
  /// user. Without keep_surplus, so does a user with pages behind those that the request wants: the last resort when
  /// nobody else's pages make room.
  void plan_request(const request& r, entry_type* found, bool keep_surplus, batch& out)
  {
    const token_interval all = window_of(r);
    request_plan& p = out.plan.requests.emplace_back();
    p.user = r.user;
    p.history = all.end;
    p.first_token = all.begin;
    p.lasting = lasting_tokens(r).end;
    const contradiction against =
        found != nullptr && has_fingerprint(r) ? contradiction_of(r, *found) : contradiction{};
    if (!keeps_all(r, found, against)) p.kept = kept_by(r, found, against);
    token_interval resident = found == nullptr ? token_interval{} : found->device.tokens;
    token_interval below = found == nullptr ? token_interval{} : found->lower.tokens;
    if (p.kept.forgets) {
      resident = intersect(resident, p.kept.tokens);
      below = intersect(below, p.kept.tokens);
    }
    below = intersect(below, all);
    const token_interval here = p.device_hit = intersect(resident, all);
    p.lower_hits[0] = here.empty() ? below : intersect(below, {all.begin, here.begin});
    if (!here.empty()) p.lower_hits[1] = intersect(below, {here.end, all.end});
    p.compute_begin = static_cast<std::uint32_t>(out.plan.compute.size());
    append_uncovered(out.plan.compute, all, here, below);
    if (const token_count until = recompute_until(p, out); until != 0) {
      p.recomputed = intersect(p.lower_hits[0], {0, until});
      p.lower_hits[0] = intersect(p.lower_hits[0], {until, all.end});
      out.plan.compute.resize(p.compute_begin);
      append_uncovered(out.plan.compute, all, here, intersect(below, {until, all.end}));
    }
    p.compute_end = static_cast<std::uint32_t>(out.plan.compute.size());
    const page_interval wanted = levels_->room(all);
    page_interval have = found == nullptr ? page_interval{} : found->device.covered();
    if (p.kept.forgets) {
      p.pages_forgotten = have.size() - levels_->room(resident).size();
      have = levels_->room(resident);
    }
    if (!joinable(all, resident)) {
      room_->add_victim(out, *found, have.size(), false, have, resident);
      have = {};
    } else if (const page_count last = (std::max)(wanted.end, have.begin); !keep_surplus && have.end > last) {
      room_->add_victim(out, *found, have.end - last, true, have, resident);
      have.end = last;
    }
    if (have.empty()) have = {wanted.begin, wanted.begin};
    if (!wanted.empty()) {
      p.pages_taken = (have.begin - wanted.begin) + (wanted.end > have.end ? wanted.end - have.end : 0);
    }
    out.plan.pages_needed += p.pages_taken;
    out.plan.pages_forgotten += p.pages_forgotten;
  }

  /// Where the split policy cuts, in whole pages: the model does not write to a page that is being onloaded.
  [[nodiscard]] token_count recompute_until(const request_plan& p, const batch& out) const
  {
    if constexpr (std::same_as<typename Hierarchy::split_type, always_fetch>) return 0;
    if (p.lower_hits[0].empty() || p.kept.earlier_until != 0) return 0;  // else it would not be the same again
    const token_count page_tokens = levels_->layout().page_tokens;
    const token_count until =
        levels_->split().recompute_until({.history = p.history,
                                          .device_hit = p.device_hit,
                                          .lower_hits = {p.lower_hits[0], p.lower_hits[1]},
                                          .compute = std::span(out.plan.compute).subspan(p.compute_begin),
                                          .page_tokens = page_tokens,
                                          .first_token = p.first_token});
    if (until >= p.lower_hits[0].end) return p.lower_hits[0].end;
    return until - until % page_tokens;
  }

  Hierarchy* levels_;
  room_finder<Hierarchy>* room_;
  request_checks<Hierarchy> checks_;
};

}  // namespace kvstrata
