// Runs kernels (block.hpp) on the CPU, exactly and suspiciously: see emulated_threads.hpp and emulated_shared.hpp.
#pragma once

#include "hstu/gpu/block.hpp"
#include "hstu/gpu/emulated_threads.hpp"

#include <cxxabi.h>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <typeinfo>

namespace hstu::gpu {

/// A thread's view of its block.
class emulated_block
{
 public:
  emulated_block(emulated_threads& threads, std::uint32_t thread) : threads_(&threads), thread_(thread) {}

  [[nodiscard]] std::uint32_t thread() const noexcept { return thread_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return threads_->index(); }
  [[nodiscard]] std::byte* shared() const noexcept { return threads_->shared(); }

  // Collective members learn from what line they are called, for errors and to tell meetings apart.
  void sync(int line = __builtin_LINE()) { threads_->meet(thread_, meeting::sync, line); }
  void sync_warp(int line = __builtin_LINE()) { threads_->meet(thread_, meeting::sync_warp, line); }

  template <class T>
  [[nodiscard]] T shuffle_xor(T value, std::uint32_t mask, int line = __builtin_LINE())
  {
    static_assert(sizeof(T) == sizeof(std::uint32_t));
    emulated_operands operands;
    operands.value = std::bit_cast<std::uint32_t>(value);
    operands.mask = mask;
    threads_->meet(thread_, meeting::shuffle_xor, line, operands);
    return std::bit_cast<T>(threads_->shuffled(thread_));
  }

  void load_matrices(std::uint32_t (&r)[4], const void* row, int line = __builtin_LINE())
  {
    load(meeting::load_matrices, r, row, line);
  }
  void load_matrices_transposed(std::uint32_t (&r)[4], const void* row, int line = __builtin_LINE())
  {
    load(meeting::load_matrices_transposed, r, row, line);
  }

  void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                    int line = __builtin_LINE())
  {
    emulated_operands operands;
    operands.d = d;
    operands.a = a;
    operands.b = b;
    threads_->meet(thread_, meeting::multiply_add, line, operands);
  }

  void copy_async(void* to, const void* from, bool whole)
  {
    threads_->copy(thread_, static_cast<std::byte*>(to), static_cast<const std::byte*>(from), whole);
  }
  void commit_copies() { threads_->commit_copies(thread_); }
  template <std::uint32_t N>
  void wait_copies()
  {
    threads_->wait_copies(thread_, N);
  }

  [[nodiscard]] static std::uint32_t pack(float low, float high)
  {
    return std::uint32_t{to_bf16(high).bits} << 16 | to_bf16(low).bits;
  }
  [[nodiscard]] static float exp2(float x) { return std::exp2(x); }
  [[nodiscard]] static float reciprocal(float x) { return 1.0f / x; }
  [[nodiscard]] static float silu(float x) { return x / (1.0f + std::exp(-x)); }

 private:
  void load(meeting what, std::uint32_t (&r)[4], const void* row, int line)
  {
    emulated_operands operands;
    operands.row = static_cast<const std::byte*>(row);
    operands.loaded = r;
    threads_->meet(thread_, what, line, operands);
  }

  emulated_threads* threads_;
  std::uint32_t thread_;
};

namespace detail {

inline std::string readable_name(const std::type_info& type)
{
  int status = 0;
  char* name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string text = status == 0 ? name : type.name();
  std::free(name);
  return text;
}

}  // namespace detail

/// Runs all blocks of a kernel, one after the other, on this thread. Throws std::logic_error naming kernel, block and
/// thread where threads part, touch shared memory that they must not, or leave copies behind, and what the kernel
/// throws.
template <kernel Kernel>
emulated_report run_emulated(const Kernel& k)
{
  static constexpr std::size_t most_shared = 227 << 10;  // of an sm_90 block
  const std::uint32_t blocks = k.blocks();
  const std::uint32_t shared = k.shared_bytes();
  if (blocks == 0) return {};
  const std::string name = detail::readable_name(typeid(Kernel));
  if (shared > most_shared) {
    throw std::logic_error(name + ": " + std::to_string(shared) + " bytes of shared memory, and a block has at most " +
                           std::to_string(most_shared));
  }
  struct context
  {
    const Kernel* k;
    emulated_threads* threads;
  } both{&k, nullptr};
  emulated_threads threads(
      name, Kernel::threads, shared,
      [](void* c, std::uint32_t thread) {
        const auto& all = *static_cast<const context*>(c);
        emulated_block block(*all.threads, thread);
        (*all.k)(block);
      },
      &both);
  both.threads = &threads;
  for (std::uint32_t i = 0; i < blocks; ++i) threads.run_block(i, i + 1 == blocks);
  return threads.report();
}

}  // namespace hstu::gpu
