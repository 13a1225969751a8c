// HSTU in double precision with an explicit mask: all tokens and candidates in one dense pass, naive loops, no pages,
// no tiles, nothing shared with the model but its weights.
#pragma once

#include "hstu/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace hstu_test {

using rows_t = std::vector<std::vector<double>>;

struct reference_result
{
  std::vector<rows_t> keys;    // [layer][token][width]
  std::vector<rows_t> values;  // [layer][token][width]
  rows_t scores;               // [candidate][task]
  rows_t states;               // [token or candidate][hidden]: what leaves the last layer
};

inline double silu(double x) { return x / (1.0 + std::exp(-x)); }

inline std::vector<double> normalised(const std::vector<double>& x, double epsilon = 1e-6)
{
  double mean = 0;
  for (const double v : x) mean += v;
  mean /= static_cast<double>(x.size());
  double variance = 0;
  for (const double v : x) variance += (v - mean) * (v - mean);
  variance /= static_cast<double>(x.size());
  std::vector<double> out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = (x[i] - mean) / std::sqrt(variance + epsilon);
  return out;
}

// x [n] times the columns [from, from + count) of a row-major matrix of `columns` columns.
inline std::vector<double> times(const std::vector<double>& x, const std::vector<float>& matrix, std::size_t columns,
                                 std::size_t from, std::size_t count)
{
  std::vector<double> out(count, 0.0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    for (std::size_t j = 0; j < count; ++j) {
      out[j] += x[k] * static_cast<double>(matrix[k * columns + from + j]);
    }
  }
  return out;
}

// x * weight + bias; an empty one does nothing.
inline std::vector<double> affine(std::vector<double> x, const std::vector<float>& weight,
                                  const std::vector<float>& bias)
{
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!weight.empty()) x[i] *= static_cast<double>(weight[i]);
    if (!bias.empty()) x[i] += static_cast<double>(bias[i]);
  }
  return x;
}

inline std::vector<double> head_scores(const hstu::config& c, const hstu::weights& w, std::vector<double> x)
{
  const double epsilon = static_cast<double>(c.epsilon);
  if (w.head.empty()) {
    std::vector<double> inner = times(normalised(x, epsilon), w.head_in, c.hidden, 0, c.hidden);
    for (double& value : inner) value = silu(value);
    return times(inner, w.head_out, c.tasks, 0, c.tasks);
  }
  for (const hstu::head_layer& layer : w.head) {
    if (layer.norm == hstu::normalisation::layer) {
      x = affine(normalised(x, epsilon), layer.norm_weight, layer.norm_bias);
    } else if (layer.norm == hstu::normalisation::l2) {
      double length = 0;
      for (const double v : x) length += v * v;
      for (double& v : x) v /= std::max(std::sqrt(length), epsilon);
    }
    x = affine(times(x, layer.linear, layer.outputs, 0, layer.outputs), {}, layer.bias);
    for (double& v : x) {
      switch (layer.after) {
        case hstu::activation::none: break;
        case hstu::activation::silu: v = silu(v); break;
        case hstu::activation::relu: v = std::max(v, 0.0); break;
        case hstu::activation::gelu: v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); break;
        case hstu::activation::sigmoid: v = 1 / (1 + std::exp(-v)); break;
      }
    }
  }
  return x;
}

