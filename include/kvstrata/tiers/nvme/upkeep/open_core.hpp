// Opens what is behind an nvme_file: its medium, its books, and what is on it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/io/thread_engine.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/recover.hpp>
#include <kvstrata/tiers/nvme/upkeep/superblocks.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Opens or makes the file, and reads what is there. Throws config_error for nonsense, error where the medium or what is on it
/// refuses.
[[nodiscard]] inline std::unique_ptr<store_core> open_core_sync(const nvme_file_config& c)
{
  check(c);
  const medium_config medium{
      .paths = c.paths, .bytes = c.bytes, .stripe_bytes = c.region_bytes, .direct = c.direct, .depth = c.depth};
  std::unique_ptr<block_engine> engine = c.engine ? c.engine(medium) : make_thread_engine(medium);
  const std::uint64_t regions = engine->bytes() / c.region_bytes;
  const std::uint64_t of_size = std::clamp<std::uint64_t>(regions / 64, least_clean_regions, 16);
  const std::uint64_t clean = c.clean_regions != 0 ? c.clean_regions : of_size;
  const std::uint64_t least = c.paths.size() + clean + 3;
  const std::uint64_t blocks = engine->bytes() / block_bytes;
  if (regions < least || blocks > (std::numeric_limits<block_number>::max)()) {
    throw config_error("nvme_file.bytes", engine->bytes(),
                       "all paths together must be at least " + std::to_string(least) + " regions of " +
                           std::to_string(c.region_bytes) + " bytes, and at most 16 TiB");
  }
  constexpr std::uint64_t bytes_a_record = 16384;
  const std::uint64_t records = c.most_records != 0 ? c.most_records : engine->bytes() / bytes_a_record;
  store_books books(record_index(static_cast<std::uint32_t>((std::min)(records, std::uint64_t{0xfffffffeU}))),
                    region_book(static_cast<std::uint32_t>(regions), static_cast<std::uint32_t>(c.paths.size()),
                                static_cast<std::uint32_t>(c.region_bytes / block_bytes)),
                    c.known_headers, std::size_t{c.lanes} * c.in_flight);
  auto core = std::make_unique<store_core>(c, std::move(engine), std::move(books));
  core->clean_regions = static_cast<std::uint32_t>(clean);
  open_superblocks_sync(*core);
  recover_sync(*core);
  return core;
}

}  // namespace kvstrata::nvme
