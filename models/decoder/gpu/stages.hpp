// What the kernels of staged attention are told: beams of a batch, their prompts in pages and their own tokens in scratch, in
// bf16; states in float. Or tokens of prompts themselves, which have the first stage alone.
#pragma once

#include "hstu/gpu/bf16.hpp"

#include <kvstrata/layout/append_rows.hpp>

#include <cstdint>

namespace decoder::gpu {

using hstu::gpu::bf16;

/// Some rows of one request that a block attends with, beams or tokens of its prompt: rows [first_row, first_row + rows).
struct stage_tile
{
  std::uint32_t request = 0;
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;  ///< at most rows_of_tile
  std::uint32_t first_token = 0;
  std::uint32_t tokens =
      0;  ///< they see [first_token, tokens) of the prompt, or each what stage_arguments::seen says of it
};

inline constexpr std::uint32_t rows_of_tile = 64;

/// One layer of one step. All pointers are to memory of the device; rows of bf16 begin at multiples of 16 bytes.
struct stage_arguments
{
  const bf16* queries = nullptr;   ///< row r at queries + r * query_stride: [heads][head_dim]
  std::uint64_t query_stride = 0;  ///< elements
  std::uint32_t rows = 0;          ///< of the batch
  std::uint32_t heads = 0;
  float scale = 0;                    ///< log2(e) / sqrt(head_dim)
  const stage_tile* tiles = nullptr;  ///< [tile_count]
  std::uint32_t tile_count = 0;
  kvstrata::paged_layer prompts;  ///< page 0 of requests that begin later by their origins
  const std::uint32_t* seen =
      nullptr;  ///< [rows] a row sees [first_token, seen) of its prompt, at least one token; null: as its tile says
  kvstrata::paged_layer scratch;
  const std::uint32_t* requests = nullptr;  ///< [rows] whose beam a row is
  const std::uint32_t* own_rows = nullptr;  ///< [rows][own] tokens of the request's scratch
  std::uint32_t own = 0;                    ///< at least 1 where there is an own stage
  float* o = nullptr;                       ///< [rows][heads][head_dim] of the shared stage's states
  float* lse = nullptr;                     ///< [rows][heads], to base 2; -infinity of an empty prompt
  bf16* outputs = nullptr;                  ///< [rows][heads][head_dim] of all stages together
  bool continues = false;  ///< o and lse have the state of another part of the prompt, which the shared stage takes in
  bool last = false;       ///< no stage follows the shared one: it leaves outputs, and no states
};

}  // namespace decoder::gpu
