// The account of one tier: bytes by where they are, tokens by what became of them.
#pragma once

#include <kvstrata/cache/stats.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstdint>

namespace kvstrata {

struct token_counts
{
  std::uint64_t resident = 0;
  std::uint64_t evicted = 0;
  std::uint64_t dropped = 0;
};

/// `capacity`: the frames of `frame_bytes` each that users can have. `complete(event)`: has it come to pass? O(free
/// runs).
template <class Tier, class Complete>
[[nodiscard]] tier_stats account(Tier& tier, std::uint64_t capacity, std::uint64_t frame_bytes, Complete&& complete,
                                 const token_counts& count = {})
{
  std::uint64_t in_flight = 0;
  if constexpr (requires { tier.in_flight(); }) in_flight = tier.in_flight();
  else in_flight = tier.in_flight(complete);
  return {.capacity_bytes = capacity * frame_bytes,
          .free_bytes = (tier.free() - in_flight) * frame_bytes,
          .resident_bytes = (capacity - tier.free()) * frame_bytes,
          .in_flight_bytes = in_flight * frame_bytes,
          .resident_tokens = count.resident,
          .evicted_tokens = count.evicted,
          .dropped_tokens = count.dropped};
}

}  // namespace kvstrata
