// The reference model's sizes: an aggregate, checked once.
#pragma once

#include "hstu/limits.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hstu {

/// What SiLU is applied to behind the projection.
enum class activated : std::uint8_t {
  all,         ///< U, Q, K and V
  gates_only,  ///< U alone
};

/// How an item id becomes a row of the item table.
enum class item_ids : std::uint8_t {
  hashed,  ///< any id; two may share a row
  rows,    ///< the id is the row, and must be below config::items
};

/// How the columns of the projection lie in the weights that a model is made of.
enum class projection_order : std::uint8_t {
  u_q_k_v,          ///< what the model computes with: all heads of U, then of Q, K and V
  u_v_q_k,          ///< likewise in this order
  u_v_q_k_by_head,  ///< a head's U, V, Q and K, then the next head's
};

/// Where the rows that enter the first layer come from.
enum class token_inputs : std::uint8_t {
  tables,     ///< a token's row of the item or action table plus its position's row
  by_caller,  ///< a request brings them: its tokens may be anything, in any order
};

/// Whose time a query's bias by time looks from.
enum class query_time : std::uint8_t {
  own,   ///< the token's
  next,  ///< that of the token behind it, of the last the request's: it is not to be cached (a volatile tail of 1)
};

/// With tables, a history of n events is 2n tokens: token 2i is the item of event i, token 2i + 1 its action.
struct config
{
  std::uint32_t layers = 4;
  std::uint32_t hidden = 256;  ///< width of the residual stream
  std::uint32_t heads = 4;
  std::uint32_t head_dim = 64;
  std::uint32_t items = 16'384;  ///< rows of the item table; see `ids`
  std::uint32_t actions = 16;    ///< rows of the action table; action ids are taken modulo it
  std::uint32_t tasks = 4;       ///< scores a candidate gets; 0: there is no head, last states are the answer
  kvstrata::token_count max_tokens =
      16'384;                    ///< positions, counted from the start of a history; tokens behind share the last
  std::uint32_t normaliser = 0;  ///< N of SiLU(QK^T + bias) V / N; 0 stands for max_tokens
  std::uint32_t position_buckets = 256;  ///< distances with a bias of their own, farther ones share the last; 0: none
  std::uint32_t time_buckets = 64;       ///< floor(ln(max(1, seconds)) / 0.301), the last for all beyond; 0: none
  std::uint64_t seed = 1;                ///< of the random weights
  float alpha = 1;                       ///< of SiLU(alpha QK^T + bias) V / N
  float epsilon = 1e-6f;                 ///< of the normalisations: added to the variance
  activated silu = activated::all;
  projection_order projection = projection_order::u_q_k_v;  ///< of given weights; a model's own are in this order
  item_ids ids = item_ids::hashed;
  token_inputs inputs = token_inputs::tables;
  query_time looks_from = query_time::own;
  std::uint32_t event_tokens = 2;  ///< consecutive tokens that share a time; with tables it must be 2
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
  check_between("hstu.layers", c.layers, 1, 1024);
  check_between("hstu.hidden", c.hidden, 1, 65'536);
  check_between("hstu.heads", c.heads, 1, 1024);
  check_between("hstu.head_dim", c.head_dim, 1, 4096);
  check_between("hstu.items", c.items, 1, 1u << 28);
  check_between("hstu.actions", c.actions, 1, 1u << 20);
  check_between("hstu.tasks", c.tasks, 0, 1024);
  check_between("hstu.max_tokens", c.max_tokens, 1, 1u << 24);
  check_between("hstu.position_buckets", c.position_buckets, 0, 65'536);
  check_between("hstu.time_buckets", c.time_buckets, 0, 256);
  check_between("hstu.event_tokens", c.event_tokens, 1, 1024);
  if (c.inputs == token_inputs::tables && c.event_tokens != 2) {
    throw kvstrata::config_error("hstu.event_tokens", c.event_tokens,
                                 "it must be 2 where tokens come from tables: an item and its action");
  }
  check_finite("hstu.alpha", c.alpha);
  check_positive("hstu.epsilon", c.epsilon);
}

}  // namespace hstu
