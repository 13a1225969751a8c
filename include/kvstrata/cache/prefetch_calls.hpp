// A cache's calls about what is brought up ahead of requests. What they mean is said where they are declared.
#pragma once

#include <kvstrata/cache.hpp>

#include <algorithm>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
  const std::span<const request> rows = rows_of({&r, 1});
  for (std::size_t i = 0; rows.size() > 1 && i < rows.size(); ++i) {
    if (const auto why = prefetches_.check(rows[i])) return turn_away(*why, 0);
  }
  if (const auto why = executor_.stage(rows, batch_, false, false)) return turn_away(*why, 0);
  prefetch_outcome out;
  for (const request& row : rows) {
    if (mode_of(row) == part_mode::scratch) continue;
    prefetch_outcome one;
    const auto why = prefetches_.plan_prefetch(row, limit - out, batch_, one.left);
    if (why && out.tokens == 0) return turn_away(*why, 0);
    if (why) break;
    const token_count left = one.left;
    try {
      if (!batch_.plan.requests.empty()) one = executor_.prefetch(batch_, row);
    } catch (const copy_refused&) {
      return no_copy({&row, 1}, 0);
    }
    one.left = left;
    out += one;
  }
  executor_.settle();  // not before: what makes room below may be what the plan brings up
  return out;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
token_count cache<Tiers, Layout, Transfer, Replacement, Tracker>::undo_prefetch(const sequence_key& key)
{
  const auto lock = locked(call_name::prefetch);
  require_open("undo_prefetch");
  const call_scope call(residency_.tracker(), call_name::prefetch);
  entry_type* const found = residency_.users().find(key);
  return found == nullptr || found->holds != 0 ? 0 : residency_.undo_prefetch(*found);
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
token_count cache<Tiers, Layout, Transfer, Replacement, Tracker>::undo_prefetch(const request& r)
{
  token_count gone = 0;
  for (const part& p : r.parts) gone += p.mode == part_mode::scratch ? 0 : undo_prefetch(p.key);
  return r.parts.empty() ? undo_prefetch(r.user) : gone;
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
bool cache<Tiers, Layout, Transfer, Replacement, Tracker>::arrived(const sequence_key& key)
{
  const std::lock_guard lock(mutex_);
  require_open("arrived");
  const auto points = mover_.arrivals(key);
  return std::all_of(points.begin(), points.end(), [&](event p) { return p.sequence == 0 || device().query(p); });
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
bool cache<Tiers, Layout, Transfer, Replacement, Tracker>::arrived(const request& r)
{
  return r.parts.empty() ? arrived(r.user) : std::all_of(r.parts.begin(), r.parts.end(), [this](const part& p) {
    return p.mode == part_mode::scratch || arrived(p.key);
  });
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
void cache<Tiers, Layout, Transfer, Replacement, Tracker>::wait_arrived_sync(const sequence_key& key)
{
  std::unique_lock lock(mutex_);
  require_open("wait_arrived_sync");
  const auto points = mover_.arrivals(key);
  lock.unlock();
  for (const event p : points) device().wait_sync(p);
}

template <tiers_of_a_cache Tiers, layout_policy Layout, class Transfer, replacement_policy Replacement, tracker Tracker>
  requires transfer_policy<Transfer, typename Tiers::device_type>
void cache<Tiers, Layout, Transfer, Replacement, Tracker>::wait_arrived_sync(const request& r)
{
  if (r.parts.empty()) return wait_arrived_sync(r.user);
  for (const part& p : r.parts) {
    if (p.mode != part_mode::scratch) wait_arrived_sync(p.key);
  }
}

}  // namespace kvstrata
