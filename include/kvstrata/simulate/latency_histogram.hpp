// Latencies of any number of requests in a few kilobytes: percentiles within 1 %.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Bins of 2 % from 1 us to some 3 hours; what lies outside counts in the first or the last. 9 KB. O(1) an addition.
class latency_histogram
{
 public:
  static constexpr std::size_t bin_count = 1152;
  [[nodiscard]] static std::size_t bin_of(double seconds) noexcept
  {
    if (!(seconds > shortest)) return 0;
    return static_cast<std::size_t>((std::min)(std::log(seconds / shortest) / width, bin_count - 1.0));
  }

  void add(double seconds) noexcept
  {
    ++bins_[bin_of(seconds)];
    ++count_;
    sum_ += seconds;
    most_ = (std::max)(most_, seconds);
  }

  latency_histogram& operator+=(const latency_histogram& other) noexcept
  {
    for (std::size_t i = 0; i < bins_.size(); ++i) bins_[i] += other.bins_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    most_ = (std::max)(most_, other.most_);
    return *this;
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] double mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  [[nodiscard]] double most() const noexcept { return most_; }

  /// The latency that `share` of the requests do not exceed, by the middle of its bin; 0 without requests. O(bins).
  [[nodiscard]] double percentile(double share) const noexcept
  {
    if (count_ == 0) return 0;
    const double rank = (std::max)(1.0, std::ceil(share * static_cast<double>(count_)));
    double before = 0;
    std::size_t at = 0;
    for (; at + 1 < bins_.size(); ++at) {
      before += static_cast<double>(bins_[at]);
      if (before >= rank) break;
    }
    return (std::min)(most_, shortest * std::exp(width * (static_cast<double>(at) + 0.5)));
  }

 private:
  static constexpr double shortest = 1e-6;
  static constexpr double width = 0.02;  // of a bin, in the logarithm

  std::array<std::uint64_t, bin_count> bins_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
  double most_ = 0;
};

}  // namespace kvstrata
