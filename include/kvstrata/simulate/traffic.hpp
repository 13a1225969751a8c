// A tracker for simulators: what moved between the tiers, in plain integers.
#pragma once

#include <kvstrata/observe/concepts.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// For one thread; counters (observe/counters.hpp) tells more and may be read from any.
class traffic
{
 public:
  struct snapshot
  {
    std::uint64_t onload_bytes = 0;
    std::uint64_t offload_bytes = 0;
    std::uint64_t onload_copies = 0;  ///< calls to the device
    std::uint64_t offload_copies = 0;
    std::uint64_t refused_tokens = 0;  ///< the levels below did not take them
  };

  void on(const bytes_onloaded& e) noexcept
  {
    counts_.onload_bytes += e.bytes;
    counts_.onload_copies += e.copies;
  }
  void on(const bytes_offloaded& e) noexcept
  {
    counts_.offload_bytes += e.bytes;
    counts_.offload_copies += e.copies;
  }
  void on(const write_refused& e) noexcept { counts_.refused_tokens += e.tokens; }

  [[nodiscard]] const snapshot& read() const noexcept { return counts_; }

 private:
  snapshot counts_;
};

static_assert(tracks<traffic, bytes_onloaded> && tracks<traffic, bytes_offloaded> && tracks<traffic, write_refused>);

}  // namespace kvstrata
