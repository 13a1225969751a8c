// How the bodies of kernels reach memory on the GPU (the expressions: core/host_memory.hpp). nvcc only.
//
// Loads are ordinary ones and evict first (ld.global.cs): every byte is read once. Not ld.global.nc: others, the host
// among them, may have written the source just before. Stores are ordinary: what is written here is read next.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct streaming_memory
{
  template <std::uint32_t Bytes>
  struct word_of;

  template <std::uint32_t Bytes>
  using word = typename word_of<Bytes>::type;

  template <std::uint32_t Bytes>
  [[nodiscard]] static __device__ word<Bytes> load(const std::byte* from)
  {
    return __ldcs(reinterpret_cast<const word<Bytes>*>(from));
  }
  template <std::uint32_t Bytes>
  static __device__ void store(std::byte* to, word<Bytes> value)
  {
    *reinterpret_cast<word<Bytes>*>(to) = value;
  }
  [[nodiscard]] static __device__ std::uint64_t address(const std::byte* at)
  {
    return reinterpret_cast<std::uint64_t>(at);
  }
};

template <>
struct streaming_memory::word_of<16>
{
  using type = uint4;
};
template <>
struct streaming_memory::word_of<8>
{
  using type = uint2;
};
template <>
struct streaming_memory::word_of<4>
{
  using type = unsigned int;
};
template <>
struct streaming_memory::word_of<2>
{
  using type = unsigned short;
};
template <>
struct streaming_memory::word_of<1>
{
  using type = unsigned char;
};

}  // namespace kvstrata
