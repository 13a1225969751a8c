// What a kernel sees of the machine: the block of threads it runs in. A kernel is an object; every thread of every block
// calls it with its own view of the block:
//
//   struct my_kernel {
//     static constexpr std::uint32_t threads = 128;        // of a block, a multiple of 32
//     static constexpr std::uint32_t blocks_per_sm = 2;    // that shall fit beside each other; bounds the registers
//     std::uint32_t blocks() const;                        // of the launch; 0: nothing is launched
//     std::uint32_t shared_bytes() const;                  // of a block
//     template <class Block> HSTU_KERNEL void operator()(Block& block) const;
//   };
//
// Kernel objects are trivially copyable (they become kernel arguments, at most 4 KiB) and hold pointers into device memory.
//
// expression                                  meaning
// ------------------------------------------- -----------------------------------------------------------------------
// block.thread() -> uint32                    this thread, in [0, threads)
// block.index() -> uint32                     this block, in [0, blocks())
// block.shared() -> std::byte*                shared_bytes() bytes that the block's threads share, 128-byte aligned,
//                                             undefined at the start
// block.sync()                                no thread goes on before all threads of the block are here; what they wrote
//                                             to shared memory before is seen by all after
// block.sync_warp()                           the same for the 32 threads of a warp
// block.shuffle_xor(value, mask) -> T         the value that lane (lane ^ mask) gave; T: float, uint32
// block.load_matrices(r, row)                 ldmatrix x4: four 8 x 8 matrices of 16-bit elements out of shared memory;
//                                             lane i gives the address of row i % 8 of matrix i / 8 (16 bytes, 16-byte
//                                             aligned); r[m] gets of matrix m the two elements (lane / 4, 2 * (lane % 4))
// block.load_matrices_transposed(r, row)      the same, each matrix transposed: r[m] gets the elements
//                                             (2 * (lane % 4), lane / 4) and (2 * (lane % 4) + 1, lane / 4)
// block.multiply_add(d, a, b)                 mma m16n8k16: D += A B; A is 16 x 16 and B 16 x 8 in bf16, D 16 x 8 in float.
//                                             With g = lane / 4 and c = 2 * (lane % 4), pairs from the lower bits on:
//                                             a[0] A(g, c..c+1)   a[1] A(g + 8, c..)   a[2] A(g, c + 8..)   a[3] A(g + 8, c + 8..)
//                                             b[0] B(c..c+1, g)   b[1] B(c + 8.., g)
//                                             d[0], d[1] D(g, c..c+1)   d[2], d[3] D(g + 8, c..c+1)
// block.copy_async(to, from, whole)           cp.async: queues 16 bytes from global to shared memory, both 16-byte aligned;
//                                             16 zero bytes when !whole (from is not read then)
// block.commit_copies()                       closes a group of this thread's queued copies
// block.template wait_copies<N>()             until at most the N latest groups of this thread are on their way. Others see
//                                             the bytes after a sync()
// Block::pack(low, high) -> uint32            two floats rounded to bf16, to nearest even
// Block::silu(x) -> float                     x / (1 + exp(-x)), within 2^-9 relative + 2^-12 absolute
// Block::exp2(x) -> float                     2^x, within 2^-20 relative; infinity above the range, 0 below
// Block::reciprocal(x) -> float               1 / x, within 2^-20 relative
//
// Collective members are called by all threads they concern, in convergent code. Models: hardware_block
// (hardware_block.cuh) on the GPU; emulated_block (emulated_block.hpp) runs kernels on the CPU and watches them.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace hstu::gpu {

template <class K>
concept names_block_size = requires {
  { K::threads } -> std::convertible_to<std::uint32_t>;
  { K::blocks_per_sm } -> std::convertible_to<std::uint32_t>;
} && K::threads % 32 == 0 && K::threads <= 1024;

template <class K>
concept names_grid = requires(const K& k) {
  { k.blocks() } -> std::same_as<std::uint32_t>;
  { k.shared_bytes() } -> std::same_as<std::uint32_t>;
};

/// Something that a runner can launch.
template <class K>
concept kernel = std::is_trivially_copyable_v<K> && sizeof(K) <= 4096 && names_block_size<K> && names_grid<K>;

}  // namespace hstu::gpu
