// The life of a lease: hold the batch's users, make room, bring their tokens up, take what was computed, let go.
#pragma once

#include <kvstrata/cache/forgetter.hpp>
#include <kvstrata/cache/lease_states.hpp>
#include <kvstrata/cache/prefetch.hpp>
#include <kvstrata/cache/request.hpp>
#include <kvstrata/cache/room_finder.hpp>
#include <kvstrata/cache/window_stay.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/observe/concepts.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata {

/// Not synchronised: the cache holds a lock.
template <class Hierarchy>
class lease_book
{
 public:
  using entry_type = typename Hierarchy::entry_type;
  using state = lease_state<entry_type>;
  using batch = planned_batch<Hierarchy>;
  using watcher_type = typename Hierarchy::watcher_type;

  /// `kept_stretches`: hashes kept of a user with stretch fingerprints, at most.
  lease_book(Hierarchy& h, std::size_t kept_stretches) : levels_(&h), kept_stretches_(kept_stretches) {}

  /// Leases that are not let go.
  [[nodiscard]] std::size_t open() const noexcept { return states_.open(); }
  /// What requests have made useless so far.
  [[nodiscard]] const tokens_forgotten& forgotten() const noexcept { return forgetter_.forgotten(); }

  /// Carries a plan out and hands over its lease. When this throws (memory is short, or the device failed) no lease is
  /// left behind.
  [[nodiscard]] state& open_lease(batch& planned, std::span<const request> requests, stream_id compute)
  {
    state& s = states_.take(levels_->shape().layers);
    s.compute = compute;
    try {
      hold(planned, requests, s);
      forgetter_.carry_out(s.plan, std::span(s.entries).first(s.held));
      make_room(planned, s);
      note_hits(s);
      levels_->onload(wanted_, landing_, s.arrives, &s.stay);
      note_arrivals(s, requests, true);
      wait_for(levels_->device(), compute, earlier_);
      write_page_table(s);
    } catch (...) {
      abandon(s);
      throw;
    }
    return s;
  }

  /// Carries a prefetch out; nobody holds its pages afterwards, and they do not land in the window.
  [[nodiscard]] prefetch_outcome prefetch(batch& planned, const request& r)
  {
    state& s = states_.take(levels_->shape().layers);
    prefetch_outcome out;
    try {
      hold(planned, {&r, 1}, s);
      entry_type& e = *s.entries[0];
      const token_interval had = e.device.tokens;
      make_room(planned, s);
      levels_->onload(wanted_, landing_, s.arrives, nullptr);
      note_arrivals(s, {&r, 1}, false);
      note_arriving(e, s);
      if (!e.prefetched.unread) e.prefetched.had = had;
      e.prefetched.unread = true;
    } catch (...) {
      abandon(s);
      throw;
    }
    out.tokens = s.plan.requests.front().lower_tokens();
    out.pages = s.plan.requests.front().pages_taken;
    for (const victim_plan& v : s.plan.victims) {
      if (v.stale) continue;
      out.displaced_pages += v.pages;
      out.displaced_tokens += v.tokens;
    }
    let_go(s, {});
    tell(levels_->watcher(), prefetch_queued{out.tokens, out.displaced_tokens});
    return out;
  }

