// Many caches, one pass over a trace: every instance is a cache of its own, and all share the chunks as they are decoded.
//
//   this thread     decodes chunk n + 1, then helps
//   all threads     take instances, one at a time, and run chunk n through them
//
// What an instance counts depends neither on the number of threads nor on the size of a chunk; sums of seconds are rounded
// differently.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/sweep_chunk.hpp>
#include <kvstrata/simulate/sweep_crew.hpp>
#include <kvstrata/simulate/sweep_instance.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct sweep_options
{
  interval_options intervals{};
  spatial_sample sample{};           ///< instances must be of the scaled size
  const cost_model* cost = nullptr;  ///< where given, the seconds that hits save are counted, and policies told of them
  unsigned threads = 0;              ///< 0: as many as this machine has cores
  /// 5 MB, twice. Whenever an instance's turn comes others have pushed it out of the memories next to the core; in a long
  /// chunk it comes back but once, and the chunk itself is read in order.
  std::size_t chunk_accesses = 131'072;
};

/// Throws config_error.
inline void check(const sweep_options& options)
{
  check(options.intervals);
  if (options.threads > 1024) throw config_error("sweep_options.threads", options.threads, "it may be at most 1024");
  constexpr std::size_t most_accesses = std::size_t{1} << 24;
  if (options.chunk_accesses == 0) throw config_error("sweep_options.chunk_accesses", 0, "it must be at least 1");
  if (options.chunk_accesses > most_accesses) {
    throw config_error("sweep_options.chunk_accesses", options.chunk_accesses, "it may be at most 2^24");
  }
  if (options.cost != nullptr) check(*options.cost);
}

/// What the trace asked for: the same for all instances.
struct sweep_account
{
  std::uint64_t requests = 0;             ///< of the whole trace, the warm-up included
  sweep_demand counted;                   ///< what is counted of it
  std::uint64_t shown = 0;                ///< of the counted requests, those of the sample: what the instances saw
  std::vector<trace_interval> intervals;  ///< of the counted part; one, where no series is asked for
};

/// Called on the calling thread, now and then.
struct no_progress
{
  void operator()(std::uint64_t) const noexcept {}
};

/// Runs the rest of the source through all instances. `progress(requests read so far)` is called once a chunk. Throws
/// config_error, what the source throws, and what an instance throws first; the instances are of no use after the latter.
template <access_source Source, class Progress = no_progress>
sweep_account run_sweep(Source& source, std::span<const std::unique_ptr<sweep_instance>> instances,
                        const sweep_options& options = {}, Progress&& progress = {})
{
  check(options);
  const unsigned cores = (std::max)(1U, std::thread::hardware_concurrency());
  const std::size_t threads = (std::min)(std::size_t{options.threads == 0 ? cores : options.threads},
                                         (std::max)(std::size_t{1}, instances.size()));
  sweep_reader<Source> reader(source, options.intervals, options.sample, options.cost, options.chunk_accesses);
  std::array<sweep_chunk, 2> chunks;
  sweep_chunk* now = &chunks[0];
  sweep_chunk* next = &chunks[1];
  sweep_crew crew(instances, threads - 1);  // after the chunks, which it reads until it is gone

  for (bool more = reader.next(*now); more; std::swap(now, next)) {
    crew.start(*now);
    more = reader.next(*next);
    crew.help_and_wait();
    progress(reader.requests());
  }
  return {.requests = reader.requests(),
          .counted = reader.counted(),
          .shown = reader.shown(),
          .intervals = reader.intervals()};
}

}  // namespace kvstrata
