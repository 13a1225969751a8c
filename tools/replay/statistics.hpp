// The arithmetic behind the table: percentiles, distributions, token splits, buckets.
#pragma once

#include <kvstrata/core/levels.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace replay {

/// Where the tokens of some requests' histories came from.
struct token_split
{
  kvstrata::by_level<std::uint64_t> served{};  ///< [level] that had them
  std::uint64_t computed = 0;

  /// From all levels; from those below the slab.
  [[nodiscard]] std::uint64_t hit() const noexcept { return std::accumulate(served.begin(), served.end(), none); }
  [[nodiscard]] std::uint64_t fetched() const noexcept { return hit() - served[0]; }
  [[nodiscard]] std::uint64_t total() const noexcept { return hit() + computed; }
  [[nodiscard]] double level_share(kvstrata::level_index level) const noexcept { return share(served[level]); }
  [[nodiscard]] double computed_share() const noexcept { return share(computed); }
  /// Tokens that were not computed again, of all.
  [[nodiscard]] double hit_share() const noexcept { return share(hit()); }

  token_split& operator+=(const token_split& other) noexcept
  {
    for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) served[i] += other.served[i];
    computed += other.computed;
    return *this;
  }
  friend bool operator==(const token_split&, const token_split&) = default;

 private:
  static constexpr std::uint64_t none = 0;

  [[nodiscard]] double share(std::uint64_t part) const noexcept
  {
    return total() == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(total());
  }
};

/// The smallest sample that at least `share` of the samples do not exceed (nearest rank). `sorted` ascends; 0 when
/// it is empty.
template <class T>
[[nodiscard]] T percentile(std::span<const T> sorted, double share)
{
  if (sorted.empty()) return T{};
  // The slack keeps ranks that are whole numbers in exact arithmetic (0.95 x 20) where they belong.
  const double rank = std::ceil(share * static_cast<double>(sorted.size()) - 1e-9);
  const auto index = rank < 1.0 ? std::size_t{0} : static_cast<std::size_t>(rank) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

/// A point of a cumulative distribution: `share` of the samples take at most `seconds`.
struct cdf_point
{
  double seconds = 0;
  double share = 0;
  friend bool operator==(const cdf_point&, const cdf_point&) = default;
};

/// Latencies of many requests. Seconds.
struct latency_summary
{
  std::uint64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  double max = 0;
  std::vector<cdf_point> cdf;  ///< ascending in both; the tail is sampled more finely
  friend bool operator==(const latency_summary&, const latency_summary&) = default;
};

[[nodiscard]] inline latency_summary summarize(std::vector<double> seconds)
{
  latency_summary out;
  if (seconds.empty()) return out;
  std::sort(seconds.begin(), seconds.end());
  const std::span<const double> sorted(seconds);
  out.count = seconds.size();
  out.mean = std::accumulate(seconds.begin(), seconds.end(), 0.0) / static_cast<double>(seconds.size());
  out.p50 = percentile(sorted, 0.50);
  out.p95 = percentile(sorted, 0.95);
  out.p99 = percentile(sorted, 0.99);
  out.max = seconds.back();
  const auto add = [&](double share) {
    const cdf_point point{percentile(sorted, share), share};
    if (out.cdf.empty() || point.share > out.cdf.back().share) out.cdf.push_back(point);
  };
  out.cdf.push_back({seconds.front(), 0.0});
  for (int i = 1; i < 95; ++i) add(i / 100.0);
  for (int i = 950; i <= 1000; i += 2) add(i / 1000.0);
  return out;
}

/// Cuts `count` items into at most `most` consecutive parts whose sizes differ by one at most. Returns the first
/// index of each part, and `count` at the end.
[[nodiscard]] inline std::vector<std::size_t> even_cuts(std::size_t count, std::size_t most)
{
  const std::size_t parts = std::min(count, most);
  std::vector<std::size_t> cuts;
  cuts.reserve(parts + 1);
  for (std::size_t i = 0; i <= parts; ++i) cuts.push_back(parts == 0 ? 0 : i * count / parts);
  return cuts;
}

}  // namespace replay
