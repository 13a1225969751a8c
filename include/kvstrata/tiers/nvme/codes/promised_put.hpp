// What a put takes is known when it has been encoded. Until then it has a promise, of as much as it may take at most, so that
// no more is begun than there will be room for.
#pragma once

#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/codes/encode_put.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/waiting_puts.hpp>

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// It has its places, or will have none. The lock is held.
inline void end_promise(store_core& core, nvme_io& io) noexcept
{
  core.promised_blocks -= std::exchange(io.promised_blocks, 0);
}

/// A put is asked for. False: there is no room. `can_wait`: it may wait for some when it has been encoded. The lock is held.
/// Throws usage_error where a page fits no region.
[[nodiscard]] inline bool promise_put(store_core& core, nvme_io& io, bool can_wait)
{
  std::uint64_t blocks = 0;
  for (const wanted_place& w : places_of(core, io)) blocks += w.blocks;
  io.chunks.clear();  // it has no places
  const bool fits =
      core.waiting.empty() && core.promised_blocks + blocks <= core.books.regions.free_blocks(spared_regions);
  if (!fits && (!can_wait || !may_wait(core))) return false;
  io.promised_blocks = blocks;
  core.promised_blocks += blocks;
  return true;
}

/// Encodes a put that was promised places, and finds them; one that was erased needs none. It waits for them where it may
/// (io.waits), else tidy() makes what room there can be. False: there is none. The lock is not held.
template <class Tidy>
[[nodiscard]] bool encode_and_place(store_core& core, nvme_io& io, bool can_wait, Tidy&& tidy)
{
  if (io.codes.empty()) encode_put(core, io);
  const auto place_now = [&core, &io, can_wait] {
    const std::lock_guard lock(core.mutex);
    end_promise(core, io);
    if (io.erased) io.chunks.clear();
    return io.erased || begin_placed(core, io, can_wait);
  };
  if (place_now()) return true;
  if (!can_wait) {
    tidy();
    if (place_now()) return true;
  }
  io.chunks.clear();
  const std::lock_guard lock(core.mutex);
  ++core.books.counts.refused;
  return false;
}

/// A put is asked for. False: there is no room, nor will there be soon. The lock is held.
[[nodiscard]] inline bool begin_put(store_core& core, nvme_io& io, bool can_wait)
{
  return core.config.code ? promise_put(core, io, can_wait) : begin_placed(core, io, can_wait);
}

}  // namespace kvstrata::nvme
