// The own stage on a device: each beam against its own few tokens in scratch, merged with what the shared stage left.
#pragma once

#include "decoder/gpu/stages.hpp"

#include "hstu/gpu/row_kernel.hpp"

#include <kvstrata/attention/softmax_state.hpp>

#include <cstddef>
#include <cstdint>

namespace decoder::gpu {

/// A warp a beam and head; rows are [rows * heads]. Reads the beam's tokens where the ancestor table says, 4 bytes a lane. Limited by
/// memory: own x head_dim x 4 bytes a row, and the state.
template <std::uint32_t HeadDim>
struct own_stage_kernel : hstu::gpu::row_kernel
{
  static_assert(HeadDim % 64 == 0);

  stage_arguments a;

  template <class Block>
  HSTU_KERNEL void operator()(Block& block) const
  {
    using state = kvstrata::softmax_state<kvstrata::log_base::two>;
    const std::uint32_t item = row(block);
    if (item >= last_row) return;
    const std::uint32_t beam = item / a.heads;
    const std::uint32_t head = item % a.heads;
    float query[mine], o[mine], own[mine];
    load(query, a.queries + beam * a.query_stride + head * HeadDim, lane(block));
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < mine; ++i) {
      o[i] = a.o[std::uint64_t{item} * HeadDim + place(i, lane(block))];
      own[i] = 0;
    }
    float lse = a.lse[item];
    float own_lse = state::lse_of_nothing;
    for (std::uint32_t s = 0; s < a.own; ++s) {  // each token is a part of its own
      const std::byte* const key =
          a.scratch.key(a.requests[beam], a.own_rows[std::uint64_t{beam} * a.own + s]) + head * HeadDim * 2;
      float k[mine], v[mine];
      load(k, reinterpret_cast<const bf16*>(key), lane(block));
      load(v, reinterpret_cast<const bf16*>(key + a.scratch.value_offset()), lane(block));
      float dot = 0;
      HSTU_UNROLL
      for (std::uint32_t i = 0; i < mine; ++i) dot += query[i] * k[i];
      for (std::uint32_t mask = 16; mask > 0; mask /= 2) dot += block.shuffle_xor(dot, mask);
      float score = a.scale * dot;
      state{own, &own_lse}.merge({v, &score}, mine);
    }
    state{o, &lse}.merge({own, &own_lse}, mine);
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < mine; ++i) {
      a.outputs[std::uint64_t{item} * HeadDim + place(i, lane(block))] = hstu::gpu::to_bf16(o[i]);
    }
  }

 private:
  static constexpr std::uint32_t mine = HeadDim / 32;  ///< elements of a lane, in pairs that lie side by side

  [[nodiscard]] HSTU_FUNCTION static constexpr std::uint32_t place(std::uint32_t i, std::uint32_t lane)
  {
    return i / 2 * 64 + lane * 2 + i % 2;
  }
  HSTU_KERNEL static void load(float (&to)[mine], const bf16* from, std::uint32_t lane)
  {
    HSTU_UNROLL
    for (std::uint32_t i = 0; i < mine; ++i) to[i] = hstu::gpu::to_float(from[place(i, lane)]);
  }
};

}  // namespace decoder::gpu
