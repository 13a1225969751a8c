// How large the tiers of this run are: what the options say, or a share of what the workload needs.
#pragma once

#include "replay/options.hpp"
#include "replay/workload.hpp"

#include <kvstrata/core/geometry.hpp>

#include <cstddef>
#include <cstdint>

namespace replay {

struct cache_sizes
{
  kvstrata::geometry shape;
  kvstrata::token_count page_tokens = 0;
  kvstrata::token_count chunk_tokens = 0;
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;

  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_tokens * shape.token_bytes(); }
  [[nodiscard]] std::uint64_t device_pages() const noexcept { return device_bytes / page_bytes(); }
};

/// Throws kvstrata::config_error when the device cannot hold the largest batch, or the machine's memory not the tiers.
/// Adds to the workload's notes what was chosen for the user.
[[nodiscard]] cache_sizes choose_sizes(const options& o, workload& w, const kvstrata::geometry& shape,
                                       std::uint64_t memory_bytes);

}  // namespace replay
