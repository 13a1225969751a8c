// How large the tiers of this run are: what the options say, or a share of what the workload needs. And what else a
// cache's configuration depends on.
#pragma once

#include "replay/options.hpp"
#include "replay/seen_values.hpp"
#include "replay/workload.hpp"

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace replay {

struct cache_sizes
{
  kvstrata::geometry shape;
  kvstrata::token_count page_tokens = 0;
  kvstrata::token_count chunk_tokens = 0;
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
  std::size_t window_bytes = 0;       ///< for caches whose fetches land in a window: what the largest batch needs
  kvstrata::token_count longest = 0;  ///< of all histories, in whole pages: for caches that reserve that much
  std::uint32_t batch = 1;            ///< requests a batch
  std::string store_path;             ///< for caches over a store
  std::string cluster;                ///< address of a server, for caches over a cluster
  std::string cluster_prefix;         ///< of this run's keys
  std::uint64_t store_bytes = 0, store_region_bytes = 0;
  seen_values seen;           ///< for caches that keep codes
  double history_pages = 0;   ///< on average, likewise
  kvstrata::cost_model cost;  ///< for caches that weigh fetching against computing

  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_tokens * shape.token_bytes(); }
  [[nodiscard]] std::uint64_t device_pages() const noexcept { return device_bytes / page_bytes(); }
};

/// Throws kvstrata::config_error when the device cannot hold the largest batch, or the machine's memory not the tiers
/// of one case. Adds to the workload's notes what was chosen for the user.
[[nodiscard]] cache_sizes choose_sizes(const options& o, workload& w, const kvstrata::geometry& shape,
                                       std::uint64_t memory_bytes);

/// The turns that the cases take: as asked for, or 1, with a note, where the machine has not the memory for all of them
/// at once.
[[nodiscard]] std::uint32_t rounds_that_fit(const options& o, const cache_sizes& s, workload& w,
                                            std::uint64_t memory_bytes);

/// Fills in what depends on the requests themselves: window and longest history.
void fit_to(cache_sizes& s, const workload& w);

}  // namespace replay
