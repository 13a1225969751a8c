#include "hstu/head.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace hstu {
namespace {

double activated_value(activation how, double x)
{
  switch (how) {
    case activation::none: return x;
    case activation::silu: return x / (1 + std::exp(-x));
    case activation::relu: return x > 0 ? x : 0;
    case activation::gelu: return 0.5 * x * (1 + std::erf(x * 0.70710678118654752));
    case activation::sigmoid: return 1 / (1 + std::exp(-x));
  }
  return x;
}

}  // namespace

void normalise(normalisation norm, float epsilon, std::span<float> row)
{
  if (norm == normalisation::none || row.empty()) return;
  const auto count = static_cast<double>(row.size());
  double mean = 0;
  double squares = 0;
  if (norm == normalisation::layer) {
    for (const float v : row) mean += static_cast<double>(v) / count;
  }
  for (const float v : row) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  const double by = norm == normalisation::layer ? std::sqrt(squares / count + static_cast<double>(epsilon))
                                                 : (std::max)(std::sqrt(squares), static_cast<double>(epsilon));
  for (float& v : row) v = static_cast<float>((static_cast<double>(v) - mean) / by);
}

void activate(activation how, std::span<float> values)
{
  if (how == activation::none) return;
  for (float& v : values) v = static_cast<float>(activated_value(how, static_cast<double>(v)));
}

void apply(const head_layer& layer, float epsilon, std::span<const float> from, std::span<float> to)
{
  std::vector<float> row(from.begin(), from.end());
  normalise(layer.norm, epsilon, row);
  if (layer.norm == normalisation::layer) {
    for (std::size_t i = 0; i < layer.norm_weight.size(); ++i) row[i] *= layer.norm_weight[i];
    for (std::size_t i = 0; i < layer.norm_bias.size(); ++i) row[i] += layer.norm_bias[i];
  }
  std::vector<double> sums(layer.bias.begin(), layer.bias.end());
  sums.resize(layer.outputs);
  for (std::size_t i = 0; i < row.size(); ++i) {
    const float* weights = layer.linear.data() + i * layer.outputs;
    for (std::size_t j = 0; j < sums.size(); ++j) {
      sums[j] += static_cast<double>(row[i]) * static_cast<double>(weights[j]);
    }
  }
  for (std::size_t j = 0; j < sums.size(); ++j) to[j] = static_cast<float>(activated_value(layer.after, sums[j]));
}

void dot_scores(std::span<const float> state, std::span<const float> table, std::span<const std::uint32_t> rows,
                std::span<float> scores, normalisation of_state, normalisation of_items, float epsilon)
{
  std::vector<float> query(state.begin(), state.end());
  normalise(of_state, epsilon, query);
  std::vector<float> item(query.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t at = rows[i] * query.size();
    if (at + query.size() > table.size()) {
      throw kvstrata::config_error("an item's row", rows[i],
                                   "the table has " + std::to_string(table.size() / query.size()) + " rows");
    }
    std::copy_n(table.begin() + static_cast<std::ptrdiff_t>(at), item.size(), item.begin());
    normalise(of_items, epsilon, item);
    double sum = 0;
    for (std::size_t j = 0; j < item.size(); ++j) sum += static_cast<double>(query[j]) * static_cast<double>(item[j]);
    scores[i] = static_cast<float>(sum);
  }
}

std::vector<std::uint32_t> best_rows(std::span<const float> state, std::span<const float> table, std::size_t count,
                                     normalisation of_state, normalisation of_items, float epsilon)
{
  std::vector<std::uint32_t> rows(state.empty() ? 0 : table.size() / state.size());
  std::iota(rows.begin(), rows.end(), 0u);
  std::vector<float> scores(rows.size());
  dot_scores(state, table, rows, scores, of_state, of_items, epsilon);
  const auto last = rows.begin() + static_cast<std::ptrdiff_t>((std::min)(count, rows.size()));
  std::partial_sort(rows.begin(), last, rows.end(), [&scores](std::uint32_t a, std::uint32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  rows.erase(last, rows.end());
  return rows;
}

}  // namespace hstu
