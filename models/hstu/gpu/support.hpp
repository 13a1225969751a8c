// What of a config the kernels take, and the KV it needs.
#pragma once

#include "hstu/config.hpp"
#include "hstu/gpu/normalise.hpp"
#include "hstu/gpu/vectors.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace hstu::gpu {

inline constexpr std::uint32_t least_page_tokens = 8;

/// The KV that a cache must hold for a model of such a config, HSTU or another: bf16.
template <class Config>
[[nodiscard]] constexpr kvstrata::geometry bf16_geometry_of(const Config& c) noexcept
{
  return {c.layers, c.heads, c.head_dim, kvstrata::element_type::bf16};
}

/// Throws kvstrata::config_error where rows of so many elements are no whole vectors.
inline void check_vectors(std::string_view field, std::uint64_t value)
{
  if (value % vector_width == 0) return;
  throw kvstrata::config_error(
      field, value,
      "on a GPU it must be a multiple of " + std::to_string(vector_width) + ", which is what a thread takes at once");
}

/// Also where a warp cannot hold such a row.
inline void check_row(std::string_view field, std::uint64_t value)
{
  check_vectors(field, value);
  if (value <= widest_row) return;
  throw kvstrata::config_error(
      field, value,
      "on a GPU it may be at most " + std::to_string(widest_row) + ", which is what the registers of a warp hold");
}

/// Returns it, or throws kvstrata::config_error with the first field that the model or its kernels do not take.
inline const config& check_gpu(const config& c)
{
  check(c);
  check_row("hstu.hidden", c.hidden);
  check_row("hstu.heads * hstu.head_dim", width_of(c));
  if (c.head_dim != 64 && c.head_dim != 128 && c.head_dim != 256) {
    throw kvstrata::config_error("hstu.head_dim", c.head_dim, "the attention kernel takes 64, 128 and 256");
  }
  if (c.event_tokens != 2 && c.time_buckets != 0) {
    throw kvstrata::config_error("hstu.event_tokens", c.event_tokens,
                                 "on a GPU it must be 2 where there are time buckets: the attention kernel looks up "
                                 "one time for two keys");
  }
  return c;
}

/// Throws kvstrata::config_error when the attention kernel cannot read pages of this size.
inline void check_pages(const kvstrata::page_table_view& view)
{
  if (std::has_single_bit(view.page_tokens) && view.page_tokens >= least_page_tokens) return;
  throw kvstrata::config_error("page_tokens", view.page_tokens,
                               "on a GPU it must be a power of two of at least " + std::to_string(least_page_tokens));
}

}  // namespace hstu::gpu
