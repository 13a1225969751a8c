// Where every byte is.
#pragma once

#include <kvstrata/books/store_figures.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/core/result.hpp>
#include <kvstrata/observe/events.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// free + resident + in_flight = capacity, at all times.
struct tier_stats
{
  std::string_view name;  ///< of the tier; empty where there is no such level
  std::uint64_t capacity_bytes = 0;
  std::uint64_t free_bytes = 0;      ///< nobody's, and nothing queued uses it
  std::uint64_t resident_bytes = 0;  ///< in pages or extents of users
  std::uint64_t stale_bytes = 0;     ///< of these, in those of an older epoch, or of who was erased then: they go first
  std::uint64_t in_flight_bytes = 0;  ///< nobody's any more, but queued work still uses it
  std::uint64_t resident_tokens = 0;  ///< committed tokens that the tier holds for the current epoch's users
  std::uint64_t evicted_tokens = 0;   ///< pushed out by pressure so far
  std::uint64_t dropped_tokens = 0;   ///< of these, how many were in no other tier and so are lost
  std::uint64_t waited_pages = 0;     ///< taken so far while another compute stream's work still used them
  std::uint64_t raw_capacity_bytes =
      0;                        ///< of raw frames, where the tier keeps codes (books/level_codes.hpp); beside the rest
  std::uint64_t raw_bytes = 0;  ///< of these, those that pages have which are kept as they are or on their way
  std::uint64_t raw_pages = 0;  ///< that turned out to need one, so far

  /// Adds another's figures.
  constexpr tier_stats& operator+=(const tier_stats& other) noexcept
  {
    name = other.name;
    capacity_bytes += other.capacity_bytes;
    free_bytes += other.free_bytes;
    resident_bytes += other.resident_bytes;
    stale_bytes += other.stale_bytes;
    in_flight_bytes += other.in_flight_bytes;
    resident_tokens += other.resident_tokens;
    evicted_tokens += other.evicted_tokens;
    dropped_tokens += other.dropped_tokens;
    waited_pages += other.waited_pages;
    raw_capacity_bytes += other.raw_capacity_bytes;
    raw_bytes += other.raw_bytes;
    raw_pages += other.raw_pages;
    return *this;
  }
};

struct cache_stats
{
  level_index depth = 0;                    ///< levels that there are
  by_level<tier_stats> levels{};            ///< [depth], from the slab down
  tier_stats window;                        ///< the onload window; resident while leases read it; all 0 without one
  epoch_id epoch{};                         ///< that is served
  std::uint64_t dirty_tokens = 0;           ///< that only the slab has
  std::uint64_t waiting_writes = 0;         ///< users whose write waits for its turn
  std::uint64_t users = 0;                  ///< or sequences of parts, of which any token is cached, in this epoch
  std::uint64_t leases = 0;                 ///< not yet released
  std::uint64_t stretch_bytes = 0;          ///< kept of users' stretch fingerprints, in host memory
  by_level<store_figures> stores{};         ///< [level] of those that are stores
  tokens_forgotten forgotten{};             ///< that requests have made useless so far
  std::uint64_t superseded_versions = 0;    ///< of forgotten.superseded: replace and read parts; the rest stood on them
  std::uint64_t refused_writes = 0;         ///< transfers down that the device did not take; their tokens are elsewhere
  std::uint64_t refused_fetches = 0;        ///< calls turned away because it did not take one up
  std::uint64_t not_overwritten_bytes = 0;  ///< of erased users, that it refused to overwrite so far
  std::array<std::uint64_t, pressure_reasons> pressure_for{};  ///< [number of the reason] calls turned away so far

  /// Calls that were turned away for this so far.
  [[nodiscard]] constexpr std::uint64_t pressures(pressure::reason why) const noexcept
  {
    return pressure_for[static_cast<std::size_t>(why)];
  }
};

/// Adds the figures of another cache of as many levels.
constexpr cache_stats& operator+=(cache_stats& all, const cache_stats& one) noexcept
{
  all.depth = one.depth;
  for (level_index i = 0; i < one.depth; ++i) all.levels[i] += one.levels[i];
  for (level_index i = 0; i < one.depth; ++i) all.stores[i] += one.stores[i];
  all.window += one.window;
  all.epoch = one.epoch;
  all.dirty_tokens += one.dirty_tokens;
  all.waiting_writes += one.waiting_writes;
  all.users += one.users;
  all.leases += one.leases;
  all.stretch_bytes += one.stretch_bytes;
  all.not_overwritten_bytes += one.not_overwritten_bytes;
  all.forgotten += one.forgotten;
  all.superseded_versions += one.superseded_versions;
  all.refused_writes += one.refused_writes;
  all.refused_fetches += one.refused_fetches;
  for (std::size_t i = 0; i < pressure_reasons; ++i) all.pressure_for[i] += one.pressure_for[i];
  return all;
}

}  // namespace kvstrata
