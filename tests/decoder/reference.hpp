// The decoder in double precision, from its definition: one sequence, all of it, no cache, no stages.
#pragma once

#include "decoder/weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder_test {

using row = std::vector<double>;

inline row normalised(const row& x, const std::vector<float>& weight, double epsilon)
{
  double sum = 0;
  for (const double v : x) sum += v * v;
  const double factor = 1 / std::sqrt(sum / static_cast<double>(x.size()) + epsilon);
  row out(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = x[i] * factor * static_cast<double>(weight[i]);
  return out;
}

// x times a matrix of `columns` columns.
inline row times(const row& x, const std::vector<float>& by, std::size_t columns)
{
  row out(columns, 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < columns; ++j) out[j] += x[i] * static_cast<double>(by[i * columns + j]);
  }
  return out;
}

inline void rotate(double* head, std::size_t dim, double base, std::uint32_t position)
{
  for (std::size_t i = 0; i < dim / 2; ++i) {
    const double angle = position * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
    const double x = head[i], y = head[i + dim / 2];
    head[i] = x * std::cos(angle) - y * std::sin(angle);
    head[i + dim / 2] = x * std::sin(angle) + y * std::cos(angle);
  }
}

struct sequence_result
{
  row logits;                                  // of the next level
  std::vector<std::vector<row>> keys, values;  // [layers][tokens] each [D], keys turned
};

/// The window's history (its first token at position `first`), then the start token where `start`, then `own` tokens of levels
/// 0, 1, ...; logits of the next level behind the last.
inline sequence_result recompute(const decoder::config& c, const decoder::weights& w,
                                 std::span<const std::uint32_t> history, std::uint32_t first, bool start,
                                 std::span<const std::uint32_t> own)
{
  const std::size_t width = decoder::width_of(c);
  std::vector<row> x;
  const auto add = [&](const std::vector<float>& table, std::size_t token) {
    const auto at = table.begin() + static_cast<std::ptrdiff_t>(token * c.hidden);
    x.emplace_back(at, at + c.hidden);
  };
  for (std::size_t t = 0; t < history.size(); ++t) add(w.tokens[(first + t) % c.codebooks.size()], history[t]);
  if (start) add(w.start, 0);
  for (std::size_t s = 0; s < own.size(); ++s) add(w.tokens[s], own[s]);

  sequence_result out;
  for (const decoder::layer_weights& layer : w.layers) {
    std::vector<row> queries, keys, values;
    for (std::size_t t = 0; t < x.size(); ++t) {
      row all = times(normalised(x[t], layer.attention_norm, static_cast<double>(c.epsilon)), layer.project, 3 * width);
      for (std::size_t head = 0; head < 2 * std::size_t{c.heads}; ++head) {
        rotate(all.data() + head * c.head_dim, c.head_dim, static_cast<double>(c.rotary_base),
               first + static_cast<std::uint32_t>(t));
      }
      const auto part = [&](std::size_t which) {
        const auto at = all.begin() + static_cast<std::ptrdiff_t>(which * width);
        return row(at, at + static_cast<std::ptrdiff_t>(width));
      };
      queries.push_back(part(0));
      keys.push_back(part(1));
      values.push_back(part(2));
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      row attended(width, 0.0);
      for (std::size_t head = 0; head < c.heads; ++head) {
        const std::size_t at = head * c.head_dim;
        row scores;
        for (std::size_t k = 0; k <= t; ++k) {
          double dot = 0;
          for (std::size_t d = 0; d < c.head_dim; ++d) dot += queries[t][at + d] * keys[k][at + d];
          scores.push_back(dot / std::sqrt(static_cast<double>(c.head_dim)));
        }
        const double most = *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (double& s : scores) sum += s = std::exp(s - most);
        for (std::size_t k = 0; k <= t; ++k) {
          for (std::size_t d = 0; d < c.head_dim; ++d) attended[at + d] += scores[k] / sum * values[k][at + d];
        }
      }
      const row projected = times(attended, layer.output, c.hidden);
      for (std::size_t i = 0; i < c.hidden; ++i) x[t][i] += projected[i];
      const row gates = times(normalised(x[t], layer.ffn_norm, static_cast<double>(c.epsilon)), layer.gate_up,
                              2 * std::size_t{c.ffn});
      row activated(c.ffn);
      for (std::size_t i = 0; i < c.ffn; ++i) activated[i] = gates[i] / (1 + std::exp(-gates[i])) * gates[c.ffn + i];
      const row down = times(activated, layer.down, c.hidden);
      for (std::size_t i = 0; i < c.hidden; ++i) x[t][i] += down[i];
    }
    out.keys.push_back(std::move(keys));
    out.values.push_back(std::move(values));
  }
  if (start) {
    const row last = normalised(x.back(), w.final_norm, static_cast<double>(c.epsilon));
    const std::vector<float>& table = w.tokens[own.size()];
    for (std::size_t token = 0; token < c.codebooks[own.size()]; ++token) {
      double dot = 0;
      for (std::size_t i = 0; i < c.hidden; ++i) dot += last[i] * static_cast<double>(table[token * c.hidden + i]);
      out.logits.push_back(dot / std::sqrt(static_cast<double>(c.hidden)));
    }
  }
  return out;
}

/// Of whatever has options() and parameters().
template <class Model>
sequence_result recompute(const Model& m, std::span<const std::uint32_t> history, std::uint32_t first, bool start,
                          std::span<const std::uint32_t> own)
{
  return recompute(m.options(), m.parameters(), history, first, start, own);
}

}  // namespace decoder_test
