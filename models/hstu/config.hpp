// The reference model's sizes: an aggregate, checked once.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hstu {

/// A history of n events is 2n tokens: token 2i is the item of event i, token 2i + 1 its action.
struct config
{
  std::uint32_t layers = 4;
  std::uint32_t hidden = 256;  ///< width of the residual stream
  std::uint32_t heads = 4;
  std::uint32_t head_dim = 64;
  std::uint32_t items = 16'384;  ///< rows of the item table; item ids are hashed into it
  std::uint32_t actions = 16;    ///< rows of the action table; action ids are taken modulo it
  std::uint32_t tasks = 4;       ///< scores a candidate gets
  kvstrata::token_count max_tokens =
      16'384;                    ///< positions, counted from the start of a history; tokens behind share the last
  std::uint32_t normaliser = 0;  ///< N of SiLU(QK^T + bias) V / N; 0 stands for max_tokens
  std::uint32_t position_buckets = 256;  ///< distances with a bias of their own, farther ones share the last; 0: none
  std::uint32_t time_buckets = 64;       ///< floor(ln(max(1, seconds)) / 0.301), the last for all beyond; 0: none
  std::uint64_t seed = 1;                ///< of the random weights
};

/// Floats of one of U, V, Q, K of one token.
[[nodiscard]] constexpr std::size_t width_of(const config& c) noexcept { return std::size_t{c.heads} * c.head_dim; }

/// N: constant for a model, so that a longer history does not change what was computed for a shorter one.
[[nodiscard]] constexpr std::uint32_t normaliser_of(const config& c) noexcept
{
  return c.normaliser != 0 ? c.normaliser : c.max_tokens;
}

/// The row of the position table for a position: they are clamped to its end.
[[nodiscard]] constexpr std::size_t position_row(const config& c, std::uint32_t position) noexcept
{
  return position < c.max_tokens ? position : c.max_tokens;
}

/// The KV that a cache must hold for this model.
[[nodiscard]] constexpr kvstrata::geometry geometry_of(const config& c) noexcept
{
  return {c.layers, c.heads, c.head_dim, kvstrata::element_type::f32};
}

/// Throws kvstrata::config_error with the first field that is zero or too large, its value and its limit.
inline void check(const config& c)
{
  const auto between = [](std::string_view field, std::uint32_t value, std::uint32_t least, std::uint32_t most) {
    if (value < least) throw kvstrata::config_error(field, value, "it must be at least " + std::to_string(least));
    if (value > most) throw kvstrata::config_error(field, value, "it may be at most " + std::to_string(most));
  };
  between("hstu.layers", c.layers, 1, 1024);
  between("hstu.hidden", c.hidden, 1, 65'536);
  between("hstu.heads", c.heads, 1, 1024);
  between("hstu.head_dim", c.head_dim, 1, 4096);
  between("hstu.items", c.items, 1, 1u << 28);
  between("hstu.actions", c.actions, 1, 1u << 20);
  between("hstu.tasks", c.tasks, 1, 1024);
  between("hstu.max_tokens", c.max_tokens, 1, 1u << 24);
  between("hstu.position_buckets", c.position_buckets, 0, 65'536);
  between("hstu.time_buckets", c.time_buckets, 0, 256);
}

}  // namespace hstu
