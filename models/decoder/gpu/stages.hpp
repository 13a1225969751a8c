// What the kernels of staged attention are told: beams of a batch, their prompts in pages and their own tokens in scratch, in
// bf16; states in float.
#pragma once

#include "hstu/gpu/bf16.hpp"

#include <kvstrata/layout/append_rows.hpp>

#include <cstdint>

namespace decoder::gpu {

using hstu::gpu::bf16;

/// Some beams of one request that a block attends with: rows [first_row, first_row + rows).
struct beam_tile
{
  std::uint32_t request = 0;
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;  ///< at most beams_of_tile
  std::uint32_t first_token = 0;
  std::uint32_t tokens = 0;  ///< the prompt is [first_token, tokens)
};

inline constexpr std::uint32_t beams_of_tile = 64;

/// One layer of one step. All pointers are to memory of the device; rows of bf16 begin at multiples of 16 bytes.
struct stage_arguments
{
  const bf16* queries = nullptr;   ///< row r at queries + r * query_stride: [heads][head_dim]
  std::uint64_t query_stride = 0;  ///< elements
  std::uint32_t rows = 0;          ///< beams of the batch
  std::uint32_t heads = 0;
  float scale = 0;                   ///< log2(e) / sqrt(head_dim)
  const beam_tile* tiles = nullptr;  ///< [tile_count]
  std::uint32_t tile_count = 0;
  kvstrata::paged_layer prompts;  ///< page 0 of requests that begin later by their origins
  kvstrata::paged_layer scratch;
  const std::uint32_t* requests = nullptr;  ///< [rows] whose beam a row is
  const std::uint32_t* own_rows = nullptr;  ///< [rows][own] tokens of the request's scratch
  std::uint32_t own = 0;                    ///< at least 1
  float* o = nullptr;                       ///< [rows][heads][head_dim] of the shared stage's states
  float* lse = nullptr;                     ///< [rows][heads], to base 2; -infinity of an empty prompt
  bf16* outputs = nullptr;                  ///< [rows][heads][head_dim] of both stages together
};

}  // namespace decoder::gpu
