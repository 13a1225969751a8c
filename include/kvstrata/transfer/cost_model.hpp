// What fetching and computing a user's KV cost, and when the one beats the other.
//
// Per layer, for L tokens from the beginning of a history, hidden size d, attention width D = heads x head dim:
//   recompute  10 L d D + 2 L^2 D  FLOP    projections to U, V, Q, K (8 L d D) and out (2 L d D), causal attention
//   fetch      2 L D e             bytes   K and V of e bytes an element; 4 L D for bf16
// With F effective FLOP/s and B link bytes/s both take the same time at L* = e F / B - 5 d, whatever D and the number
// of layers are.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A machine by its figures: what it reaches, not what its data sheet promises.
struct machine
{
  double flops_per_second = 0;
  double link_bytes_per_second = 0;  ///< towards the device; 0: unlimited
  double link_latency_seconds = 0;   ///< before the first byte of a copy
};

/// How fast a link was measured to be (transfer/calibrate.hpp).
struct link_speed
{
  double latency_seconds = 0;
  double bytes_per_second = 0;  ///< 0: too fast to tell
};

/// How fast one layer of a model was measured to compute (transfer/calibrate.hpp).
struct compute_speed
{
  double seconds_per_token = 0;
  double seconds_per_pair = 0;
};

/// All figures are of one layer. A default-constructed model finds everything free.
struct cost_model
{
  double seconds_per_token = 0;        ///< computing a token, attention left out
  double seconds_per_pair = 0;         ///< one token attending to one; the n-th token attends to n
  double fetch_seconds_per_token = 0;  ///< one token's K and V on the link
  double fetch_latency_seconds = 0;    ///< before a fetch of any length
  std::uint32_t layers = 1;

  /// By arithmetic, for a model with this hidden size whose KV has this shape. Both throw config_error for figures that
  /// make no sense.
  [[nodiscard]] static cost_model of(const machine& m, std::uint32_t hidden, const geometry& shape);
  /// By measurement.
  [[nodiscard]] static cost_model of(const compute_speed& computes, const link_speed& link, const geometry& shape);

  /// Seconds one layer takes to compute the tokens, which attend to nothing before `first`.
  [[nodiscard]] double compute_seconds(token_interval tokens, token_count first = 0) const noexcept
  {
    if (tokens.empty()) return 0;
    const auto pairs_before = [first](double token) { return (token - first) * (token - first + 1) / 2; };
    return seconds_per_token * tokens.size() +
           seconds_per_pair * (pairs_before(tokens.end) - pairs_before(tokens.begin));
  }
  [[nodiscard]] double compute_seconds(std::span<const token_interval> list, token_count first = 0) const noexcept
  {
    double sum = 0;
    for (const token_interval tokens : list) sum += compute_seconds(tokens, first);
    return sum;
  }

  /// Seconds one layer of so many tokens takes to arrive.
  [[nodiscard]] double fetch_seconds(std::uint64_t tokens) const noexcept
  {
    return tokens == 0 ? 0 : fetch_latency_seconds + fetch_seconds_per_token * static_cast<double>(tokens);
  }

  /// Seconds until the last layer is computed, when layer l computes its front beside the journey of its rear, waits for
  /// that (`fetch` behind the layer before), and computes the rest. The model begins after `model_busy` seconds, and the
  /// link, where anything is fetched, after `link_busy`.
  [[nodiscard]] double pipeline_seconds(double fetch, double front, double rest, double link_busy = 0,
                                        double model_busy = 0) const noexcept
  {
    // Layer l is done at max(done(l - 1) + front, link_busy + (l + 1) fetch) + rest: the last wait that counts is none, the
    // first layer's or the last one's.
    const double link = fetch > 0 ? link_busy : 0;
    const double behind_first = link + fetch + (layers - 1.0) * (front + rest);
    const double alone = model_busy + layers * front + (layers - 1.0) * rest;
    return rest + (std::max)({link + layers * fetch, behind_first, alone});
  }

