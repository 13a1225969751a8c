// MTGR's sizes: an aggregate, checked once.
#pragma once

#include "hstu/limits.hpp"

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>

namespace mtgr {

/// What a token is about. Each has token layers and norm parameters of its own.
enum class domain : std::uint8_t {
  user,       ///< U: a scalar feature of the profile
  sequence,   ///< S: an item of the long history
  recent,     ///< R: an item of the last hours, with its time
  candidate,  ///< an item to score, with its cross features
};
inline constexpr std::size_t domains = 4;

/// The parts of a request whose K and V are kept: U and S see each other in both directions, so they are replaced as a whole;
/// R grows on top of them.
enum class part : std::uint8_t { statics, recents };
inline constexpr std::size_t parts = 2;

/// What a candidate is scored for, in the order of its logits: a click, and a click with a conversion.
enum class task : std::uint8_t { ctr, ctcvr };
inline constexpr std::size_t tasks = 2;

/// Features come as vectors: looking embeddings up is the caller's affair.
struct config
{
  std::uint32_t layers = 3;
  std::uint32_t hidden = 512;  ///< width of a token
  std::uint32_t heads = 2;
  std::uint32_t head_dim = 256;
  std::uint32_t user_tokens = 20;              ///< scalar features of a profile, a token each
  std::uint32_t user_features = 32;            ///< floats of one of them
  std::uint32_t item_features = 128;           ///< floats of an item, its features' embeddings side by side
  std::uint32_t cross_features = 64;           ///< floats of what is known of a user and a candidate together
  std::uint32_t token_hidden = 128;            ///< width between the two layers that make a token
  std::uint32_t head_hidden = 128;             ///< width between the two layers of a task's head
  kvstrata::token_count most_sequence = 1000;  ///< tokens of S
  kvstrata::token_count most_recent = 100;     ///< tokens of R
  std::uint32_t normaliser = 0;  ///< N of SiLU(QK^T) V / N; 0 stands for all tokens but candidates, and one
  std::uint64_t seed = 1;        ///< of the random weights
  float epsilon = 1e-6f;         ///< of the norms: added to the variance
};

/// Floats of one of U, Q, K, V of one token.
[[nodiscard]] constexpr std::size_t width_of(const config& c) noexcept { return std::size_t{c.heads} * c.head_dim; }

/// Floats of a token's features.
[[nodiscard]] constexpr std::size_t features_of(const config& c, domain d) noexcept
{
  switch (d) {
    case domain::user: return c.user_features;
    case domain::candidate: return std::size_t{c.cross_features} + c.item_features;
    default: return c.item_features;
  }
}

/// N. A constant of the model: the paper divides by the number of tokens, candidates included, and then K and V of the second
/// layer on would depend on the request, so that nothing of them could be cached.
[[nodiscard]] constexpr std::uint32_t normaliser_of(const config& c) noexcept
{
  return c.normaliser != 0 ? c.normaliser : c.user_tokens + c.most_sequence + c.most_recent + 1;
}

/// The KV that a cache must hold for this model.
[[nodiscard]] constexpr kvstrata::geometry geometry_of(const config& c) noexcept
{
  return {c.layers, c.heads, c.head_dim, kvstrata::element_type::f32};
}

/// Throws kvstrata::config_error with the first field that is zero or too large, its value and its limit.
inline void check(const config& c)
{
  hstu::check_between("mtgr.layers", c.layers, 1, 1024);
  hstu::check_between("mtgr.hidden", c.hidden, 1, 65'536);
  hstu::check_between("mtgr.heads", c.heads, 1, 1024);
  hstu::check_between("mtgr.head_dim", c.head_dim, 1, 4096);
  hstu::check_between("mtgr.user_tokens", c.user_tokens, 0, 65'536);
  hstu::check_between("mtgr.user_features", c.user_features, 1, 65'536);
  hstu::check_between("mtgr.item_features", c.item_features, 1, 65'536);
  hstu::check_between("mtgr.cross_features", c.cross_features, 0, 65'536);
  hstu::check_between("mtgr.token_hidden", c.token_hidden, 1, 65'536);
  hstu::check_between("mtgr.head_hidden", c.head_hidden, 1, 65'536);
  hstu::check_between("mtgr.most_sequence", c.most_sequence, 0, 1u << 24);
  hstu::check_between("mtgr.most_recent", c.most_recent, 0, 1u << 24);
  hstu::check_positive("mtgr.epsilon", c.epsilon);
}

}  // namespace mtgr
