// The life of a lease: hold the batch's users, make room, bring their tokens up, take what was computed, let go.
#pragma once

#include <kvstrata/cache/forgetter.hpp>
#include <kvstrata/cache/late_leases.hpp>
#include <kvstrata/cache/lease_notes.hpp>
#include <kvstrata/cache/lease_pool.hpp>
#include <kvstrata/cache/table_rows.hpp>
#include <kvstrata/core/attempts.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/move/mover.hpp>
#include <kvstrata/move/page_taker.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/plan/prefetch.hpp>
#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Carries plans out. Not synchronised: the cache holds a lock.
template <class Residency, class Transfer>
class executor
{
 public:
  using entry_type = typename Residency::entry_type;
  using mover_type = mover<Residency, Transfer>;
  using tracker_type = typename Residency::tracker_type;
  using state = lease_state<entry_type, Residency::stores>;
  using batch = planned_batch<Residency>;
  static constexpr level_index memories = Residency::memories;

  executor(Residency& r, mover_type& m, std::size_t kept_stretches)
      : residency_(&r), mover_(&m), kept_stretches_(kept_stretches), forgetter_(r), taker_(r), notes_(r)
  {
  }

  [[nodiscard]] const lease_pool<state>& leases() const noexcept { return states_; }
  /// Is there a lease that was released and still waits for a store? It ends at whatever call comes once that has answered.
  [[nodiscard]] bool any_waits_for_store() const noexcept { return late_.over() != 0; }
  /// Leases that are not let go.
  [[nodiscard]] std::size_t open() const noexcept { return states_.open() - late_.over(); }
  [[nodiscard]] const tokens_forgotten& forgotten() const noexcept { return forgetter_.forgotten(); }

  /// Carries a plan out and hands over its lease. `requests`: those that were planned, of parts their rows. When this throws no lease is left behind.
  [[nodiscard]] state& open_lease(batch& planned, std::span<const request> requests, stream_id compute)
  {
    state& s = states_.take(residency_->shape().layers);
    const part_rows* const parts = planned.parts;
    s.compute = compute;
    try {
      s.lane = mover_->lanes().open(compute);
      take_over(planned, s);
      if (s.whole) {
        hold_whole(planned, requests, s);
      } else {
        if (parts == nullptr) hold(planned, requests, s);
        else hold_parts(*parts, s);
        forgetter_.carry_out(s.plan, held(s), requests, kept_stretches_);
        if (parts != nullptr) stand(*parts, s);
        if constexpr (Residency::stores != 0) mover_->stores().forget(s.plan, held(s));
        mover_->make_room(planned.victims, s.lane);
        taker_.take(s.plan, held(s), compute, mover_->lanes().others_than(s.lane), s.arrives);
        mover_->fetch(s.plan, held(s), taker_.landing(), s.arrives, &s.pages, s.lane);
        if constexpr (Residency::stores != 0) wait_for_stores(planned, s);
      }
      wait_for(residency_->device(), compute, taker_.earlier());
      if constexpr (Residency::stores != 0) mover_->stores().taken(requests);
      if (parts != nullptr) {
        note_parts(*parts, s);
        notes_.tell_prepared(s);
        return s;
      }
      s.table.start(s.held);
      const token_count page_tokens = residency_->layout().page_tokens;
      const request_plan* const rows = s.plan.requests.data();
      for (std::size_t i = 0; i < requests.size(); ++i) {
        entry_type& e = *s.entries[i];
        notes_.note_hit(e, rows[i], s);
        if (s.late.waits(i)) notes_.note_late(e, rows[i], s.plan, requests[i].hint);
        else notes_.note_arrival(e, rows[i], s.plan, requests[i].hint, true);
        if constexpr (Residency::stores != 0) mover_->stores().touch(e, requests[i].hint);
        write_row(rows[i], e.hot().extents, page_tokens, s.table);
      }
      read_window(s.pages, s.plan, page_tokens, s.table);
      notes_.tell_prepared(s);
    } catch (...) {
      abandon(s);
      throw;
    }
    return s;
  }

