// What a pass costs, in floating-point operations of its matrix products (a multiplication and an addition are two), by part.
#pragma once

#include "mtgr/config.hpp"

#include <cstdint>

namespace mtgr {

/// What of a request decides its cost.
struct request_shape
{
  double static_tokens = 0;
  double static_computed = 0;  ///< all or none
  double recent_tokens = 0;
  double recent_computed = 0;  ///< the newest of them
  double candidates = 0;       ///< dated after all of R
};

/// Operations by what they are for.
struct part_flops
{
  double statics = 0, recents = 0, candidates = 0;

  [[nodiscard]] double all() const noexcept { return statics + recents + candidates; }
};

namespace detail {

/// `tokens` rows that see `keys` each: their token layers and all layers, the last one whole or K and V alone.
[[nodiscard]] inline double row_flops(const config& c, double tokens, double keys, double features, bool whole)
{
  const auto width = static_cast<double>(width_of(c));
  const double hidden = c.hidden;
  const double make = 2 * c.token_hidden * (features + hidden);
  const double layer =
      2 * hidden * 5 * width + 4 * width * keys;  // U, Q, K, V and the output; both products of attention
  const double last = whole ? layer : 2 * hidden * 2 * width;
  return tokens * (make + (c.layers - 1.0) * layer + last);
}

}  // namespace detail

[[nodiscard]] inline part_flops flops(const config& c, const request_shape& r)
{
  const double items = c.item_features;
  const double users = r.static_computed > 0 ? static_cast<double>(c.user_tokens) : 0.0;
  part_flops out;
  out.statics = detail::row_flops(c, users, r.static_tokens, c.user_features, false) +
                detail::row_flops(c, r.static_computed - users, r.static_tokens, items, false);
  const double mean_recent = r.recent_tokens - (r.recent_computed - 1) / 2;  // itself included
  out.recents = detail::row_flops(c, r.recent_computed, r.static_tokens + mean_recent, items, false);
  const double head = 2.0 * tasks * c.head_hidden * (static_cast<double>(c.hidden) + 1);
  out.candidates =
      detail::row_flops(c, r.candidates, r.static_tokens + r.recent_tokens + 1, items + c.cross_features, true) +
      r.candidates * head;
  return out;
}

/// What the paper counts, as its three figures tell: `tokens` tokens through all layers whole, each seeing all, without
/// making tokens and heads. With 500 tokens it gives 5.47, 18.59 and 55.76 G for its small, medium and large model.
[[nodiscard]] inline double paper_flops(const config& c, double tokens)
{
  const auto width = static_cast<double>(width_of(c));
  return c.layers * tokens * (2.0 * c.hidden * 5 * width + 4 * width * tokens);
}

}  // namespace mtgr
