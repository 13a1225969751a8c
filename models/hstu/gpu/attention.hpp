// The attention kernel for given arguments: its template is chosen at run time, from heads and bias.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/attention_kernel.hpp"
#include "hstu/gpu/attention_parts.hpp"

#include <kvstrata/core/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hstu::gpu {

/// Throws kvstrata::config_error when the kernel cannot work with these shapes and addresses. Looks at no device
/// memory.
inline void check_attention(const attention_arguments& a, std::uint32_t head_dim)
{
  using kvstrata::config_error;
  const auto whole = [](std::string_view field, std::uint64_t value, std::uint64_t unit, std::string_view why) {
    if (value % unit != 0) throw config_error(field, value, why);
  };
  const auto address = [&](std::string_view field, const void* p) {
    whole(field, reinterpret_cast<std::uintptr_t>(p), 16,
          "the attention kernel reads and writes 16 aligned bytes at once");
  };
  const auto rows = [&](std::string_view data, const void* p, std::string_view stride, std::size_t elements) {
    address(data, p);
    whole(stride, elements, 8, "the attention kernel takes rows that begin at multiples of 8 elements");
  };
  if (head_dim != 64 && head_dim != 128 && head_dim != 256) {
    throw config_error("attention.head_dim", head_dim, "the attention kernel takes 64, 128 and 256");
  }
  if (a.pages.width != a.heads * head_dim) {
    throw config_error("attention.pages.width", a.pages.width,
                       "it must be heads * head_dim = " + std::to_string(a.heads * head_dim));
  }
  if (!std::has_single_bit(a.pages.page_tokens) || a.pages.page_tokens < 8) {
    throw config_error("attention.pages.page_tokens", a.pages.page_tokens,
                       "the attention kernel takes powers of two of at least 8");
  }
  whole("attention.pages.page_stride", a.pages.page_stride, 16, "pages must begin at multiples of 16 bytes");
  address("attention.pages.base", a.pages.base);
  rows("attention.queries.data", a.queries.data, "attention.queries.stride", a.queries.stride);
  rows("attention.outputs.data", a.outputs.data, "attention.outputs.stride", a.outputs.stride);
  rows("attention.candidate_keys.data", a.candidate_keys.data, "attention.candidate_keys.stride",
       a.candidate_keys.stride);
  rows("attention.candidate_values.data", a.candidate_values.data, "attention.candidate_values.stride",
       a.candidate_values.stride);
  address("attention.part_sums", a.part_sums);
  if (a.parts == 0 || (a.parts > 1 && a.part_sums == nullptr)) {
    throw config_error("attention.parts", a.parts,
                       "it must be 1 where there are no part_sums to work in, and is at least 1");
  }
  if (a.bias.times > 256) throw config_error("attention.bias.times", a.bias.times, "at most 256 buckets are known");
  if (a.visible == nullptr) throw config_error("attention.visible", "null", "each row must say what it sees");
  if (a.pages.gaps != nullptr && (a.bias.distances != 0 || a.bias.times != 0)) {
    throw config_error("attention.pages.gaps", "there", "keys in two stretches have no bias by distance or time");
  }
  if (std::uint64_t{a.tile_count} * a.heads * a.parts > 0x7fffffffu) {
    throw config_error("attention.tile_count", a.tile_count,
                       "a launch has at most 2147483647 tiles times heads times parts");
  }
}

namespace detail {

template <std::uint32_t HeadDim, class F>
void with_attention_bias(const attention_arguments& a, F&& f)
{
  const auto shift = static_cast<std::uint32_t>(std::countr_zero(a.pages.page_tokens));
  const bool distance = a.bias.distances != 0 && a.bias.by_distance != nullptr;
  const bool time = a.bias.times != 0 && a.bias.by_time != nullptr;
  if (a.pages.gaps != nullptr) return f(attention_kernel<HeadDim, false, false, true>{a, shift});
  if (distance && time) f(attention_kernel<HeadDim, true, true>{a, shift});
  else if (distance) f(attention_kernel<HeadDim, true, false>{a, shift});
  else if (time) f(attention_kernel<HeadDim, false, true>{a, shift});
  else f(attention_kernel<HeadDim, false, false>{a, shift});
}

}  // namespace detail

/// Calls f(kernel) with the kernels to be run, one behind the other: one, or two where keys are shared; none for no
/// tiles. Throws what check_attention() throws.
template <class F>
void with_attention(const attention_arguments& a, std::uint32_t head_dim, F&& f)
{
  check_attention(a, head_dim);
  if (a.tile_count == 0) return;
  if (head_dim == 64) detail::with_attention_bias<64>(a, f);
  else if (head_dim == 128) detail::with_attention_bias<128>(a, f);
  else detail::with_attention_bias<256>(a, f);
  if (a.parts > 1) f(attention_sum_kernel{a});
}

}  // namespace hstu::gpu