  /// Of a part that a request of the batch has.
  [[nodiscard]] page_table_view view_of(const state& s, std::size_t part) const noexcept
  {
    const auto& slab = residency_->slab().tier();
    return s.parts.of(part, s.table)
        .view(slab.data(), slab.place(), residency_->shape(), residency_->layout().page_tokens);
  }

  /// Carries a prefetch out; nobody holds its pages afterwards, and they do not land in the window.
  [[nodiscard]] prefetch_outcome prefetch(batch& planned, const request& r)
  {
    state& s = states_.take(residency_->shape().layers);
    try {
      s.lane = mover_->lanes().open_unattended();
      take_over(planned, s);
      hold(planned, {&r, 1}, s);
      entry_type& e = *s.entries[0];
      const token_interval had = e.hot().tokens;
      mover_->make_room(planned.victims, s.lane);
      taker_.take(s.plan, held(s), no_stream, mover_->lanes().others_than(s.lane), s.arrives);
      mover_->fetch(s.plan, held(s), taker_.landing(), s.arrives, nullptr, s.lane);
      notes_.note_arrival(e, s.plan.requests.front(), s.plan, r.hint, false);
      prefetch_state& ahead = e.hot().prefetch();
      ahead.travel(s.arrives);
      if (!ahead.unread) ahead.had = had;
      ahead.unread = true;
    } catch (...) {
      abandon(s);
      throw;
    }
    const prefetch_outcome out = queued_by(s.plan);
    let_go(s, {});
    tell(residency_->tracker(), prefetch_queued{out.tokens, out.displaced_tokens});
    return out;
  }

  /// Makes the new tokens valid and writes through. Users who were erased meanwhile, and epochs that are over, get
  /// nothing; those whose requests wait for a store get theirs when decide() says so.
  void commit(state& s);

  /// Of the requests that wait for a store, those whose reads are over: what they served and computed is kept, or forgotten.
  /// True when there was one. Whatever is thrown, all are decided.
  bool decide();
  [[nodiscard]] lease_outcome outcome_of(lease_ticket ticket) const noexcept { return late_.outcome_of(ticket); }

  /// Ends a lease after all that is queued on its compute stream by now, and begins writes that have waited for that. The
  /// lease is over whatever is thrown.
  void release(state& s)
  {
    std::exception_ptr failed;
    const auto last_use = last_point(residency_->device(), s.compute, failed);
    const lane_number lane = s.lane;
    notes_.tell_released(s, last_use.value_or(event{}));
    let_go(s, last_use.value_or(event{}));
    if (failed != nullptr) std::rethrow_exception(failed);
    settle(lane);
  }

  /// What stores have of a batch, and no memory, comes into the last memory first, or, if `counts_on` it, is offered to
  /// its requests: not where any has parts. `is_awaited`: somebody waits for the batch. Empty: nothing is on its way that it has
  /// to be called for again.
  [[nodiscard]] std::optional<pressure> stage([[maybe_unused]] std::span<const request> requests, batch& out,
                                              [[maybe_unused]] bool is_awaited, [[maybe_unused]] bool counts_on)
  {
    out.offers.clear();
    if constexpr (Residency::stores == 0) return std::nullopt;
    else {
      settle();
      return mover_->stores().stage(requests, counts_on ? &out.offers : nullptr, is_awaited);
    }
  }

  /// Begins writes that have waited, and books what stores have answered.
  void settle(lane_number lane = no_lane)
  {
    mover_->settle(lane);
    if constexpr (Residency::stores != 0) static_cast<void>(decide());
  }
  /// Blocks until all is done that is queued, and that follows from what stores answer.
  void drain_sync()
  {
    mover_->drain_sync();
    if constexpr (Residency::stores != 0) {
      if (decide()) mover_->drain_sync();  // what was kept has gone down
    }
  }

 private:
  [[nodiscard]] static std::span<entry_type* const> held(const state& s) noexcept
  {
    return std::span(s.entries).first(s.held);
  }

