// A tracker that counts. Every count may be read at any time, from any thread.
#pragma once

#include <kvstrata/observe/concepts.hpp>

#include <atomic>
#include <cstdint>

namespace kvstrata {

class counters
{
 public:
  /// A copy of all counts. Counts that belong together may be one event apart when read during a call.
  struct snapshot
  {
    std::uint64_t batches = 0;
    std::uint64_t requests = 0;
    std::uint64_t device_tokens = 0;    ///< served from device pages
    std::uint64_t lower_tokens = 0;     ///< served from the lower tier
    std::uint64_t computed_tokens = 0;  ///< left to the model
    std::uint64_t committed_tokens = 0;
    std::uint64_t onload_bytes = 0;
    std::uint64_t onload_copies = 0;
    std::uint64_t offload_bytes = 0;
    std::uint64_t offload_copies = 0;
    std::uint64_t device_evicted_tokens = 0;
    std::uint64_t device_dropped_tokens = 0;  ///< evicted from the device and nowhere else
    std::uint64_t lower_evicted_tokens = 0;
    std::uint64_t lower_dropped_tokens = 0;  ///< evicted from the lower tier and nowhere else
    std::uint64_t refused_tokens = 0;        ///< the lower tier had no room
    std::uint64_t pressure = 0;              ///< calls turned away
  };

  void on(const batch_prepared& e) noexcept
  {
    add(batches_, 1);
    add(requests_, e.requests);
    add(device_tokens_, e.device_tokens);
    add(lower_tokens_, e.lower_tokens);
    add(computed_tokens_, e.computed_tokens);
  }
  void on(const batch_committed& e) noexcept { add(committed_tokens_, e.tokens); }
  void on(const bytes_onloaded& e) noexcept
  {
    add(onload_bytes_, e.bytes);
    add(onload_copies_, e.copies);
  }
  void on(const bytes_offloaded& e) noexcept
  {
    add(offload_bytes_, e.bytes);
    add(offload_copies_, e.copies);
  }
  void on(const tokens_evicted& e) noexcept
  {
    const bool device = e.from == tier_level::device;
    add(device ? device_evicted_tokens_ : lower_evicted_tokens_, e.tokens);
    add(device ? device_dropped_tokens_ : lower_dropped_tokens_, e.dropped);
  }
  void on(const offload_refused& e) noexcept { add(refused_tokens_, e.tokens); }
  void on(const pressure_met&) noexcept { add(pressure_, 1); }

  [[nodiscard]] snapshot read() const noexcept
  {
    return {.batches = get(batches_),
            .requests = get(requests_),
            .device_tokens = get(device_tokens_),
            .lower_tokens = get(lower_tokens_),
            .computed_tokens = get(computed_tokens_),
            .committed_tokens = get(committed_tokens_),
            .onload_bytes = get(onload_bytes_),
            .onload_copies = get(onload_copies_),
            .offload_bytes = get(offload_bytes_),
            .offload_copies = get(offload_copies_),
            .device_evicted_tokens = get(device_evicted_tokens_),
            .device_dropped_tokens = get(device_dropped_tokens_),
            .lower_evicted_tokens = get(lower_evicted_tokens_),
            .lower_dropped_tokens = get(lower_dropped_tokens_),
            .refused_tokens = get(refused_tokens_),
            .pressure = get(pressure_)};
  }

 private:
  using count = std::atomic<std::uint64_t>;
  static void add(count& to, std::uint64_t n) noexcept { to.fetch_add(n, std::memory_order_relaxed); }
  static std::uint64_t get(const count& from) noexcept { return from.load(std::memory_order_relaxed); }

  count batches_{0}, requests_{0}, device_tokens_{0}, lower_tokens_{0}, computed_tokens_{0}, committed_tokens_{0};
  count onload_bytes_{0}, onload_copies_{0}, offload_bytes_{0}, offload_copies_{0};
  count device_evicted_tokens_{0}, device_dropped_tokens_{0}, lower_evicted_tokens_{0}, lower_dropped_tokens_{0};
  count refused_tokens_{0}, pressure_{0};
};

static_assert(tracks<counters, batch_prepared> && tracks<counters, tokens_evicted>);

}  // namespace kvstrata
