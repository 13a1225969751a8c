// Puts that found no clean region: where some are being made, they wait for their places, in the order of their calls.
#pragma once

#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <mutex>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// May one more wait? Only where room comes without anything that a device must do first, for a device may wait for the put.
/// So many wait at most that not all workers do. The lock is held. O(regions log regions) where there is room to wait.
[[nodiscard]] inline bool may_wait(const store_core& core)
{
  if (core.waiting.size() >= core.config.workers / 2) return false;
  const region_book& regions = core.books.regions;
  return core.makes_room || !regions.unused(1).empty() || !regions.victims(1).empty();
}

/// Gives places to those who wait, as far as there are any. `all`: the others are told that there are none. The lock is held.
inline void place_waiting(store_core& core, bool all) noexcept
{
  if (core.waiting.empty()) return;
  while (!core.waiting.empty()) {
    nvme_io& io = *core.waiting.front();
    bool has_place = io.erased;  // then it needs none
    try {
      has_place = has_place || place(core, io, spared_regions);
    } catch (const std::exception&) {  // no memory
      io.has_none = true;
    }
    if (!has_place && !all && !io.has_none) break;
    if (!has_place || io.erased) io.chunks.clear();
    io.has_none = !has_place;
    io.waits = false;
    core.waiting.pop_front();
    if (io.has_none) ++core.books.counts.refused;
  }
  core.placed.notify_all();
}

/// Nobody carries it out: it needs no place. The lock is held.
inline void forget_waiting(store_core& core, nvme_io& io) noexcept
{
  std::erase(core.waiting, &io);
  io.waits = false;
}

/// Finds places for a put, or lets it wait for them where it may. False: there are none. The lock is held. Throws usage_error
/// where it can have none, ever.
[[nodiscard]] inline bool begin_placed(store_core& core, nvme_io& io, bool can_wait)
{
  if (core.waiting.empty() && place(core, io, spared_regions)) return true;
  if (!can_wait || !may_wait(core)) return false;
  static_cast<void>(places_of(core, io));
  core.waiting.push_back(&io);
  ++core.books.counts.waited;
  io.waits = true;
  return true;
}

/// Blocks until a put has its places. False: it has none.
[[nodiscard]] inline bool wait_for_places_sync(store_core& core, const nvme_io& io)
{
  std::unique_lock lock(core.mutex);
  core.placed.wait(lock, [&io] { return !io.waits; });
  return !io.has_none;
}

}  // namespace kvstrata::nvme