  /// Ends the holds; whoever writes the pages next waits for `last_use`. Pages without valid tokens go back.
  void let_go(state& s, event last_use) noexcept
  {
    const request_plan* const rows = s.plan.requests.data();
    const bool whole = s.whole;
    for (std::size_t i = 0, count = s.held; i < count; ++i) {
      entry_type& e = *s.entries[i];
      if (e.is_hot() && !e.hot().last_use[0].move_on(last_use)) {  // cold: there was no memory for more
        remember(residency_->device(), e.hot().last_use[0], last_use);
      }
      if (!s.late.waits(i)) end_hold(e, whole || rows[i].whole);
    }
    s.held = 0;
    mover_->give_back(s.pages, s.lane, last_use);
    if (late_.release(s)) states_.take_back(s);
  }

  void end_hold(entry_type& e, bool whole) noexcept
  {
    if (--e.holds != 0) return;
    if (e.doomed) mover_->erase(e);
    else if (!whole) residency_->settle(e);
  }

  /// Ends a lease that was not opened to the end. Its pages still wait for their earlier uses.
  void abandon(state& s) noexcept
  {
    for (entry_type* e : held(s)) taker_.leave_to(*e);
    for (request_plan& p : s.plan.requests) p.whole = false;  // rows may share a sequence: what ends last settles it
    let_go(s, {});
  }

  void take_over(batch& planned, state& s)
  {
    swap(s.plan, planned.plan);
    s.entries.swap(planned.entries);
    s.whole = planned.whole;
    s.tag = planned.tag;
    s.vouched.clear();
    taker_.start();
  }

  /// Holds users all of whose requests are whole: nothing is to be done for them but to wait for who had them last.
  void hold_whole(const batch& planned, std::span<const request> requests, state& s);
  /// Holds the plan's users, so that nothing that follows evicts them.
  void hold(const batch& planned, std::span<const request> requests, state& s);
  void hold_parts(const part_rows& of, state& s);
  /// What the request's fingerprints say will count once it is committed: there is room for it from here on.
  void vouch(const request& r, entry_type& e, const kept_tokens& kept, state& s);
  void stand(const part_rows& of, const state& s);
  void note_parts(const part_rows& of, state& s);
  [[nodiscard]] bool publish(entry_type& e, const state& s);

  /// Requests whose plan counts on what a store is about to give become late, and their layers wait for it.
  void wait_for_stores(const batch& planned, state& s)
  {
    if (planned.offers.empty()) return;
    s.late.reserve(s.held);
    for (std::size_t i = 0; i < s.held; ++i) {
      const level_index level = planned.offers.of(i).level;
      const std::span<const piece> pieces = s.plan.pieces_of(i);
      const auto counts_on = [level](const piece& p) { return p.source == level; };
      if (level == 0 || std::none_of(pieces.begin(), pieces.end(), counts_on)) continue;
      entry_type& e = *s.entries[i];
      late_.begin(s, i, e, [&](std::uint64_t number) {
        mover_->stores().read_on(level, e, number, pieces, taker_.landing(), s.arrives);
      });
    }
  }

  /// The request's computed tokens are valid, but for a volatile tail. Returns how many.
  std::uint64_t keep_computed(entry_type& e, std::size_t request, const state& s) noexcept;
  /// What a late request waited for has come: it is as good as any other, and if it was committed that counts now.
  void keep_late(std::size_t request, state& s);
  void write_through(std::span<entry_type* const> committed, const state& s)
  {
    mover_->write_through(committed, s.plan.compute.empty() ? std::span<const event>() : std::span(s.done), s.lane);
  }

  Residency* residency_;
  mover_type* mover_;
  std::size_t kept_stretches_;
  forgetter<Residency> forgetter_;
  page_taker<Residency> taker_;
  lease_notes<Residency> notes_;
  lease_pool<state> states_;
  [[no_unique_address]] late_leases<state, Residency::stores> late_;
  std::vector<entry_type*> committed_;
};

}  // namespace kvstrata

#include <kvstrata/cache/commit.hpp>
#include <kvstrata/cache/holds.hpp>
#include <kvstrata/cache/part_holds.hpp>
