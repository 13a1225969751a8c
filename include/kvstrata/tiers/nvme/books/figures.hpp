// What an nvme_file has done, and has.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct store_counts
{
  std::uint64_t puts = 0, gets = 0, asks = 0, flushes = 0, erasures = 0;  ///< done
  std::uint64_t put_bytes = 0, got_bytes = 0;                             ///< of pages
  std::uint64_t stored_bytes = 0;      ///< that the records of those puts take, with heads and padding
  std::uint64_t code_bytes = 0;        ///< and with a codec their codes alone
  std::uint64_t refused = 0;           ///< calls for which there was no room, at once or after they had waited for some
  std::uint64_t waited = 0;            ///< puts that waited for room
  std::uint64_t lost_io = 0;           ///< I/Os that the medium failed
  std::uint64_t lost_checksum = 0;     ///< gets and asks that met what was not put
  std::uint64_t dropped_records = 0;   ///< that could not be read, or not made durable
  std::uint64_t evicted_records = 0;   ///< with their regions
  std::uint64_t reinserted_bytes = 0;  ///< written again, since they were in use
  std::uint64_t sealed_regions = 0, reclaimed_regions = 0;
  std::uint64_t unsealed_regions = 0;  ///< whose table could not be written
};

/// Bytes that were put for each that their records take; 1: nothing was put.
[[nodiscard]] constexpr double stored_ratio(const store_counts& counts) noexcept
{
  if (counts.stored_bytes == 0) return 1;
  return static_cast<double>(counts.put_bytes) / static_cast<double>(counts.stored_bytes);
}

/// What opening a store found.
struct recovery_figures
{
  std::uint64_t records = 0;     ///< that are found now
  std::uint64_t erasures = 0;    ///< seen
  std::uint64_t outdated = 0;    ///< records erased, replaced, or part of newer ones
  std::uint64_t left_out = 0;    ///< the index had no room for
  std::uint64_t tables = 0;      ///< regions whose table was read
  std::uint64_t walked = 0;      ///< regions without one
  std::uint64_t unreadable = 0;  ///< regions whose head or blocks could not be read
  std::uint64_t verified = 0;    ///< records of which a crash left open whether they are whole, and which are
  std::uint64_t torn = 0;        ///< and which are not
};

struct store_figures_now
{
  store_counts counts;
  recovery_figures recovery;
  engine_figures engine;
  std::string_view engine_name{};
  std::uint64_t records = 0;  ///< in the index
  std::uint64_t index_bytes = 0;
  std::uint64_t regions = 0, clean_regions = 0;
  std::uint64_t waiting = 0;        ///< puts that have no place yet
  std::uint64_t durable_order = 0;  ///< all that was asked for with this number or a smaller one is durable
};

}  // namespace kvstrata::nvme
