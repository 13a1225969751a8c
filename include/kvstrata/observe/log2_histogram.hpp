// How often which order of magnitude occurred: a count for every power of two.
#pragma once

#include <kvstrata/core/error.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Values v by bucket: bucket 0 counts v = 0, bucket i counts 2^(i-1) <= v < 2^i, the last one all that are larger.
struct log2_histogram
{
  static constexpr std::size_t buckets = 32;

  std::array<std::uint64_t, buckets> counts{};
  std::uint64_t sum = 0;  ///< of all values

  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t value) noexcept
  {
    const std::size_t width = 64U - static_cast<std::size_t>(std::countl_zero(value));
    return width < buckets ? width : buckets - 1;
  }
  /// Smallest and largest value of a bucket; the last one has no largest.
  [[nodiscard]] static constexpr std::uint64_t first_of(std::size_t bucket) noexcept
  {
    return bucket == 0 ? 0 : std::uint64_t{1} << (bucket - 1);
  }
  [[nodiscard]] static constexpr std::uint64_t last_of(std::size_t bucket) noexcept
  {
    return (std::uint64_t{1} << bucket) - 1;
  }

  constexpr void add(std::uint64_t value) noexcept
  {
    ++counts[bucket_of(value)];
    sum += value;
  }

  [[nodiscard]] constexpr std::uint64_t total() const noexcept
  {
    std::uint64_t all = 0;
    for (const std::uint64_t n : counts) all += n;
    return all;
  }

  /// Mean of all values, exact but for rounding; 0 when there are none.
  [[nodiscard]] constexpr double mean() const noexcept
  {
    const std::uint64_t all = total();
    return all == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(all);
  }

  /// Estimates the value that a share `q` of all values does not exceed (the smallest value of rank q * total() or
  /// more), as if the values of a bucket lay evenly in it. The estimate lies in the bucket of the true one, and so is
  /// wrong by less than a factor of two; in the last bucket it is that bucket's smallest value. 0 when there are no
  /// values. Throws usage_error unless 0 <= q <= 1.
  [[nodiscard]] double quantile(double q) const
  {
    if (!(q >= 0 && q <= 1)) {
      throw usage_error("quantile was asked for " + std::to_string(q) + ", but a share lies between 0 and 1");
    }
    const std::uint64_t all = total();
    if (all == 0) return 0;
    // Rounding must lift no rank above the last one, nor a first one to 0.
    const double wanted = std::ceil(q * static_cast<double>(all));
    std::uint64_t rank = wanted < 1 ? 1 : static_cast<std::uint64_t>(wanted);
    if (rank > all) rank = all;
    std::size_t bucket = 0;
    while (rank > counts[bucket]) rank -= counts[bucket++];
    const auto first = static_cast<double>(first_of(bucket));
    if (bucket == buckets - 1) return first;
    const double share = (static_cast<double>(rank) - 0.5) / static_cast<double>(counts[bucket]);
    return first + share * (static_cast<double>(last_of(bucket)) - first);
  }

  friend bool operator==(const log2_histogram&, const log2_histogram&) = default;
};

}  // namespace kvstrata
