// Whether O_DIRECT does what it is for: what the page cache has of the file, and what the disk was asked for.
#pragma once

#include "support/nvme/engines.hpp"
#include "support/nvme/scratch_folder.hpp"
#include "support/nvme/subject.hpp"
#include "support/nvme/usage.hpp"
#include "support/target.hpp"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace nvme_bench {

/// The same with and without O_DIRECT: without, the counters must show it, else they prove nothing.
inline void page_cache(const scratch_folder& folder, const std::vector<ring_engine>& engines,
                       std::vector<bench::target>& targets)
{
  constexpr std::uint64_t bytes = 256ULL << 20U;
  std::printf("Page cache: %.2f GB written, flushed and read. The disk's bytes: /proc/self/io; cached: mincore\n",
              static_cast<double>(bytes) / 1e9);
  for (const bool direct : {true, false}) {
    for (const ring_engine& engine : engines) {
      kvstrata::nvme_file_config config;
      config.paths = {folder / "cached"};
      config.bytes = 10 * config.region_bytes;
      config.direct = direct;
      config.engine = engine.make;
      subject s(config, record_shape{}, 16);
      const disk_bytes before = bytes_of_the_disk();
      const flow written = s.write(bytes);
      s.flush();
      const disk_bytes between = bytes_of_the_disk();
      const flow read = s.read(bytes);
      const disk_bytes after = bytes_of_the_disk();
      const double cached = cached_bytes(config.paths.front()) / static_cast<double>(bytes);
      std::printf(
          "  %-10s %-10s written by the disk %5.3f of the bytes put, read by it %5.3f of those got; cached %5.3f\n",
          direct ? "O_DIRECT" : "without", std::string(s.store().engine_name()).c_str(),
          (between.written - before.written) / written.bytes, (after.read - between.read) / read.bytes, cached);
      if (direct) {
        const std::string name(s.store().engine_name());
        targets.push_back({.name = "page_cache_share_" + name, .value = cached, .wanted = 0.001});
        targets.push_back({.name = "read_by_the_disk_over_got_" + name,
                           .value = (after.read - between.read) / read.bytes,
                           .way = bench::better::more,
                           .wanted = 1});
      }
      std::filesystem::remove(config.paths.front());
    }
  }
  std::printf("\n");
}

}  // namespace nvme_bench
