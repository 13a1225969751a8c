// How the bodies of kernels reach memory when they run on the CPU. A body is a template over such a type, so that one
// source serves both; on the GPU it gets streaming_memory (core/streaming_memory.cuh).
//
// expression                  meaning
// --------------------------- ----------------------------------------------------------------------------------------
// M::word<Bytes>              a value of 1, 2, 4, 8 or 16 bytes
// M::load<Bytes>(from)        the word at `from`, which is aligned to its size
// M::store<Bytes>(to, word)   writes it
// M::address(at) -> uint64    for arithmetic on alignment
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct host_memory
{
  template <std::uint32_t Bytes>
  using word = std::array<std::byte, Bytes>;

  template <std::uint32_t Bytes>
  [[nodiscard]] static word<Bytes> load(const std::byte* from) noexcept
  {
    word<Bytes> out;
    std::memcpy(out.data(), from, Bytes);
    return out;
  }
  template <std::uint32_t Bytes>
  static void store(std::byte* to, const word<Bytes>& value) noexcept
  {
    std::memcpy(to, value.data(), Bytes);
  }
  [[nodiscard]] static std::uint64_t address(const std::byte* at) noexcept
  {
    return reinterpret_cast<std::uintptr_t>(at);
  }
};

}  // namespace kvstrata
