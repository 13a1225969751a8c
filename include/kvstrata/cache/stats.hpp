// Where every byte is.
#pragma once

#include <kvstrata/observe/events.hpp>

#include <cstdint>

namespace kvstrata {

/// free + resident + in_flight = capacity, at all times.
struct tier_stats
{
  std::uint64_t capacity_bytes = 0;
  std::uint64_t free_bytes = 0;       ///< nobody's, and nothing queued uses it
  std::uint64_t resident_bytes = 0;   ///< in pages or extents of users
  std::uint64_t in_flight_bytes = 0;  ///< nobody's any more, but queued work still uses it
  std::uint64_t resident_tokens = 0;  ///< committed tokens that the tier holds for the current epoch's users
  std::uint64_t evicted_tokens = 0;   ///< pushed out by pressure so far
  std::uint64_t dropped_tokens = 0;   ///< of these, how many were in no other tier and so are lost
};

struct cache_stats
{
  tier_stats device;
  tier_stats lower;                  ///< all 0 without a lower tier
  tier_stats window;                 ///< the onload window; resident while leases read it; all 0 without one
  std::uint64_t dirty_tokens = 0;    ///< that only the device has
  std::uint64_t waiting_writes = 0;  ///< users whose write waits for its turn
  std::uint64_t users = 0;           ///< of whom any token is cached, in the current epoch
  std::uint64_t leases = 0;          ///< not yet released
  std::uint64_t stretch_bytes = 0;   ///< kept of users' stretch fingerprints, in host memory
  tokens_forgotten forgotten{};      ///< that requests have made useless so far
};

}  // namespace kvstrata
