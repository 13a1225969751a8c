// The life of a lease: hold the batch's users, bring their tokens up, take what was computed, let go.
#pragma once

#include <kvstrata/cache/lease.hpp>
#include <kvstrata/cache/planner.hpp>
#include <kvstrata/cache/request.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata {

/// Owns the lease states and reuses them. Not synchronised: the cache holds a lock.
template <class Hierarchy>
class lease_book
{
 public:
  using entry_type = typename Hierarchy::entry_type;
  using state = lease_state<entry_type>;
  using batch = planned_batch<Hierarchy>;

  explicit lease_book(Hierarchy& h) : levels_(&h) {}

  /// Leases that are not let go.
  [[nodiscard]] std::size_t open() const noexcept { return states_.size() - idle_.size(); }

  /// Carries a plan out and hands over its lease. When this throws (memory is short, or the device failed) no lease is
  /// left behind.
  [[nodiscard]] state& open_lease(batch& planned, std::span<const request> requests, stream_id compute)
  {
    state& s = fresh_state();
    s.compute = compute;
    try {
      hold(planned, requests, s);
      s.arriving = bring_up(planned, s);
      wait_for(levels_->device(), compute, earlier_);
      write_page_table(s);
    } catch (...) {
      abandon(s);
      throw;
    }
    return s;
  }

  /// Carries a prefetch out; nobody holds its pages afterwards. Returns the tokens that are on their way.
  [[nodiscard]] token_count prefetch(batch& planned, const request& r)
  {
    state& s = fresh_state();
    try {
      hold(planned, {&r, 1}, s);
      static_cast<void>(bring_up(planned, s));
    } catch (...) {
      abandon(s);
      throw;
    }
    const token_count tokens = s.plan.requests.front().lower_tokens();
    let_go(s, {});
    return tokens;
  }

  /// Makes the new tokens valid and writes through. Users who were erased meanwhile, and epochs that are over, get
  /// nothing.
  void commit(state& s)
  {
    s.committed = true;
    committed_.clear();
    batch_committed what;
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      if (e.doomed || levels_->is_stale(e)) continue;
      const token_interval all{0, s.plan.requests[i].history};
      levels_->set_device_tokens(e, hull(all, e.device.tokens));  // they touch: the planner sees to it
      if (s.vouched[i].tokens > e.vouched.tokens) e.vouched = s.vouched[i];
      for (const token_interval piece : s.plan.compute_of(i)) what.tokens += piece.size();
      committed_.push_back(&e);
    }
    levels_->write_through(committed_, s.plan.compute.empty() ? std::span<const event>() : std::span(s.done));
    tell(levels_->watcher(), what);
  }

  /// Ends the holds; whoever writes the pages next waits for `last_use`. Pages without valid tokens go back.
  void let_go(state& s, event last_use)
  {
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      e.device.last_use.add(last_use);
      if (--e.holds != 0) continue;
      if (e.doomed) levels_->erase(e);
      else levels_->settle(e);
    }
    s.held = 0;
    idle_.push_back(&s);
  }

 private:
  state& fresh_state()
  {
    if (idle_.empty()) {
      idle_.reserve(states_.size() + 1);  // room for all: letting go cannot fail
      states_.push_back(std::make_unique<state>());
      idle_.push_back(states_.back().get());
    }
    state& s = *idle_.back();
    const std::size_t layers = levels_->shape().layers;
    s.held = 0;
    s.committed = false;
    s.arriving = {};
    s.done.assign(layers, event{});
    s.layers.assign(layers, state::progress::untouched);
    idle_.pop_back();
    return s;
  }

  /// Ends a lease that was not opened to the end. Its pages still wait for their earlier uses.
  void abandon(state& s)
  {
    for (std::size_t i = 0; i < s.held; ++i) s.entries[i]->device.last_use.add(taken_);
    let_go(s, {});
  }

  /// Takes the plan over and holds its users, so that nothing that follows evicts them.
  void hold(batch& planned, std::span<const request> requests, state& s)
  {
    std::swap(s.plan, planned.plan);
    std::swap(s.entries, planned.entries);
    s.vouched.clear();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      entry_type*& e = s.entries[i];
      if (e == nullptr) e = &levels_->users().add(requests[i].user);
      ++e->holds;
      ++s.held;
      const history_fingerprint& f = requests[i].fingerprint;
      const token_count strides = f.stride == 0 ? 0 : requests[i].history_tokens / f.stride;
      if (strides == 0) s.vouched.push_back({});
      else s.vouched.push_back({strides * f.stride, f.prefix_hashes[strides - 1]});
    }
  }

  /// Makes room, takes pages, queues the onload, and leaves in earlier_ what the model has to wait for before it
  /// writes to any page.
  [[nodiscard]] ticket bring_up(const batch& planned, state& s)
  {
    taken_.clear();
    levels_->evict(planned.victims);
    earlier_.clear();
    wanted_.clear();
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      const request_plan& r = s.plan.requests[i];
      levels_->top().take(e, levels_->pages({r.first_token, r.history}), taken_);
      earlier_.add(e.device.last_use);
      wanted_.push_back({&e, {r.lower_hits[0], r.lower_hits[1]}});
    }
    earlier_.add(taken_);
    ticket moved = levels_->onload(wanted_, taken_);
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      token_interval valid = e.device.tokens;
      for (const token_interval hit : s.plan.requests[i].lower_hits) {
        if (joinable(valid, hit)) valid = hull(valid, hit);
      }
      levels_->set_device_tokens(e, valid);
      levels_->touch(e);
    }
    return moved;
  }

  void write_page_table(state& s)
  {
    batch_prepared what{.requests = s.held};
    s.page_ids.clear();
    s.indptr.assign(1, 0);
    s.last_page_len.clear();
    const token_count page_tokens = levels_->layout().page_tokens;
    for (std::size_t i = 0; i < s.held; ++i) {
      const request_plan& r = s.plan.requests[i];
      const auto& pages = s.entries[i]->device.pages;
      const page_count count = levels_->pages({0, r.history}).size();
      s.page_ids.insert(s.page_ids.end(), pages.begin(), pages.begin() + count);
      s.indptr.push_back(static_cast<std::int32_t>(s.page_ids.size()));
      s.last_page_len.push_back(count == 0 ? 0 : static_cast<std::int32_t>(r.history - (count - 1) * page_tokens));
      what.device_tokens += r.device_hit.size();
      what.lower_tokens += r.lower_tokens();
      what.computed_tokens += r.computed_tokens();
    }
    tell(levels_->watcher(), what);
  }

  Hierarchy* levels_;
  std::vector<std::unique_ptr<state>> states_;
  std::vector<state*> idle_;
  std::vector<typename Hierarchy::onload_request> wanted_;
  std::vector<entry_type*> committed_;
  fence earlier_;
  fence taken_;  // earlier uses of the pages that were just taken
};

}  // namespace kvstrata
