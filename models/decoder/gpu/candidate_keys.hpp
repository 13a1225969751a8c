// From logits to candidates' keys on a device: what candidate_list does on the CPU, for all beams of a request at once.
#pragma once

#include "decoder/search/order.hpp"

#include "hstu/gpu/row_kernel.hpp"

#include <bit>
#include <cmath>
#include <cstdint>

namespace decoder::gpu {

/// Log-probabilities of the tokens that may follow each beam, added to its score, as keys (order.hpp). A warp a beam. Which
/// tokens may follow is a row of a trie's level (item_trie): candidate j of a beam has token tokens[begins[beam] + j], and
/// begins[beam] + j is its node. Limited by memory: the logits that are read, twice where they are of allowed tokens alone, and 8
/// bytes a candidate written.
struct candidate_keys_kernel : hstu::gpu::row_kernel
{
  const float* logits = nullptr;            ///< [beams][codebook]
  const float* scores = nullptr;            ///< [beams]
  const std::uint32_t* tokens = nullptr;    ///< [nodes of the next level]; null: all tokens may follow
  const std::uint32_t* begins = nullptr;    ///< [beams]; unused without tokens
  const std::uint32_t* offsets = nullptr;   ///< [beams + 1] where a beam's keys begin; they end where the next's begin
  const std::uint64_t* eligible = nullptr;  ///< a bit a node of the next level; null: all may be shown
  std::uint64_t* keys = nullptr;            ///< [offsets[beams]]; 0, below all keys, for what may not be shown
  std::uint32_t codebook = 0;
  bool full_vocabulary = false;  ///< normalise over all logits of the beam

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t beam = row(block);
    if (beam >= last_row) return;
    const std::uint32_t at = offsets[beam];
    const std::uint32_t count = offsets[beam + 1] - at;
    const float* const mine = logits + std::uint64_t{beam} * codebook;
    const std::uint32_t summed = full_vocabulary ? codebook : count;
    const auto logit = [&](std::uint32_t i) {
      return full_vocabulary ? mine[i] : shown(beam, i) ? mine[token(beam, i)] : -nothing();
    };

    float most = -nothing();
    for (std::uint32_t i = lane(block); i < summed; i += 32) most = larger(most, logit(i));
    for (std::uint32_t mask = 16; mask > 0; mask /= 2) most = larger(most, block.shuffle_xor(most, mask));
    float shift = 0;  // where nothing has any probability, all stay at -infinity
    if (most != -nothing()) {
      float sum = 0;
      for (std::uint32_t i = lane(block); i < summed; i += 32)
        sum += block.exp2(1.44269504088896341f * (logit(i) - most));
      for (std::uint32_t mask = 16; mask > 0; mask /= 2) sum += block.shuffle_xor(sum, mask);
      shift = most + ::logf(sum);
    }
    for (std::uint32_t i = lane(block); i < count; i += 32) {
      const std::uint32_t t = token(beam, i);
      keys[at + i] = shown(beam, i) ? key_of(scores[beam] + (mine[t] - shift), beam * codebook + t) : 0;
    }
  }

 private:
  [[nodiscard]] HSTU_FUNCTION static float nothing() { return std::bit_cast<float>(0x7f800000U); }
  /// A NaN is larger than all: nobody's probability is known then.
  [[nodiscard]] HSTU_FUNCTION static float larger(float a, float b) { return a != a || a > b ? a : b; }
  [[nodiscard]] HSTU_FUNCTION std::uint32_t token(std::uint32_t beam, std::uint32_t i) const
  {
    return tokens == nullptr ? i : tokens[begins[beam] + i];
  }
  [[nodiscard]] HSTU_FUNCTION bool shown(std::uint32_t beam, std::uint32_t i) const
  {
    if (eligible == nullptr || tokens == nullptr) return true;
    const std::uint32_t node = begins[beam] + i;
    return (eligible[node / 64] >> (node % 64) & 1U) != 0;
  }
};

}  // namespace decoder::gpu
