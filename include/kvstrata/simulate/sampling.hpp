// Spatial sampling: a simulation follows only the keys whose hash falls below a limit, in a cache that is smaller by the
// same factor. (Waldspurger, Park, Garthwaite, Ahmad: "Efficient MRC Construction with SHARDS", FAST 2015; for any
// policy: Waldspurger, Saemundsson, Ahmad, Park: "Cache Modeling and Optimization using Miniature Simulations", ATC 2017.)
//
//   misses  are those of the sampled keys, divided by the rate
//   hits    are all requests of the trace, less these misses. That is SHARDS_adj: a sample has by chance too many or too
//           few requests of the most popular keys, which nearly always hit, so the difference belongs to the hits
//
// The error has two parts. That of the choice of keys is estimated here, from how groups of keys in the sample differ. That
// of crowding, which counts in caches of a few hundred sampled objects and where a curve is steep, is estimated by
// simulate/sampled_instance.hpp. Neither sees that an object of more than capacity x rate bytes never comes in.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/sizes.hpp>
#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Which keys belong to the sample. 24 bytes, O(1), the same everywhere.
class spatial_sample
{
 public:
  /// Keys fall into so many groups, whose differences tell the error.
  static constexpr std::size_t groups = 64;

  /// All keys.
  constexpr spatial_sample() = default;

  /// About `rate` of the keys; another seed takes others. Throws config_error unless 2^-20 <= rate <= 1.
  explicit spatial_sample(double rate, std::uint64_t seed = 1) : seed_(scatter_bits(seed))
  {
    constexpr double least = 0x1p-20;
    if (!(rate >= least && rate <= 1)) {
      throw config_error("sampling rate", std::to_string(rate), "it must be at least 1 in 2^20 keys and at most 1");
    }
    limit_ = static_cast<std::uint64_t>(std::llround(rate * 0x1p32));
  }

  [[nodiscard]] constexpr bool takes_all() const noexcept { return limit_ == all; }
  [[nodiscard]] constexpr double rate() const noexcept { return static_cast<double>(limit_) * 0x1p-32; }
  [[nodiscard]] constexpr bool takes(std::uint64_t key) const noexcept { return bits(key) >> 32 < limit_; }

  /// Which group a key belongs to: below `groups`, independent of takes().
  [[nodiscard]] constexpr std::uint8_t group(std::uint64_t key) const noexcept
  {
    return static_cast<std::uint8_t>(bits(key) % groups);
  }

  /// The cache for the sample: smaller by the rate, at least 1.
  [[nodiscard]] tier_size scaled(const tier_size& size) const noexcept
  {
    return {.bytes = scaled(size.bytes), .objects = scaled(size.objects)};
  }

 private:
  static constexpr std::uint64_t all = std::uint64_t{1} << 32;

  [[nodiscard]] constexpr std::uint64_t bits(std::uint64_t key) const noexcept { return scatter_bits(key ^ seed_); }
  [[nodiscard]] std::uint64_t scaled(std::uint64_t whole) const noexcept
  {
    if (takes_all() || whole == 0) return whole;
    return scaled_size(whole, rate());
  }

  std::uint64_t seed_ = 0;
  std::uint64_t limit_ = all;
};

/// The standard error of an estimated miss ratio of a trace of `requests`, from the misses of the sample's groups. Keys are
/// drawn one by one with probability R, so the variance of the estimated misses is (1 - R) / R times the sum of m_k^2 over
/// all keys k with m_k misses; groups of keys at random show this sum by how they differ.
[[nodiscard]] inline double sampling_error(std::span<const std::uint64_t> group_misses, double rate,
                                           std::uint64_t requests) noexcept
{
  if (rate >= 1 || requests == 0 || group_misses.size() < 2) return 0;
  const auto count = static_cast<double>(group_misses.size());
  double mean = 0;
  for (const std::uint64_t misses : group_misses) mean += static_cast<double>(misses) / count;
  double squares = 0;
  for (const std::uint64_t misses : group_misses) {
    squares += (static_cast<double>(misses) - mean) * (static_cast<double>(misses) - mean);
  }
  return std::sqrt((1 - rate) * squares * count / (count - 1)) / rate / static_cast<double>(requests);
}

}  // namespace kvstrata
