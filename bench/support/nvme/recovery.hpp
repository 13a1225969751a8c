// Opening stores: how quickly their records are there again, and what memory these take, beside RocksDB's.
#pragma once

#include "support/nvme/child.hpp"
#include "support/nvme/engines.hpp"
#include "support/nvme/made_store.hpp"
#include "support/nvme/rocks.hpp"
#include "support/nvme/scratch_folder.hpp"
#include "support/nvme/subject.hpp"
#include "support/nvme/usage.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace nvme_bench {

struct opening
{
  double seconds = 0;
  double cpu_seconds = 0;
  double records = 0;
  double memory = 0;       ///< bytes that the process has more
  double index_bytes = 0;  ///< of address space
  double tables = 0, walked = 0;
};

/// In a process of its own.
[[nodiscard]] inline opening open_store(const kvstrata::nvme_file_config& config)
{
  return in_child([&] {
    emulated_device device(kvstrata::emulated_device_config{});
    const double before = resident_bytes();
    const stopwatch watch;
    const kvstrata::nvme_file<>::on<emulated_device> store(device, config);
    const flow took = watch.flow_of(0);
    const auto figures = store.figures();
    return opening{.seconds = took.seconds,
                   .cpu_seconds = took.cpu_seconds,
                   .records = static_cast<double>(figures.records),
                   .memory = resident_bytes() - before,
                   .index_bytes = static_cast<double>(figures.index_bytes),
                   .tables = static_cast<double>(figures.recovery.tables),
                   .walked = static_cast<double>(figures.recovery.walked)};
  });
}

struct openings
{
  bench::spread rate;      ///< records a second
  bench::spread memory;    ///< bytes a record
  double index_bytes = 0;  ///< of address space, a record that there is room for
};

inline openings print_openings(const std::string& name, const kvstrata::nvme_file_config& config, double records,
                               int rounds)
{
  std::vector<double> rates, memory, seconds, cpu;
  opening last;
  for (int i = 0; i < rounds; ++i) {
    last = open_store(config);
    if (last.records != records) {
      throw std::runtime_error("a store of " + std::to_string(records) + " records has " +
                               std::to_string(last.records) + " after it was opened");
    }
    rates.push_back(last.records / last.seconds);
    memory.push_back(last.memory / last.records);
    seconds.push_back(last.seconds);
    cpu.push_back(last.cpu_seconds);
  }
  const openings out{bench::spread_of(rates), bench::spread_of(memory), last.index_bytes / config.most_records};
  std::printf(
      "  %-42s %8.0f %8.3f s (%.3f of a processor) %6.2f (%5.2f to %5.2f) million/s %7.1f bytes a record; "
      "tables %.0f, walked %.0f\n",
      name.c_str(), records, bench::spread_of(seconds).median, bench::spread_of(cpu).median, out.rate.median / 1e6,
      out.rate.low / 1e6, out.rate.high / 1e6, out.memory.median, last.tables, last.walked);
  return out;
}

/// Records that were really put, by a process that was killed then.
inline void recover_real(const scratch_folder& folder, const record_shape& shape, std::uint32_t records, int rounds)
{
  kvstrata::nvme_file_config config;
  config.paths = {folder / "real"};
  config.bytes = (records * shape.with_head() / config.region_bytes + 10) * config.region_bytes;
  config.most_records = records + 1024;
  config.layers = shape.layers;
  in_killed_child([&] {
    subject writer(config, shape, 8);
    static_cast<void>(writer.write(records * shape.bytes()));
    writer.flush();
  });
  config.bytes = 0;
  const opening first = open_store(config);
  std::printf("  put, flushed, killed: opened first in %.3f s, %.2f million/s; tables %.0f, walked %.0f\n",
              first.seconds, first.records / first.seconds / 1e6, first.tables, first.walked);
  print_openings("opened again: " + std::to_string(shape.bytes()) + " bytes a body", config, records, rounds);
  std::filesystem::remove(config.paths.front());
}

inline void recovery(const scratch_folder& folder, const std::vector<ring_engine>& engines, int rounds,
                     std::vector<bench::target>& targets)
{
  std::printf("Opening a store: %d rounds, each in a process of its own; what is read comes from the disk\n", rounds);
  recover_real(folder, {.page_bytes = 4096, .pages = 1}, 60'000, rounds);
  for (const std::uint32_t body_blocks : {1U, 16U, 256U}) {
    // Holes take their time to be made and removed again.
    const made_shape shape{.records = body_blocks == 256 ? 100'000U : 1'000'000U, .body_blocks = body_blocks};
    const std::string path = folder / "made";
    make_store(path, shape);
    openings found;  // by the best engine that there is, which is the last
    for (const ring_engine& engine : engines) {
      kvstrata::nvme_file_config config = config_of(path, shape);
      config.engine = engine.make;
      const std::string by = &engine == &engines.front() ? ", by threads" : ", by io_uring";
      found = print_openings("made: " + std::to_string(body_blocks * 4096) + " bytes a body" + by, config,
                             shape.records, rounds);
    }
    std::filesystem::remove(path);
    const std::string size = std::to_string(body_blocks * 4) + "_kib_bodies";
    targets.push_back({.name = "recovery_records_a_second_" + size,
                       .value = found.rate.median,
                       .way = bench::better::more,
                       .wanted = 1e6});
    if (shape.records != 1'000'000) continue;
    targets.push_back({.name = "index_bytes_a_record_" + size, .value = found.index_bytes, .wanted = 32});
  }
  print_rocks(folder / "rocks");
  std::printf("\n");
}

}  // namespace nvme_bench
