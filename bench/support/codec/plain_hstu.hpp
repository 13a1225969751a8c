// HSTU as its text says it, token by token in plain loops: what lossy codecs are judged by. Its K and V of the golden users
// equal theirs to 1e-6 (checked by the bench). models/hstu has the same in products of matrices.
#pragma once

#include "hstu/config.hpp"
#include "hstu/weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace codec_bench {

/// [token][head * dim] of a layer.
struct layer_kv
{
  std::vector<float> keys;
  std::vector<float> values;
};

struct token_answer
{
  std::vector<std::vector<float>> attention;  ///< [layer] what attention gives
  std::vector<layer_kv> own;                  ///< [layer] the token's K and V
  std::vector<float> state;                   ///< what leaves the last layer
};

class plain_hstu
{
 public:
  plain_hstu(const hstu::config& c, const hstu::weights& w) : c_(c), w_(w), width_(hstu::width_of(c)) {}

  /// What enters the first layer.
  [[nodiscard]] std::vector<float> input(std::span<const float> table, std::size_t row, std::size_t position) const
  {
    std::vector<float> x(c_.hidden);
    const std::size_t place = hstu::position_row(c_, static_cast<std::uint32_t>(position));
    for (std::size_t i = 0; i < c_.hidden; ++i) x[i] = table[row * c_.hidden + i] + w_.positions[place * c_.hidden + i];
    return x;
  }

  /// A token at `position` that sees the tokens [0, position) of `before` ([layer]) and itself; times of all tokens.
  [[nodiscard]] token_answer answer(std::vector<float> x, std::size_t position, std::int64_t time,
                                    std::span<const std::int64_t> times, std::span<const layer_kv> before) const
  {
    token_answer out;
    const std::vector<std::size_t> buckets = buckets_of(time, times.first(position));
    std::vector<float> all(4 * width_);
    std::vector<float> normal(c_.hidden);
    for (std::size_t l = 0; l < c_.layers; ++l) {
      normalise(x, normal);
      product(normal, w_.layers[l].project, all);
      for (float& value : all) value = value / (1 + std::exp(-value));
      const std::span<const float> u(all.data(), width_), q(all.data() + width_, width_);
      layer_kv own{{all.begin() + static_cast<std::ptrdiff_t>(2 * width_),
                    all.begin() + static_cast<std::ptrdiff_t>(3 * width_)},
                   {all.begin() + static_cast<std::ptrdiff_t>(3 * width_), all.end()}};
      std::vector<float> a(width_);
      for (std::size_t h = 0; h < c_.heads; ++h) {
        for (std::size_t j = 0; j < position; ++j) add(l, h, q, before[l], j * width_, position - j, buckets[j], a);
        add(l, h, q, own, 0, 0, 0, a);
      }
      for (float& value : a) value /= static_cast<float>(hstu::normaliser_of(c_));
      out.attention.push_back(a);
      std::vector<float> gated(width_);
      normalise(a, gated);
      for (std::size_t i = 0; i < width_; ++i) gated[i] *= u[i];
      std::vector<float> more(c_.hidden);
      product(gated, w_.layers[l].output, more);
      for (std::size_t i = 0; i < c_.hidden; ++i) x[i] += more[i];
      out.own.push_back(std::move(own));
    }
    out.state = std::move(x);
    return out;
  }

  static void normalise(std::span<const float> from, std::span<float> to)
  {
    double mean = 0, square = 0;
    for (const float value : from) mean += static_cast<double>(value);
    mean /= static_cast<double>(from.size());
    for (const float value : from) square += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
    const double scale = 1 / std::sqrt(square / static_cast<double>(from.size()) + 1e-6);
    for (std::size_t i = 0; i < from.size(); ++i)
      to[i] = static_cast<float>((static_cast<double>(from[i]) - mean) * scale);
  }

  [[nodiscard]] const hstu::config& options() const noexcept { return c_; }
  [[nodiscard]] const hstu::weights& parameters() const noexcept { return w_; }

 private:
  static void product(std::span<const float> x, std::span<const float> matrix, std::span<float> to)
  {
    std::fill(to.begin(), to.end(), 0.0F);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float* const row = matrix.data() + i * to.size();
      for (std::size_t j = 0; j < to.size(); ++j) to[j] += x[i] * row[j];
    }
  }

  [[nodiscard]] std::vector<std::size_t> buckets_of(std::int64_t time, std::span<const std::int64_t> times) const
  {
    std::vector<std::size_t> out;
    for (const std::int64_t other : times) {
      const double seconds = static_cast<double>((std::max)(std::int64_t{1}, time - other));
      out.push_back((std::min)(static_cast<std::size_t>(std::log(seconds) / 0.301), std::size_t{c_.time_buckets} - 1));
    }
    return out;
  }

  void add(std::size_t l, std::size_t h, std::span<const float> q, const layer_kv& kv, std::size_t at,
           std::size_t distance, std::size_t bucket, std::vector<float>& a) const
  {
    const std::size_t dim = c_.head_dim;
    const float* const k = kv.keys.data() + at + h * dim;
    const float* const v = kv.values.data() + at + h * dim;
    double score = 0;
    for (std::size_t d = 0; d < dim; ++d) score += static_cast<double>(q[h * dim + d] * k[d]);
    const std::size_t near_by = (std::min)(distance, std::size_t{c_.position_buckets} - 1);
    score += static_cast<double>(w_.layers[l].position_bias[h * c_.position_buckets + near_by] +
                                 w_.layers[l].time_bias[h * c_.time_buckets + bucket]);
    const auto weight = static_cast<float>(score / (1 + std::exp(-score)));
    for (std::size_t d = 0; d < dim; ++d) a[h * dim + d] += weight * v[d];
  }

  const hstu::config& c_;
  const hstu::weights& w_;
  std::size_t width_;
};

/// K and V of a whole history ([layer]), each token seeing exact ones; and what it gave, if `answers`.
[[nodiscard]] inline std::vector<layer_kv> history_kv(const plain_hstu& model,
                                                      std::span<const std::vector<float>> inputs,
                                                      std::span<const std::int64_t> times,
                                                      std::vector<token_answer>* answers = nullptr)
{
  std::vector<layer_kv> kv(model.options().layers);
  for (std::size_t t = 0; t < inputs.size(); ++t) {
    token_answer a = model.answer(inputs[t], t, times[t], times, kv);
    for (std::size_t l = 0; l < kv.size(); ++l) {
      kv[l].keys.insert(kv[l].keys.end(), a.own[l].keys.begin(), a.own[l].keys.end());
      kv[l].values.insert(kv[l].values.end(), a.own[l].values.begin(), a.own[l].values.end());
    }
    if (answers != nullptr) answers->push_back(std::move(a));
  }
  return kv;
}

}  // namespace codec_bench
