// The calls of a cache that are longer than a few lines. What they mean is said where they are declared.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>

namespace kvstrata {

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
auto cache<Tiers, Layout, Transfer, Replacement, Tracker>::prepare(std::span<const request> requests, stream_id compute,
                                                                   const batch_note& note) -> result<lease>
{
  const auto lock = locked(call_name::prepare);
  require_open("prepare");
  const call_scope call(residency_.tracker(), call_name::prepare);
  residency_.acting().begin({call_name::prepare, 0, note.label});
  device().wait(compute, {compute, 0});  // waits for nothing: an unknown stream shows before anything changes
  if (const auto why = executor_.stage(requests, batch_, true)) return turn_away(*why, note.label);
  if (const auto why = planner_.plan(requests, batch_, note.queued)) return turn_away(*why, note.label);
  batch_.tag = {++leases_, note.label, residency_.served()};
  residency_.acting().begin({call_name::prepare, leases_, note.label});
  try {
    return lease(*this, executor_.open_lease(batch_, requests, compute));
  } catch (const copy_refused&) {
    return no_copy(requests, note.label);
  }
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
result<batch_plan> cache<Tiers, Layout, Transfer, Replacement, Tracker>::plan(std::span<const request> requests,
                                                                              const batch_note& note)
{
  const std::lock_guard lock(mutex_);
  require_open("plan");
  batch_.offers.clear();
  if (const auto why = planner_.plan(requests, batch_, note.queued)) return *why;
  return batch_.plan;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
result<prefetch_outcome> cache<Tiers, Layout, Transfer, Replacement, Tracker>::prefetch(const request& r,
                                                                                        const prefetch_limit& limit)
{
  const auto lock = locked(call_name::prefetch);
  require_open("prefetch");
  const call_scope call(residency_.tracker(), call_name::prefetch);
  batch_.tag = {};
  residency_.acting().begin({call_name::prefetch});
  token_count left = 0;
  if (const auto why = executor_.stage({&r, 1}, batch_, false)) return turn_away(*why, 0);
  if (const auto why = prefetches_.plan_prefetch(r, limit, batch_, left)) return turn_away(*why, 0);
  prefetch_outcome out;
  try {
    if (!batch_.plan.requests.empty()) out = executor_.prefetch(batch_, r);
  } catch (const copy_refused&) {
    return no_copy({&r, 1}, 0);
  }
  out.left = left;
  executor_.settle();  // not before: what makes room below may be what the plan brings up
  return out;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
cache_stats cache<Tiers, Layout, Transfer, Replacement, Tracker>::stats()
{
  const std::lock_guard lock(mutex_);
  require_open("stats");
  return figures();
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
cache_stats cache<Tiers, Layout, Transfer, Replacement, Tracker>::figures()
{
  cache_stats s = residency_.stats();
  s.waiting_writes = mover_.waiting_writes();
  s.leases = executor_.open();
  s.forgotten = executor_.forgotten();
  s.refused_fetches = refused_fetches_;
  s.pressure_for = turned_away_;
  mover_.describe_stores(s);
  return s;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
cache_health cache<Tiers, Layout, Transfer, Replacement, Tracker>::health(const cache_health& before)
{
  const std::lock_guard lock(mutex_);
  try {
    const cache_stats s = figures();
    static_cast<void>(device().query(event{}));
    return health_of(s, before);
  } catch (const device_error& e) {
    cache_stats s;
    s.refused_writes = residency_.dropped_writes();
    s.refused_fetches = refused_fetches_;
    mover_.describe_stores(s);
    cache_health out = health_of(s, before);
    out.is = cache_health::state::failed;
    out.sentence = e.what();
    return out;
  }
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
bool cache<Tiers, Layout, Transfer, Replacement, Tracker>::erase(user_id user)
{
  const auto lock = locked(call_name::erase);
  require_open("erase");
  const call_scope call(residency_.tracker(), call_name::erase);
  const wake_at_end others(room_);
  const bool stored = mover_.erase_stored(user);
  entry_type* const found = residency_.users().find(user);
  if (found == nullptr) return stored;
  if (found->holds != 0) residency_.doom(*found);
  else mover_.erase(*found);
  return true;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
bool cache<Tiers, Layout, Transfer, Replacement, Tracker>::wait_sync(const pressure& why,
                                                                     std::chrono::nanoseconds at_most)
{
  std::unique_lock lock(mutex_);
  require_open("wait_sync");
  const auto passed = [&] {
    switch (why.why) {
      case pressure::reason::held:
        return detail::held_pages(executor_.leases()) + why.pages_needed <=
               why.pages_held + why.pages_free + why.pages_evictable;
      case pressure::reason::user_held: {
        const entry_type* const found = residency_.users().find(user_id{why.user});
        return found == nullptr || found->holds == 0;
      }
      case pressure::reason::arriving: return device().query(arrival_of(why));
      case pressure::reason::stale_epoch: return false;
      case pressure::reason::early_epoch: return to_number(residency_.users().epoch()) >= why.request_epoch;
      case pressure::reason::copy_refused: break;
    }
    return true;
  };
  if (why.why == pressure::reason::stale_epoch) return false;
  const auto is_over = [&] { return closed_ || passed(); };
  const bool arrives = why.why == pressure::reason::arriving;  // what stores answer wakes nobody
  const bool out = arrives ? room_.watch(lock, at_most, is_over) : room_.wait(lock, at_most, is_over);
  require_open("wait_sync");
  return out;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
std::vector<lease_info> cache<Tiers, Layout, Transfer, Replacement, Tracker>::leases()
{
  const std::lock_guard lock(mutex_);
  require_open("leases");
  return detail::infos_of(executor_.leases(), residency_.served());
}

}  // namespace kvstrata
