// How near two lists of scores are, as far as their order goes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace decoder {

/// Indices, the highest score first; equal ones in order. Of the `count` best alone, where not all are wanted.
[[nodiscard]] inline std::vector<std::size_t> ranked(const std::vector<float>& scores,
                                                     std::size_t count = static_cast<std::size_t>(-1))
{
  struct entry
  {
    float score;
    std::uint32_t index;
  };
  std::vector<entry> order(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) order[i] = {scores[i], static_cast<std::uint32_t>(i)};
  count = (std::min)(count, scores.size());
  const auto sooner = [](const entry& a, const entry& b) {
    return a.score > b.score || (!(b.score > a.score) && a.index < b.index);
  };
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
  if (count == scores.size()) std::sort(order.begin(), end, sooner);
  else std::partial_sort(order.begin(), end, order.end(), sooner);
  std::vector<std::size_t> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = order[i].index;
  return out;
}

/// Of the `count` best of one how many are among those of the other, as a share; `count` is 1 or more, and no more than there are.
[[nodiscard]] inline double top_overlap(const std::vector<float>& a, const std::vector<float>& b, std::size_t count)
{
  const std::vector<std::size_t> x = ranked(a, count), y = ranked(b, count);
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
