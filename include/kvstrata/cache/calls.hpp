// The calls of a cache that are longer than a few lines. What they mean is said where they are declared.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/device/virtual_time.hpp>

#include <algorithm>
#include <chrono>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
  const std::span<const request> rows = rows_of(requests);
  if (const auto why = executor_.stage(rows, batch_, true, rows_.rows().empty())) return turn_away(*why, note.label);
  if (const auto why = plan_into_batch(rows, note.queued)) return turn_away(*why, note.label);
  batch_.tag = {++leases_, note.label, residency_.served()};
  residency_.acting().begin({call_name::prepare, leases_, note.label});
  try {
    return lease(*this, executor_.open_lease(batch_, rows, compute));
  } catch (const copy_refused&) {
    return no_copy(rows, note.label);
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
  if (const auto why = plan_into_batch(rows_of(requests), note.queued)) return *why;
  return batch_.plan;
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
  residency_.settle_superseded();
  cache_stats s = residency_.stats();
  s.waiting_writes = mover_.waiting_writes();
  s.leases = executor_.open();
  s.forgotten = executor_.forgotten();
  s.forgotten.superseded += residency_.superseded();
  s.superseded_versions = residency_.superseded_versions();
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
bool cache<Tiers, Layout, Transfer, Replacement, Tracker>::erase(const sequence_key& key)
{
  const auto lock = locked(call_name::erase);
  require_open("erase");
  const call_scope call(residency_.tracker(), call_name::erase);
  const wake_at_end others(room_);
  const bool stored = mover_.erase_stored(key);
  entry_type* const writer = residency_.users().writer(key);
  if (writer != nullptr) residency_.users().give_up(*writer);  // what it computes is not kept
  entry_type* const found = residency_.users().find(key);
  if (found == nullptr) return stored || writer != nullptr;
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
        const sequence_key key{why.space, why.user};
        const entry_type* const found = residency_.users().find(key);
        return found == nullptr || found->holds == 0 || (found->atomic && found->holds < entry_type::most_holds / 2);
      }
      case pressure::reason::arriving:
        if (why.by_commit) return residency_.users().writer({why.space, why.user}) == nullptr;
        return device().query(arrival_of(why));
      case pressure::reason::stale_epoch: return false;
      case pressure::reason::early_epoch: return to_number(residency_.users().epoch()) >= why.request_epoch;
      case pressure::reason::copy_refused: break;
    }
    return true;
  };
  if (why.why == pressure::reason::stale_epoch) return false;
  const auto is_over = [&] {
    if (!closed_ && executor_.any_waits_for_store()) book_answers();
    return closed_ || passed();
  };
  const bool out = room_.wait(lock, at_most, is_over, [&] {  // what stores answer wakes nobody
    return (why.why == pressure::reason::arriving && !why.by_commit) || executor_.any_waits_for_store();
  });
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

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
std::uint64_t cache<Tiers, Layout, Transfer, Replacement, Tracker>::clean(std::uint64_t tokens)
{
  const auto lock = locked(call_name::clean);
  require_open("clean");
  const call_scope call(residency_.tracker(), call_name::clean);
  residency_.acting().begin({call_name::clean});
  executor_.settle();
  return mover_.clean(tokens);
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
std::uint64_t cache<Tiers, Layout, Transfer, Replacement, Tracker>::save_sync(std::chrono::nanoseconds at_most)
  requires(Tiers::stores != 0)
{
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::nanoseconds none(0), day = std::chrono::hours(24);
  const clock::time_point until = clock::now() + std::clamp(at_most, none, day);
  std::unique_lock lock(mutex_);
  const auto passes = [&](event point) {
    require_open("save_sync");
    if (is_in_virtual_time(device())) {
      device().wait_sync(point);
      return true;
    }
    const auto is_over = [&] { return closed_ || device().query(point); };
    return room_.wait(lock, until - clock::now(), is_over, [] { return true; }) && !closed_;
  };
  require_open("save_sync");
  residency_.acting().begin({call_name::clean});
  const store_figures before = mover_.stores().figures();
  const auto loses_most = [&] {
    const store_figures now = mover_.stores().figures();
    const std::uint64_t lost = now.lost_puts - before.lost_puts;
    return lost > 8 && 2 * lost > now.puts - before.puts;
  };
  for (bool in_time = true; in_time;) {
    executor_.settle();
    if (loses_most()) break;
    const bool begun = mover_.save();
    const auto point = mover_.stores().first_under_way();
    if (!point) {
      if (!begun) break;
      continue;
    }
    in_time = passes(*point);
  }
  const bool durable = mover_.stores().flush(passes);
  executor_.settle();
  return mover_.stores().unsaved_tokens(durable);
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
void cache<Tiers, Layout, Transfer, Replacement, Tracker>::drain_sync()
{
  const std::lock_guard lock(mutex_);
  require_open("drain_sync");
  executor_.drain_sync();
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
void cache<Tiers, Layout, Transfer, Replacement, Tracker>::close()
{
  const std::lock_guard lock(mutex_);
  if (executor_.open() != 0) {
    throw usage_error("close: " + std::to_string(executor_.open()) + " leases are not released yet");
  }
  executor_.drain_sync();
  closed_ = true;
  room_.wake();
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
std::span<const request> cache<Tiers, Layout, Transfer, Replacement, Tracker>::make_rows(
    std::span<const request> requests)
{
  rows_.clear();
  if (!any_parts(requests)) return requests;
  rows_.make(requests);
  return rows_.rows();
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
pressure cache<Tiers, Layout, Transfer, Replacement, Tracker>::no_copy(std::span<const request> requests,
                                                                       std::uint64_t label)
{
  ++refused_fetches_;
  const sequence_key key = key_of(requests.front());
  return turn_away({.why = pressure::reason::copy_refused, .user = key.id, .space = key.space}, label);
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
pressure cache<Tiers, Layout, Transfer, Replacement, Tracker>::turn_away(const pressure& why, std::uint64_t label)
{
  ++turned_away_[static_cast<std::size_t>(why.why)];
  tell(residency_.tracker(), pressure_met{why, label});
  return why;
}

}  // namespace kvstrata
