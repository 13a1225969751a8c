// The kernels around a device's sorts: the best of each beam side by side, and from keys to beams.
#pragma once

#include "decoder/search/order.hpp"

#include "hstu/gpu/function.hpp"

#include <cstdint>

namespace decoder::gpu {

/// A thread an element.
struct element_kernel
{
  static constexpr std::uint32_t threads = 128;
  static constexpr std::uint32_t blocks_per_sm = 8;

  std::uint32_t count = 0;  ///< elements

  [[nodiscard]] HSTU_FUNCTION std::uint32_t blocks() const noexcept { return (count + threads - 1) / threads; }
  [[nodiscard]] HSTU_FUNCTION std::uint32_t shared_bytes() const noexcept { return 0; }

 protected:
  template <class Block>
  [[nodiscard]] HSTU_KERNEL static std::uint32_t element(Block& block)
  {
    return block.index() * threads + block.thread();
  }
};

/// The pre-cut: cut[beam * most + j] is the j-th of a beam's sorted keys, 0 where it has fewer. count is beams * most.
struct cut_kernel : element_kernel
{
  const std::uint64_t* sorted = nullptr;   ///< [offsets[beams]], descending within each beam
  const std::uint32_t* offsets = nullptr;  ///< [beams + 1]
  std::uint64_t* cut = nullptr;            ///< [beams][most]
  std::uint32_t most = 0;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t i = element(block);
    if (i >= count) return;
    const std::uint32_t at = offsets[i / most] + i % most;
    cut[i] = at < offsets[i / most + 1] ? sorted[at] : 0;
  }
};

/// From the selected keys to beams. count is the width.
struct beams_kernel : element_kernel
{
  const std::uint64_t* keys = nullptr;     ///< [count] selected; 0: there were no more
  const std::uint32_t* tokens = nullptr;   ///< as in candidate_keys_kernel, these three
  const std::uint32_t* begins = nullptr;   ///< [beams]
  const std::uint32_t* offsets = nullptr;  ///< [beams + 1]
  std::uint32_t codebook = 0;
  std::uint32_t* parents = nullptr;  ///< [count], and likewise:
  std::uint32_t* next = nullptr;     ///< the new beams' tokens
  std::uint32_t* nodes = nullptr;    ///< where they are in the trie; untouched without tokens
  float* scores = nullptr;
  std::uint32_t* found = nullptr;  ///< how many there are; must be 0 before

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    const std::uint32_t i = element(block);
    if (i >= count || keys[i] == 0) return;
    const std::uint32_t flat = flat_of(keys[i]);
    const std::uint32_t parent = flat / codebook;
    const std::uint32_t token = flat % codebook;
    parents[i] = parent;
    next[i] = token;
    scores[i] = score_of(keys[i]);
    if (tokens != nullptr) {  // a child of the parent's node: its row ascends
      std::uint32_t low = begins[parent];
      std::uint32_t high = low + (offsets[parent + 1] - offsets[parent]);
      while (high - low > 1) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (tokens[middle] <= token) low = middle;
        else high = middle;
      }
      nodes[i] = low;
    }
    if (i + 1 == count || keys[i + 1] == 0) *found = i + 1;
  }
};

}  // namespace decoder::gpu
