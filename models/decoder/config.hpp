// The decoder's sizes: an aggregate, checked once.
#pragma once

#include "decoder/catalogue/tuples.hpp"

#include "hstu/limits.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace decoder {

/// An item is codebooks.size() tokens, one of each codebook in turn: a history of n items is n * depth tokens, and token t
/// belongs to level t % depth. Behind it comes a start token, and behind that the tokens that are decoded.
struct config
{
  std::uint32_t layers = 4;
  std::uint32_t hidden = 256;  ///< width of the residual stream
  std::uint32_t heads = 4;
  std::uint32_t head_dim = 64;                             ///< even: rotary positions turn pairs
  std::uint32_t ffn = 512;                                 ///< width of the gated feed-forward network
  std::vector<std::uint32_t> codebooks = {512, 512, 512};  ///< tokens of each level
  float rotary_base = 10'000;                              ///< pair i turns by position / base^(2i / head_dim)
  float epsilon = 1e-6f;                                   ///< of the normalisations: added to the mean square
  std::uint64_t seed = 1;                                  ///< of the random weights
};

[[nodiscard]] inline std::uint32_t depth_of(const config& c) noexcept
{
  return static_cast<std::uint32_t>(c.codebooks.size());
}

/// Floats of one of Q, K, V of one token.
[[nodiscard]] constexpr std::size_t width_of(const config& c) noexcept { return std::size_t{c.heads} * c.head_dim; }

/// The KV that a cache must hold for this model.
[[nodiscard]] constexpr kvstrata::geometry geometry_of(const config& c) noexcept
{
  return {c.layers, c.heads, c.head_dim, kvstrata::element_type::f32};
}

/// Throws kvstrata::config_error with the first field that is zero, too large or odd, its value and its limit.
inline void check(const config& c)
{
  hstu::check_between("decoder.layers", c.layers, 1, 1024);
  hstu::check_between("decoder.hidden", c.hidden, 1, 65'536);
  hstu::check_between("decoder.heads", c.heads, 1, 1024);
  hstu::check_between("decoder.head_dim", c.head_dim, 2, 4096);
  hstu::check_between("decoder.ffn", c.ffn, 1, 1U << 20);
  if (c.head_dim % 2 != 0) {
    throw kvstrata::config_error("decoder.head_dim", c.head_dim, "it must be even: rotary positions turn pairs");
  }
  check_codebooks(c.codebooks);
  hstu::check_positive("decoder.rotary_base", c.rotary_base);
  hstu::check_positive("decoder.epsilon", c.epsilon);
}

}  // namespace decoder
