// What a pass costs, in floating-point operations of its matrix products: for models of time.
#pragma once

#include "hstu/config.hpp"

#include <kvstrata/core/interval.hpp>

#include <cstdint>
#include <span>

namespace hstu {

/// What of a request decides its cost.
struct request_shape
{
  kvstrata::token_count history = 0;
  std::span<const kvstrata::token_interval> compute;
  std::uint32_t candidates = 0;
  kvstrata::token_count first_token = 0;  ///< of the window
};

/// Operations of one request in one layer. The last layer computes only K and V of history tokens.
[[nodiscard]] inline double layer_flops(const config& c, const request_shape& r, kvstrata::layer_index layer)
{
  const bool last = layer + 1 == c.layers;
  const auto width = static_cast<double>(width_of(c));
  const double hidden = c.hidden;
  const double candidates = r.candidates;
  double tokens = 0;  // history tokens to compute
  double pairs = 0;   // of these and the keys they see
  for (const kvstrata::token_interval piece : r.compute) {
    tokens += piece.size();
    pairs += 0.5 * piece.size() * (static_cast<double>(piece.begin) + piece.end + 1 - 2.0 * r.first_token);
  }
  const double project = 2 * hidden * width * (last ? 2 * tokens + 4 * candidates : 4 * (tokens + candidates));
  const double attend =
      4 * width * ((last ? 0 : pairs) + candidates * (static_cast<double>(r.history) - r.first_token + 1));
  const double output = 2 * hidden * width * ((last ? 0 : tokens) + candidates);
  return project + attend + output;
}

/// Operations of one request's scoring head.
[[nodiscard]] inline double head_flops(const config& c, const request_shape& r)
{
  return 2.0 * r.candidates * c.hidden * (static_cast<double>(c.hidden) + c.tasks);
}

/// Operations of one request in all.
[[nodiscard]] inline double flops(const config& c, const request_shape& r)
{
  double sum = head_flops(c, r);
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) sum += layer_flops(c, r, l);
  return sum;
}

}  // namespace hstu
