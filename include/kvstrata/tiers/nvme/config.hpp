// What an nvme_file is made with.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/format/body.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>
#include <kvstrata/tiers/stores/codes/body_code.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace nvme {
/// Regions whose heads are written ahead, so that nobody waits for one; at least so many.
inline constexpr std::uint32_t least_clean_regions = 3;
}  // namespace nvme

/// When a put is done.
enum class put_done : std::uint8_t {
  written,  ///< the kernel has it: it survives the process, not the machine. A flush makes it durable
  durable,  ///< it survives the machine: puts that end together share a flush
};

struct nvme_file_config
{
  std::vector<std::string> paths{};           ///< files or block devices of one size; the store is striped over them
  std::uint64_t bytes = 0;                    ///< of each; 0: as many as are there
  std::uint64_t region_bytes = 64ULL << 20U;  ///< that are filled, evicted and used again as one
  std::uint64_t chunk_bytes = 4ULL << 20U;    ///< a put of more becomes several records
  std::uint32_t layers = 1;                   ///< of a page; each has a checksum, and lies apart
  /// What a codec encodes: a page in one layer (piece_of(shape, page_tokens)). Not looked at without one.
  piece_shape piece{};
  /// The codec: nvme_file<codec::...> sets it. Null: bytes as they are.
  std::shared_ptr<const stores::body_code> code{};
  put_done done_when = put_done::written;
  std::uint32_t lanes = 4;       ///< host streams
  std::uint32_t in_flight = 64;  ///< of a lane
  std::uint32_t workers = 8;     ///< threads that carry out puts and gets, in real time
  std::uint32_t known_headers =
      1U << 16U;                   ///< sequences of which the newest header is in memory: others must be asked for
  std::uint32_t most_records = 0;  ///< in the index; 0: one for each 16 KiB
  std::uint32_t reinserted_hits =
      1;  ///< what was got so often since it was written stays when its region is evicted; 0: nothing does
  /// Kept ready for puts; half of them are emptied together. 0: one in 64, from 3 to 16.
  std::uint32_t clean_regions = 0;
  bool direct = true;             ///< O_DIRECT: past the page cache
  std::uint32_t depth = 32;       ///< I/Os at a time
  nvme::engine_maker engine{};    ///< empty: threads with preadv and pwritev
  double seconds = 100e-6;        ///< in virtual time an I/O takes so long, ...
  double bytes_per_second = 3e9;  ///< ... and what it moves at this speed beside

  /// Throws config_error.
  friend void check(const nvme_file_config& c)
  {
    const auto refuse = [](const char* field, std::uint64_t value, const std::string& why) {
      throw config_error(std::string("nvme_file.") + field, value, why);
    };
    if (c.paths.empty()) refuse("paths", 0, "it must name at least one file or block device");
    if (c.region_bytes % nvme::block_bytes != 0 || c.region_bytes < 8 * nvme::block_bytes ||
        c.region_bytes > (std::uint64_t{1} << 40U)) {
      refuse("region_bytes", c.region_bytes, "it must be a multiple of 4096, at least 32768 and at most 2^40");
    }
    if (c.layers == 0 || c.layers > nvme::most_layers) {
      refuse("layers", c.layers, "it must be at least 1 and at most " + std::to_string(nvme::most_layers));
    }
    if (c.code && c.layers > nvme::most_coded_layers) {
      refuse("layers", c.layers, "with a codec it must be at most " + std::to_string(nvme::most_coded_layers));
    }
    if (c.chunk_bytes == 0 || c.chunk_bytes > c.region_bytes / 4) {
      refuse("chunk_bytes", c.chunk_bytes,
             "it must be at least 1 and at most a quarter of region_bytes, which is " + std::to_string(c.region_bytes));
    }
    if (c.workers == 0 || c.workers > 1024) refuse("workers", c.workers, "it must be at least 1 and at most 1024");
    if (c.clean_regions != 0 && c.clean_regions < nvme::least_clean_regions) {
      refuse("clean_regions", c.clean_regions, "it must be 0 or at least " + std::to_string(nvme::least_clean_regions));
    }
    if (c.known_headers == 0) refuse("known_headers", 0, "it must be at least 1");
    if (c.depth == 0) refuse("depth", 0, "it must be at least 1");
  }
};

}  // namespace kvstrata
