// What an nvme_file is made with.
#pragma once

#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata {

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
  put_done done_when = put_done::written;
  std::uint32_t lanes = 4;       ///< host streams
  std::uint32_t in_flight = 64;  ///< of a lane
  std::uint32_t workers = 8;     ///< threads that carry out puts and gets, in real time
  std::uint32_t known_headers =
      1U << 16U;                   ///< sequences of which the newest header is in memory: others must be asked for
  std::uint32_t most_records = 0;  ///< in the index; 0: one for each 16 KiB
  std::uint32_t reinserted_hits =
      1;               ///< what was got so often since it was written stays when its region is evicted; 0: nothing does
  bool direct = true;  ///< O_DIRECT: past the page cache
  std::uint32_t depth = 32;       ///< I/Os at a time
  nvme::engine_maker engine{};    ///< empty: threads with preadv and pwritev
  double seconds = 100e-6;        ///< in virtual time an I/O takes so long, ...
  double bytes_per_second = 3e9;  ///< ... and what it moves at this speed beside
};

}  // namespace kvstrata