  /// From this length on, fetching a history takes less time than computing it; infinite when it never does, 0 when
  /// it always does.
  [[nodiscard]] double break_even_tokens() const noexcept
  {
    // fetch_latency + r L = a L + p L (L + 1) / 2
    const double square = seconds_per_pair / 2;
    const double linear = seconds_per_token + square - fetch_seconds_per_token;
    if (square > 0) {
      const double root = std::sqrt(linear * linear + 4 * square * fetch_latency_seconds);
      return linear > 0 ? 2 * fetch_latency_seconds / (root + linear) : (root - linear) / (2 * square);
    }
    return linear > 0 ? fetch_latency_seconds / linear : std::numeric_limits<double>::infinity();
  }
};

namespace detail {

/// Throws config_error unless the figure is finite and at least 0. Its name is `whole`.`part`.
inline void require_figure(std::string_view whole, std::string_view part, double value)
{
  if (value >= 0 && std::isfinite(value)) return;
  throw config_error(std::string(whole).append(1, '.').append(part), std::to_string(value),
                     "it must be a finite number, at least 0");
}

}  // namespace detail

/// Throws config_error when a figure is negative or no number. `name`: what the caller calls the model.
inline void check(const cost_model& cost, std::string_view name = "cost_model")
{
  detail::require_figure(name, "seconds_per_token", cost.seconds_per_token);
  detail::require_figure(name, "seconds_per_pair", cost.seconds_per_pair);
  detail::require_figure(name, "fetch_seconds_per_token", cost.fetch_seconds_per_token);
  detail::require_figure(name, "fetch_latency_seconds", cost.fetch_latency_seconds);
  if (cost.layers == 0) throw config_error(std::string(name) + ".layers", cost.layers, "it must be at least 1");
}

/// Throws config_error when a figure is negative or no number, or nothing is computed.
inline void check(const machine& m)
{
  detail::require_figure("machine", "flops_per_second", m.flops_per_second);
  if (is_exactly(m.flops_per_second, 0)) {
    throw config_error("machine.flops_per_second", std::to_string(m.flops_per_second), "it must be more than 0");
  }
  detail::require_figure("machine", "link_bytes_per_second", m.link_bytes_per_second);
  detail::require_figure("machine", "link_latency_seconds", m.link_latency_seconds);
}

/// Throws config_error when a figure is negative or no number.
inline void check(const link_speed& link)
{
  detail::require_figure("link_speed", "latency_seconds", link.latency_seconds);
  detail::require_figure("link_speed", "bytes_per_second", link.bytes_per_second);
}

/// Throws config_error when a figure is negative or no number.
inline void check(const compute_speed& computes)
{
  detail::require_figure("compute_speed", "seconds_per_token", computes.seconds_per_token);
  detail::require_figure("compute_speed", "seconds_per_pair", computes.seconds_per_pair);
}

inline cost_model cost_model::of(const machine& m, std::uint32_t hidden, const geometry& shape)
{
  check(m);
  if (hidden == 0) throw config_error("the hidden size", std::uint64_t{0}, "it must be at least 1");
  check(shape);
  const double width = double{1} * shape.kv_heads * shape.head_dim;
  // 2 L^2 D FLOP of attention are L^2 / 2 pairs of 4 D each.
  return of(compute_speed{.seconds_per_token = 10.0 * hidden * width / m.flops_per_second,
                          .seconds_per_pair = 4 * width / m.flops_per_second},
            link_speed{.latency_seconds = m.link_latency_seconds, .bytes_per_second = m.link_bytes_per_second}, shape);
}

inline cost_model cost_model::of(const compute_speed& computes, const link_speed& link, const geometry& shape)
{
  check(computes);
  check(link);
  check(shape);
  const auto bytes = static_cast<double>(shape.token_layer_bytes());
  const cost_model cost{.seconds_per_token = computes.seconds_per_token,
                        .seconds_per_pair = computes.seconds_per_pair,
                        .fetch_seconds_per_token = link.bytes_per_second > 0 ? bytes / link.bytes_per_second : 0,
                        .fetch_latency_seconds = link.latency_seconds,
                        .layers = shape.layers};
  check(cost);
  return cost;
}

}  // namespace kvstrata
