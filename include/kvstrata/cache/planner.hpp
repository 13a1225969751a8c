// Decides what a batch needs, before anything moves: checks, hits, pages to take, victims.
#pragma once

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/request.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/result.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvstrata {

/// A plan and whom it concerns. Reused from batch to batch, so that planning does not allocate in steady state.
template <class Hierarchy>
struct planned_batch
{
  batch_plan plan;
  std::vector<typename Hierarchy::entry_type*> entries;  ///< of the requests; null for users without one
  std::vector<typename Hierarchy::victim> victims;
};

/// Reads the hierarchy and changes nothing in it, but for marks that a replacement policy ages while it is asked for
/// victims. Not synchronised: the cache holds a lock.
template <class Hierarchy>
class planner
{
 public:
  using entry_type = typename Hierarchy::entry_type;
  using batch = planned_batch<Hierarchy>;

  explicit planner(Hierarchy& h) : levels_(&h) {}

  /// Plans a batch into `out`, or says why it cannot be served now. O(requests log requests + victims). Throws
  /// usage_error, history_error or capacity_error for a batch that is never right.
  [[nodiscard]] std::optional<pressure> plan(std::span<const request> requests, batch& out)
  {
    start(out);
    require_distinct_users(requests);
    std::uint64_t batch_pages = 0;
    for (const request& r : requests) {
      require_epoch(r);
      require_hashes(r);
      entry_type* const found = levels_->users().find(r.user);
      if (found != nullptr) require_same_history(r, *found);
      batch_pages += pages(r.history_tokens);
      out.entries.push_back(found);
    }
    require_fits(requests.size(), batch_pages);
    for (const request& r : requests) require_countable(r);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (out.entries[i] != nullptr && out.entries[i]->holds != 0) return held(requests[i].user);
    }
    for (const bool keep_surplus : {true, false}) {
      out.plan.clear();
      out.victims.clear();
      for (std::size_t i = 0; i < requests.size(); ++i) plan_request(requests[i], out.entries[i], keep_surplus, out);
      if (find_room(out)) return std::nullopt;
    }
    return too_much_held(out);
  }

  /// Plans to bring up what the lower tier has of one user; nothing is left to the model. `out.plan` has no request
  /// when there is nothing to bring up.
  [[nodiscard]] std::optional<pressure> plan_prefetch(const request& r, batch& out)
  {
    start(out);
    require_epoch(r);
    require_hashes(r);
    entry_type* const found = levels_->users().find(r.user);
    if (found == nullptr) return std::nullopt;
    require_same_history(r, *found);
    const token_interval below = intersect(found->lower.tokens, {0, r.history_tokens});
    const token_interval here = found->device.tokens;
    if (here.contains(below) || !joinable(below, here)) return std::nullopt;
    if (found->holds != 0) return held(r.user);
    const token_interval both = hull(here, below);
    const page_interval wanted = pages_of(both, levels_->layout().page_tokens);
    require_fits(1, wanted.size());
    out.entries.push_back(found);
    request_plan p{.user = r.user, .history = both.end, .first_token = both.begin, .device_hit = here};
    p.lower_hits[0] = here.empty() ? below : intersect(below, {0, here.begin});
    if (!here.empty()) p.lower_hits[1] = intersect(below, {here.end, below.end});
    p.pages_taken = wanted.size() - found->device.covered().size();
    out.plan.pages_needed = p.pages_taken;
    out.plan.requests.push_back(p);
    if (find_room(out)) return std::nullopt;
    return too_much_held(out);
  }

 private:
  [[nodiscard]] page_count pages(token_count tokens) const noexcept
  {
    return pages_of({0, tokens}, levels_->layout().page_tokens).size();
  }

  void start(batch& out)
  {
    out.plan.clear();
    out.entries.clear();
    out.victims.clear();
    out.plan.pages_free = levels_->top().slab().free();
  }

  static pressure held(user_id user) { return {.why = pressure::reason::user_held, .user = to_number(user)}; }

  void require_distinct_users(std::span<const request> requests)
  {
    sorted_.clear();
    for (const request& r : requests) sorted_.push_back(r.user);
    std::sort(sorted_.begin(), sorted_.end());
    const auto twice = std::adjacent_find(sorted_.begin(), sorted_.end());
    if (twice != sorted_.end()) {
      throw usage_error("user " + std::to_string(to_number(*twice)) +
                        " is twice in one batch; merge a user's requests into the one with the longest history");
    }
  }

  void require_epoch(const request& r) const
  {
    const epoch_id now = levels_->users().epoch();
    if (r.epoch == now) return;
    throw usage_error("the request of user " + std::to_string(to_number(r.user)) + " names epoch " +
                      std::to_string(to_number(r.epoch)) + ", but the cache is at epoch " +
                      std::to_string(to_number(now)) +
                      (r.epoch < now ? "; a model of an older epoch cannot be served any more"
                                     : "; call advance_epoch before the first request of a new model"));
  }

  void require_fits(std::size_t users, std::uint64_t batch_pages) const
  {
    const page_count capacity = levels_->top().slab().capacity();
    if (batch_pages <= capacity) return;
    throw capacity_error("the batch of " + std::to_string(users) + " users needs " + std::to_string(batch_pages) +
                         " pages, but the device has " + std::to_string(capacity) +
                         "; send a smaller batch or give the device tier more bytes");
  }

  /// The end of a history's last page must be a token_count, too.
  void require_countable(const request& r) const
  {
    const token_count most = (std::numeric_limits<token_count>::max)() - levels_->layout().page_tokens;
    if (r.history_tokens <= most) return;
    throw capacity_error("the history of user " + std::to_string(to_number(r.user)) + " has " +
                         std::to_string(r.history_tokens) + " tokens, but may have at most " + std::to_string(most));
  }

  static void require_hashes(const request& r)
  {
    const history_fingerprint& f = r.fingerprint;
    if (f.stride == 0 || f.prefix_hashes.size() >= r.history_tokens / f.stride) return;
    throw usage_error("the fingerprint of user " + std::to_string(to_number(r.user)) + " has " +
                      std::to_string(f.prefix_hashes.size()) + " hashes, but a history of " +
                      std::to_string(r.history_tokens) + " tokens at stride " + std::to_string(f.stride) + " needs " +
                      std::to_string(r.history_tokens / f.stride));
  }

  static void require_same_history(const request& r, const entry_type& e)
  {
    const history_fingerprint& f = r.fingerprint;
    if (f.stride == 0) return;
    const token_count tokens = e.vouched.tokens;
    if (tokens == 0 || tokens > r.history_tokens || tokens % f.stride != 0) return;
    if (f.prefix_hashes[tokens / f.stride - 1] == e.vouched.hash) return;
    throw history_error("the request of user " + std::to_string(to_number(r.user)) +
                        " contradicts the cached history: their first " + std::to_string(tokens) +
                        " tokens have another fingerprint; histories are append-only, so erase the user before "
                        "sending a rewritten one");
  }

  /// A user whose history lies apart from what the device has of them loses that: the device keeps one interval of a
  /// user. Without keep_surplus, so does a user with pages behind those that the request wants: the last resort when
  /// nobody else's pages make room.
  void plan_request(const request& r, entry_type* found, bool keep_surplus, batch& out)
  {
    const token_interval all{0, r.history_tokens};
    const token_interval here = found == nullptr ? token_interval{} : intersect(found->device.tokens, all);
    const token_interval below = found == nullptr ? token_interval{} : intersect(found->lower.tokens, all);
    request_plan p{.user = r.user, .history = r.history_tokens, .device_hit = here};
    p.lower_hits[0] = here.empty() ? below : intersect(below, {0, here.begin});
    if (!here.empty()) p.lower_hits[1] = intersect(below, {here.end, all.end});
    p.compute_begin = static_cast<std::uint32_t>(out.plan.compute.size());
    append_uncovered(out.plan.compute, all, here, below);
    p.compute_end = static_cast<std::uint32_t>(out.plan.compute.size());
    const page_count wanted = pages(r.history_tokens);
    page_interval have = found == nullptr ? page_interval{} : found->device.covered();
    if (found != nullptr && !joinable(all, found->device.tokens)) {
      add_victim(out, *found, have.size());
      have = {};
    } else if (const page_count last = wanted > have.begin ? wanted : have.begin; !keep_surplus && have.end > last) {
      add_victim(out, *found, have.end - last, true);
      have.end = last;
    }
    if (wanted != 0) {
      p.pages_taken = have.empty() ? wanted : have.begin + (wanted > have.end ? wanted - have.end : 0);
    }
    out.plan.pages_needed += p.pages_taken;
    out.plan.requests.push_back(p);
  }

  /// Chooses victims until there is room: entries of old epochs first, then in the policy's order, none that is held
  /// or in the batch. False when there is not enough.
  [[nodiscard]] bool find_room(batch& out)
  {
    const page_count needed = out.plan.pages_needed;
    page_count found = out.plan.pages_free;
    for (const auto& v : out.victims) found += v.pages;
    if (needed <= found) return true;
    ++plans_;
    for (entry_type* e : out.entries) {
      if (e != nullptr) e->planned_in = plans_;
    }
    levels_->users().stale([&](entry_type& e) {
      if (e.holds == 0) found += add_victim(out, e, e.device.covered().size());
      return found < needed;
    });
    if (found < needed) {
      levels_->top().victims([&](entry_type& e) {
        if (e.holds == 0 && e.planned_in != plans_ && !levels_->is_stale(e)) {
          using shedding = typename Hierarchy::device_shedding;
          found += add_victim(out, e, shedding::pages_to_shed(e.device.covered().size(), needed - found));
        }
        return found < needed;
      });
    }
    return found >= needed;
  }

  [[nodiscard]] pressure too_much_held(const batch& out) const
  {
    pressure why{
        .why = pressure::reason::held, .pages_needed = out.plan.pages_needed, .pages_free = out.plan.pages_free};
    for (const auto& v : out.victims) why.pages_evictable += v.pages;
    levels_->users().all([&why](const entry_type& e) {
      if (e.holds != 0) why.pages_held += e.device.pages.size();
    });
    return why;
  }

  page_count add_victim(batch& out, entry_type& e, page_count shed, bool rear = false)
  {
    const bool stale = levels_->is_stale(e);
    const token_interval lost = levels_->shed_tokens(e, shed, rear);
    out.victims.push_back({&e, shed, rear});
    out.plan.victims.push_back({.user = e.user,
                                .pages = shed,
                                .rear = rear,
                                .tokens = lost.size(),
                                .dirty_tokens = stale ? 0 : lost.size() - intersect(lost, e.lower.tokens).size(),
                                .stale = stale});
    return shed;
  }

  Hierarchy* levels_;
  std::vector<user_id> sorted_;
  std::uint64_t plans_ = 0;
};

}  // namespace kvstrata
