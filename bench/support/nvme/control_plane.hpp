// What the store's calls cost whoever makes them, without any I/O, and what its index takes.
#pragma once

#include "support/nvme/scratch_folder.hpp"
#include "support/nvme/subject.hpp"
#include "support/nvme/usage.hpp"
#include "support/paired.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace nvme_bench {

/// Processor time of the calling thread, in nanoseconds a call: put and get without what they have others do.
inline void control_plane(const scratch_folder& folder, int rounds)
{
  constexpr std::uint32_t depth = 32;
  constexpr std::uint64_t records = 20'000;
  const record_shape shape{.page_bytes = 4096, .pages = 1};
  kvstrata::nvme_file_config config;
  config.paths = {folder / "calls"};
  config.bytes = 1ULL << 30U;
  std::vector<double> finds, misses, puts, gets, polls;
  double index_bytes = 0;
  {
    subject s(config, shape, depth);
    static_cast<void>(s.write(records * shape.bytes()));
    auto& store = s.store();
    const auto timed = [](std::vector<double>& into, std::uint64_t calls, auto&& run) {
      const double before = thread_cpu_seconds();
      run();
      into.push_back((thread_cpu_seconds() - before) / static_cast<double>(calls) * 1e9);
    };
    std::uint64_t at = 0, fresh = records + 1;
    const auto bunch = [&](std::vector<double>& into, auto&& call) {
      std::vector<kvstrata::store_promise> promises;
      timed(into, 2 * depth, [&] {
        for (std::size_t slot = 0; slot < 2 * depth; ++slot) {
          if (const auto promise = call(slot)) promises.push_back(*promise);
        }
      });
      if (promises.empty()) throw std::runtime_error("every put or get was refused");
      timed(polls, promises.size(), [&] {
        for (const auto& promise : promises) s.wait(promise);
      });
    };
    for (int round = 0; round < rounds; ++round) {
      std::uint64_t found = 0;
      timed(finds, records, [&] {
        for (std::uint64_t id = 1; id <= records; ++id) {
          if (store.find({.id = id * 7919 % records + 1}).is == kvstrata::found_record::knowledge::present) ++found;
        }
      });
      if (found != records) throw std::runtime_error("records were not found");
      timed(misses, records, [&] {
        for (std::uint64_t id = 1; id <= records; ++id) static_cast<void>(store.find({.id = (1ULL << 40U) + id}));
      });
      for (int i = 0; i < 8; ++i) {
        bunch(puts, [&](std::size_t slot) { return s.put(fresh++, slot); });
        bunch(gets, [&](std::size_t slot) { return s.get(at++ * 7919 % records + 1, slot); });
      }
    }
    index_bytes = static_cast<double>(store.figures().index_bytes);
  }
  std::filesystem::remove(config.paths.front());
  const auto print = [](const char* name, const std::vector<double>& ns) {
    const bench::spread of = bench::spread_of(ns);
    std::printf("  %-52s %8.0f ns a call (%.0f to %.0f)\n", name, of.median, of.low, of.high);
  };
  std::printf("Calls, in processor time of the thread that makes them, %llu records\n",
              static_cast<unsigned long long>(records));
  print("find, of what is there", finds);
  print("find, of what is not", misses);
  print("put, until it is promised", puts);
  print("get, until it is promised", gets);
  print("waiting for a promise, and poll", polls);
  std::printf("  %-52s %8.1f bytes a record\n\n", "index, of address space, buckets included",
              index_bytes / (static_cast<double>(config.bytes) / 16384));
}

}  // namespace nvme_bench
