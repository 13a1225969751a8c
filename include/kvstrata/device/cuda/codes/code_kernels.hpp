// The way from host code to the kernels that encode and decode.
//
// A program that any compiler translates calls code_kernels<Coder>::launch; a .cu of the same program includes the header
// that has that coder's bodies and the definition. For exp4 that is <kvstrata/device/cuda/codes/exp4_kernels.cuh>, which
// <kvstrata/cuda.cuh> includes; for the others int8_kernels.cuh, fp8_kernels.cuh and int4_kernels.cuh beside it, or lossy_kernels.cuh,
// which includes these three. Without one the linker says that kvstrata::cuda::code_kernels<...>::launch is missing.
#pragma once

#include <kvstrata/codec/code_pieces.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Blocks of 256 threads that such a kernel without a budget has on every multiprocessor: each has a unit on its way.
inline constexpr std::uint32_t code_blocks_beside_each_other = 4;

/// Blocks at most when it may take `sms` (0: all) of a GPU's multiprocessors: they never are on more.
[[nodiscard]] constexpr std::uint32_t code_blocks(std::uint32_t sms, std::uint32_t multiprocessors) noexcept
{
  return sms == 0 || sms >= multiprocessors ? multiprocessors * code_blocks_beside_each_other : sms;
}

/// What every piece must be: the threads move 16 bytes at a time.
[[nodiscard]] inline bool are_aligned(std::span<const code_piece> pieces) noexcept
{
  return std::all_of(pieces.begin(), pieces.end(), [](const code_piece& piece) {
    const auto lost = [](const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at) % 16; };
    return (lost(piece.raw) | lost(piece.code) | lost(piece.elsewhere)) == 0;
  });
}

template <list_coder Coder>
struct code_kernels
{
  /// Queues one kernel (several for long lists, one after the other) that encodes or decodes all pieces, with at most `blocks`
  /// blocks. Reads `coder` and `pieces` during the call only; an empty list queues nothing. What became of the units is
  /// added to `counts`, in memory that the GPU can reach; null: nobody asks. The stream's device must be current. Returns
  /// what the runtime said of the first launch that failed, after which nothing more is queued; cudaErrorMisalignedAddress,
  /// before anything is, where the pieces are not all aligned to 16 bytes.
  [[nodiscard]] static cudaError_t launch(cudaStream_t stream, code_way way, const Coder& coder,
                                          std::span<const code_piece> pieces, std::uint32_t blocks,
                                          code_counts* counts);
};

}  // namespace kvstrata::cuda
