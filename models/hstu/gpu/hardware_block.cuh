// The block of block.hpp on a GPU (sm_80 or newer): PTX where C++ has no word for it.
#pragma once

#include "hstu/gpu/block.hpp"

#include <cstddef>
#include <cstdint>

namespace hstu::gpu {

/// A thread's view of its block. Has no state, so it costs nothing.
struct hardware_block
{
  [[nodiscard]] __device__ std::uint32_t thread() const { return threadIdx.x; }
  [[nodiscard]] __device__ std::uint32_t index() const { return blockIdx.x; }
  [[nodiscard]] __device__ std::byte* shared() const
  {
    extern __shared__ __align__(128) std::byte hstu_shared_memory[];
    return hstu_shared_memory;
  }

  __device__ void sync() { __syncthreads(); }
  __device__ void sync_warp() { __syncwarp(); }

  template <class T>
  [[nodiscard]] __device__ T shuffle_xor(T value, std::uint32_t mask)
  {
    return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(mask));
  }

  // What reads or writes memory behind the compiler's back says so, and keeps its place among plain accesses.

  __device__ void load_matrices(std::uint32_t (&r)[4], const void* row)
  {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  }
  __device__ void load_matrices_transposed(std::uint32_t (&r)[4], const void* row)
  {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  }

  __device__ void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2])
  {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }

  __device__ void copy_async(void* to, const void* from, bool whole)
  {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(whole ? 16 : 0)
                 : "memory");
  }
  __device__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <std::uint32_t N>
  __device__ void wait_copies()
  {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
  }

  [[nodiscard]] static __device__ std::uint32_t pack(float low, float high)
  {
    std::uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
  }
  // The approximations are within 2 units in the last place; numbers below 2^-126 are taken for 0.
  [[nodiscard]] static __device__ float exp2(float x)
  {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
  [[nodiscard]] static __device__ float reciprocal(float x)
  {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
  [[nodiscard]] static __device__ float silu(float x) { return x * reciprocal(1.0f + exp2(x * -1.44269504f)); }

 private:
  [[nodiscard]] static __device__ std::uint32_t shared_address(const void* p)
  {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
  }
};

}  // namespace hstu::gpu
