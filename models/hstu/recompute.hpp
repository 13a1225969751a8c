// A forward pass without a cache: what every cached answer must equal, and what a cache must beat.
#pragma once

#include "hstu/buffer.hpp"
#include "hstu/model.hpp"

#include <kvstrata/layout/page_table.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// Memory for K and V of one layer of a batch, and a page table over it. All layers share the memory: without a cache
/// nobody reads a layer's K and V once the next layer runs.
class scratch_pages
{
 public:
  explicit scratch_pages(kvstrata::token_count page_tokens = 256) : page_tokens_(page_tokens) {}

  /// A page table for these requests' windows. Valid until the next call; memory only grows.
  [[nodiscard]] kvstrata::page_table_view reserve(const kvstrata::geometry& shape, std::span<const request> requests);

 private:
  kvstrata::token_count page_tokens_;
  buffer memory_;
  kvstrata::page_table table_;
  std::vector<kvstrata::page_id> pages_;  // of the request at hand
};

/// Scores requests from their windows alone; their compute lists are ignored. Blocks until done. The result is
/// [request][candidate][task]. Keep `memory` from call to call; one thread at a time may use it.
[[nodiscard]] std::vector<float> recompute(const model& m, std::span<const request> requests, scratch_pages& memory);

}  // namespace hstu