// `windows` [history + 1]: the first token that a history token sees, and at last the first that candidates see; empty: 0.
// The request is of the whole history.
inline reference_result reference(const hstu::config& c, const hstu::weights& w, const hstu::request& r,
                                  const std::vector<std::uint32_t>& windows = {})
{
  const std::size_t hidden = c.hidden;
  const std::size_t width = std::size_t{c.heads} * c.head_dim;
  const std::size_t history = r.history;
  const std::size_t total = history + candidates_of(c, r);
  const double epsilon = static_cast<double>(c.epsilon);
  const double normaliser = c.normaliser != 0 ? c.normaliser : c.max_tokens;

  const auto position = [&](std::size_t t) { return t < history ? t : history; };
  const auto position_row = [&](std::size_t t) { return position(t) < c.max_tokens ? position(t) : c.max_tokens; };
  const auto window = [&](std::size_t t) { return windows.empty() ? 0 : windows[position(t)]; };
  const auto looks_from = [&](std::size_t t) {
    if (c.looks_from == hstu::query_time::next && t + 1 < history) return r.times[(t + 1) / c.event_tokens];
    return t < history && c.looks_from == hstu::query_time::own ? r.times[t / c.event_tokens] : r.time;
  };
  const auto time = [&](std::size_t t) { return t < history ? r.times[t / c.event_tokens] : r.time; };
  std::vector<std::vector<char>> mask(total, std::vector<char>(total, 0));
  for (std::size_t q = 0; q < total; ++q) {
    for (std::size_t k = 0; k < total; ++k) mask[q][k] = k == q || (k < history && k < q && k >= window(q));
  }

  rows_t x(total);
  for (std::size_t t = 0; t < total; ++t) {
    if (c.inputs == hstu::token_inputs::by_caller) {
      const auto from = t < history ? r.inputs.subspan(t * hidden, hidden)
                                    : r.candidate_inputs.subspan((t - history) * hidden, hidden);
      x[t].assign(from.begin(), from.end());
      continue;
    }
    const std::vector<float>* table = &w.items;
    std::size_t row = 0;
    if (t >= history) row = hstu::item_row(c, r.candidates[t - history]);
    else if (t % 2 == 0) row = hstu::item_row(c, r.items[t / 2]);
    else {
      table = &w.actions;
      row = r.actions[t / 2] % c.actions;
    }
    for (std::size_t i = 0; i < hidden; ++i) {
      x[t].push_back(static_cast<double>((*table)[row * hidden + i]) +
                     static_cast<double>(w.positions[position_row(t) * hidden + i]));
    }
  }

  reference_result out;
  for (const hstu::layer_weights& layer : w.layers) {
    rows_t u(total), v(total), q(total), k(total);
    for (std::size_t t = 0; t < total; ++t) {
      const std::vector<double> normal =
          affine(normalised(x[t], epsilon), layer.input_norm_weight, layer.input_norm_bias);
      rows_t* parts[] = {&u, &q, &k, &v};
      for (std::size_t part = 0; part < 4; ++part) {
        std::vector<double>& row = (*parts[part])[t];
        row = times(normal, layer.project, 4 * width, part * width, width);
        for (std::size_t i = 0; i < width && !layer.project_bias.empty(); ++i) {
          row[i] += static_cast<double>(layer.project_bias[part * width + i]);
        }
        if (part != 0 && c.silu == hstu::activated::gates_only) continue;
        for (double& value : row) value = silu(value);
      }
    }
    out.keys.emplace_back(k.begin(), k.begin() + static_cast<std::ptrdiff_t>(history));
    out.values.emplace_back(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(history));
    for (std::size_t t = 0; t < total; ++t) {
      std::vector<double> attended(width, 0.0);
      for (std::size_t h = 0; h < c.heads; ++h) {
        for (std::size_t s = 0; s < total; ++s) {
          if (!mask[t][s]) continue;
          double product = 0;
          for (std::size_t i = h * c.head_dim; i < (h + 1) * c.head_dim; ++i) product += q[t][i] * k[s][i];
          product *= static_cast<double>(c.alpha);
          if (c.position_buckets != 0) {
            const std::size_t distance = position(t) - position(s);
            const std::size_t bucket = distance < c.position_buckets ? distance : c.position_buckets - 1;
            product += static_cast<double>(layer.position_bias[h * c.position_buckets + bucket]);
          }
          if (c.time_buckets != 0) {
            const double seconds = static_cast<double>(looks_from(t) - time(s));
            const double bucket = std::floor(std::log(seconds < 1 ? 1 : seconds) / 0.301);
            const double last = c.time_buckets - 1;
            product += static_cast<double>(
                layer.time_bias[h * c.time_buckets + static_cast<std::size_t>(bucket < last ? bucket : last)]);
          }
          const double weight = silu(product) / normaliser;
          for (std::size_t i = h * c.head_dim; i < (h + 1) * c.head_dim; ++i) attended[i] += weight * v[s][i];
        }
      }
      std::vector<double> gated =
          affine(normalised(attended, epsilon), layer.output_norm_weight, layer.output_norm_bias);
      for (std::size_t i = 0; i < width; ++i) gated[i] *= u[t][i];
      const std::vector<double> update = affine(times(gated, layer.output, hidden, 0, hidden), {}, layer.output_bias);
      for (std::size_t i = 0; i < hidden; ++i) x[t][i] += update[i];
    }
  }
  for (std::size_t t = history; t < total && c.tasks != 0; ++t) out.scores.push_back(head_scores(c, w, x[t]));
  out.states = std::move(x);
  return out;
}

inline reference_result reference(const hstu::model& m, const hstu::request& r,
                                  const std::vector<std::uint32_t>& windows = {})
{
  return reference(m.options(), m.parameters(), r, windows);
}

}  // namespace hstu_test