  /// Makes the new tokens valid and writes through. Users who were erased meanwhile, and epochs that are over, get
  /// nothing.
  void commit(state& s)
  {
    s.committed = true;
    committed_.clear();
    committed_.reserve(s.held);
    batch_committed what;
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      if (e.doomed || levels_->is_stale(e)) continue;
      const token_interval lasting{s.plan.requests[i].first_token, s.plan.requests[i].lasting};
      levels_->set_device_tokens(e, hull(lasting, e.device.tokens));  // they touch: the planner sees to it
      for (const token_interval piece : s.plan.compute_of(i)) what.tokens += intersect(piece, lasting).size();
      committed_.push_back(&e);
    }
    s.vouched.commit([this](const entry_type& e) { return !e.doomed && !levels_->is_stale(e); });
    levels_->write_through(committed_, s.plan.compute.empty() ? std::span<const event>() : std::span(s.done));
    tell(levels_->watcher(), what);
  }

  /// Ends a lease after all that is queued on its compute stream by now, and begins writes that have waited for that. The
  /// lease is over whatever is thrown.
  void release(state& s)
  {
    std::exception_ptr failed;
    const auto last_use = last_point(levels_->device(), s.compute, failed);
    let_go(s, last_use.value_or(event{}));
    if (failed != nullptr) std::rethrow_exception(failed);
    levels_->proceed();
  }

 private:
  /// Ends the holds; whoever writes the pages next waits for `last_use`. Pages without valid tokens go back.
  void let_go(state& s, event last_use) noexcept
  {
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      remember(levels_->device(), e.device.last_use, last_use);
      if (--e.holds != 0) continue;
      if (e.doomed) levels_->erase(e);
      else levels_->settle(e);
    }
    s.held = 0;
    levels_->leave_window(s.stay, last_use);
    states_.take_back(s);
  }

  /// Ends a lease that was not opened to the end. Its pages still wait for their earlier uses.
  void abandon(state& s) noexcept
  {
    for (std::size_t i = 0; i < s.held; ++i) remember(levels_->device(), s.entries[i]->device.last_use, taken_);
    let_go(s, {});
  }

  /// Takes the plan over and holds its users, so that nothing that follows evicts them.
  void hold(batch& planned, std::span<const request> requests, state& s)
  {
    std::swap(s.plan, planned.plan);
    std::swap(s.entries, planned.entries);
    s.vouched.clear();
    taken_.clear();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      entry_type*& e = s.entries[i];
      if (e == nullptr) e = &levels_->users().add(requests[i].user);
      ++e->holds;
      ++s.held;
      levels_->note_time(requests[i].time_ms);
      if (!has_fingerprint(requests[i])) continue;
      if (s.vouched.add(requests[i], *e, kept_stretches_) != 0) levels_->users().reserve_stretches(*e, kept_stretches_);
    }
  }

  /// Makes room and takes pages. Leaves in earlier_ what the model has to wait for before it writes to any page, and in
  /// landing_ what an onload has to wait for: they are not the same pages.
  void make_room(const batch& planned, state& s)
  {
    levels_->evict(planned.victims);
    earlier_.clear();
    landing_.clear();
    wanted_.clear();
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      const request_plan& r = s.plan.requests[i];
      note_earlier_uses(e, s);
      const page_interval wanted = levels_->room({r.first_token, r.history});
      levels_->top().take(e, wanted, taken_, [&](page_interval pages, const fence& uses) {
        const token_interval tokens = levels_->tokens_in(pages);
        const bool lands = !intersect(tokens, r.lower_hits[0]).empty() || !intersect(tokens, r.lower_hits[1]).empty();
        bool computed = false;
        for (const token_interval piece : s.plan.compute_of(i)) computed |= !intersect(tokens, piece).empty();
        if (lands) landing_.add(uses);
        if (computed || !lands) earlier_.add(uses);
        if (!computed && !lands) e.device.last_use.add(uses);  // room to grow: whoever writes there must know
      });
      wanted_.push_back({&e, {r.lower_hits[0], r.lower_hits[1]}});
    }
  }

  /// What still uses an entry's bytes. A prefetch that is under way is waited for layer by layer instead.
  void note_earlier_uses(entry_type& e, state& s)
  {
    std::vector<event>& arriving = e.prefetched.arriving;
    // In a range the prefetch also stands for who had the pages that the model will write to.
    const bool by_layer = levels_->layout().granule_pages() == 1;
    for (const fence* uses : {&e.device.last_use, &e.lower.last_use}) {
      for (const event point : *uses) {
        if (arriving.empty() || !by_layer || point != arriving.back()) earlier_.add(point);
      }
    }
    for (std::size_t l = 0; l < arriving.size(); ++l) s.arrives[l].add(arriving[l]);
    arriving.clear();
  }

  /// A prefetch is under way, layer by layer. An engine may say of a layer that it has arrived already.
  static void note_arriving(entry_type& e, const state& s)
  {
    std::vector<event>& arriving = e.prefetched.arriving;
    arriving.reserve(s.arrives.size());
    arriving.clear();
    for (const fence& layer : s.arrives) arriving.push_back(layer.empty() ? event{} : *layer.begin());
  }

  /// The lower tier's hits are on their way to the device.
  void note_arrivals(state& s, std::span<const request> requests, bool read)
  {
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      const request_plan& r = s.plan.requests[i];
      token_interval valid = e.device.tokens;
      for (const token_interval hit : r.lower_hits) {
        if (joinable(valid, hit)) valid = hull(valid, hit);
        if (read) e.lower.read.add(hit);
      }
      levels_->set_device_tokens(e, valid);
      if (read) e.device.read.add(intersect(valid, {0, r.history}));
      levels_->touch(e, requests[i].hint);
    }
  }

  /// Counts the requests and tells what they found.
  void note_hits(state& s)
  {
    for (std::size_t i = 0; i < s.held; ++i) {
      entry_type& e = *s.entries[i];
      const request_plan& r = s.plan.requests[i];
      if constexpr (tracks<watcher_type, user_hit>) {
        const std::uint64_t age = levels_->age(e);
        if (!r.device_hit.empty()) levels_->watcher().on(user_hit{tier_level::device, r.device_hit.size(), age});
        if (r.lower_tokens() != 0) levels_->watcher().on(user_hit{tier_level::lower, r.lower_tokens(), age});
      }
      if constexpr (tracks<watcher_type, batch_prepared>) {
        if (e.prefetched.unread) s.prefetched += r.device_hit.size() - intersect(r.device_hit, e.prefetched.had).size();
      }
      e.prefetched.unread = false;
      levels_->count_request(e);
    }
  }

  void write_page_table(state& s)
  {
    batch_prepared what{.requests = s.held, .prefetched_tokens = s.prefetched};
    s.table.clear();
    const token_count page_tokens = levels_->layout().page_tokens;
    for (std::size_t i = 0; i < s.held; ++i) {
      const request_plan& r = s.plan.requests[i];
      const auto& device = s.entries[i]->device;
      const page_interval wanted = levels_->pages({r.first_token, r.history});
      const std::size_t skipped = wanted.empty() ? 0 : wanted.begin - device.first_page;
      s.table.add(std::span(device.pages).subspan(skipped, wanted.size()), r.first_token, r.history, page_tokens);
      what.device_tokens += r.device_hit.size();
      what.lower_tokens += r.lower_tokens();
      what.computed_tokens += r.computed_tokens();
      what.recomputed_tokens += r.recomputed.size();
    }
    for (const window_stay::run& r : s.stay.runs) {
      const page_count first_page = s.plan.requests[r.request].first_token / page_tokens;
      const auto from = static_cast<std::size_t>(s.table.indptr[r.request]) + r.page - first_page;
      for (page_count i = 0; i < r.where.count; ++i) s.table.page_ids[from + i] = to_page(r.where.first + i);
    }
    tell(levels_->watcher(), what);
  }

  Hierarchy* levels_;
  std::size_t kept_stretches_;
  forgetter<Hierarchy> forgetter_{*levels_};
  lease_states<entry_type> states_;
  std::vector<typename Hierarchy::onload_request> wanted_;
  std::vector<entry_type*> committed_;
  fence taken_;    // earlier uses of the pages that were just taken
  fence earlier_;  // of these and of the users' own pages: what the model waits for
  fence landing_;  // of these: what the onload waits for
};

}  // namespace kvstrata
