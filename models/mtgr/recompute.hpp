// A forward pass without a cache: what every cached answer must equal, and what a cache must beat.
#pragma once

#include "hstu/buffer.hpp"
#include "mtgr/model.hpp"

#include <kvstrata/layout/page_table.hpp>

#include <array>
#include <span>
#include <vector>

namespace mtgr {

/// Memory for K and V of one layer of a batch, and a page table a part over it. All layers share the memory: without a cache
/// nobody reads a layer's K and V once the next layer runs.
class scratch_parts
{
 public:
  explicit scratch_parts(kvstrata::token_count page_tokens = 256) : page_tokens_(page_tokens) {}

  /// Page tables for the parts of these requests. Valid until the next call; memory only grows.
  [[nodiscard]] part_views reserve(const kvstrata::geometry& shape, std::span<const request> requests);

 private:
  kvstrata::token_count page_tokens_;
  hstu::buffer memory_;
  std::array<kvstrata::page_table, parts> tables_;
};

/// Scores requests from their features alone, which must be there for all tokens; their compute lists are ignored. Blocks
/// until done. The result is [request][candidate][task]. Keep `memory` from call to call; one thread at a time may use it.
[[nodiscard]] std::vector<float> recompute(const model& m, std::span<const request> requests, scratch_parts& memory);

}  // namespace mtgr
