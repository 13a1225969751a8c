// How near two lists of scores are, as far as their order goes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace decoder {

/// Indices, the highest score first; equal ones in order.
[[nodiscard]] inline std::vector<std::size_t> ranked(const std::vector<float>& scores)
{
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

/// Of the `count` best of one how many are among those of the other, as a share; `count` is 1 or more, and no more than there are.
[[nodiscard]] inline double top_overlap(const std::vector<float>& a, const std::vector<float>& b, std::size_t count)
{
  std::vector<std::size_t> x = ranked(a), y = ranked(b);
  x.resize(count);
  y.resize(count);
  std::size_t both = 0;
  for (const std::size_t i : x) both += std::find(y.begin(), y.end(), i) != y.end();
  return static_cast<double>(both) / static_cast<double>(count);
}

/// Spearman's rank correlation: 1 where the orders are the same, about 0 where they have nothing to do with each other; of fewer than
/// two scores 1.
[[nodiscard]] inline double rank_correlation(const std::vector<float>& a, const std::vector<float>& b)
{
  if (a.size() < 2) return 1;
  const std::vector<std::size_t> x = ranked(a), y = ranked(b);
  std::vector<double> place(a.size());
  for (std::size_t i = 0; i < x.size(); ++i) place[x[i]] = static_cast<double>(i);
  double apart = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double d = place[y[i]] - static_cast<double>(i);
    apart += d * d;
  }
  const auto n = static_cast<double>(a.size());
  return 1 - 6 * apart / (n * (n * n - 1));
}

}  // namespace decoder
