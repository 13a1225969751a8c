// Which prototype is nearest to a token: a hash of random planes (Charikar, STOC 2002) names a bucket, and within the bucket all are
// looked at. RcLLM's pool for tokens of histories (arXiv 2605.07443) is one of these over about 1e5 prototypes.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Tokens are compared by their features: numbers of the caller's, such as an embedding, of which the direction counts.
struct prototype_config
{
  std::uint32_t dimensions = 0;  ///< of features
  std::uint32_t most = 100'000;  ///< prototypes
  std::uint32_t planes = 4;      ///< 2^planes buckets; 0: one, so that nothing near is missed
  float least_cosine = 0.9F;     ///< a token that is farther from all prototypes of its bucket has none
  std::uint64_t seed = 1;        ///< of the planes
};

/// Throws config_error with the field, its value and its limit.
inline void check(const prototype_config& c)
{
  const auto within = [](const char* field, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
    if (value >= least && value <= most) return;
    throw config_error(field, value, "it must be in [" + std::to_string(least) + ", " + std::to_string(most) + "]");
  };
  within("prototype_config.dimensions", c.dimensions, 1, 1U << 20);
  within("prototype_config.most", c.most, 1, 1U << 30);
  within("prototype_config.planes", c.planes, 0, 24);
  if (!(c.least_cosine >= -1 && c.least_cosine <= 1)) {
    throw config_error("prototype_config.least_cosine", std::to_string(c.least_cosine), "it must be in [-1, 1]");
  }
}

/// Who stands in, and how near it is: 1 for the same direction.
struct near_prototype
{
  std::uint32_t number = 0;
  float cosine = 0;
  friend constexpr bool operator==(const near_prototype&, const near_prototype&) = default;
};

/// A copy answers as its original does, and so does one that was told the same in the same order: nodes that have one each agree.
/// Any number of threads may ask while nobody adds.
class prototype_index
{
 public:
  explicit prototype_index(const prototype_config& c) : config_(c)
  {
    check(c);
    planes_.resize(std::size_t{c.planes} * c.dimensions);
    std::uint64_t state = c.seed;
    for (float& at : planes_) at = any_normal(state);
    buckets_.resize(std::size_t{1} << c.planes);
  }

  [[nodiscard]] const prototype_config& options() const noexcept { return config_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

  /// On which side of each plane: plane p is bit p. O(planes x dimensions).
  [[nodiscard]] std::uint32_t bucket_of(std::span<const float> feature) const
  {
    require(feature);
    std::uint32_t bucket = 0;
    for (std::uint32_t p = 0; p < config_.planes; ++p) {
      if (dot(planes_.data() + std::size_t{p} * config_.dimensions, feature.data()) > 0) bucket |= 1U << p;
    }
    return bucket;
  }

  /// Of the bucket's prototypes the nearest, if it is near enough; of equals the first that was added. A feature of zeros is near
  /// to none. O((planes + prototypes of the bucket) x dimensions). Throws usage_error for a feature of other dimensions, and so
  /// does add().
  [[nodiscard]] std::optional<near_prototype> nearest(std::span<const float> feature) const
  {
    const std::vector<std::uint32_t>& bucket = buckets_[bucket_of(feature)];
    const float length = std::sqrt(dot(feature.data(), feature.data()));
    if (!(length > 0)) return std::nullopt;
    std::optional<near_prototype> best;
    for (const std::uint32_t number : bucket) {
      const float cosine = dot(directions_.data() + std::size_t{number} * config_.dimensions, feature.data()) / length;
      if (cosine >= config_.least_cosine && (!best || cosine > best->cosine)) best = near_prototype{number, cosine};
    }
    return best;
  }

  /// A prototype of its own for this token, numbered from 0 on, where none is near enough and there is room. As nearest().
  std::optional<std::uint32_t> add(std::span<const float> feature)
  {
    require(feature);
    if (count_ == config_.most || nearest(feature)) return std::nullopt;
    const float length = std::sqrt(dot(feature.data(), feature.data()));
    if (!(length > 0) || !std::isfinite(length)) return std::nullopt;
    const std::size_t first = std::size_t{count_} * config_.dimensions;
    directions_.resize(first + config_.dimensions);
    for (std::size_t i = 0; i < feature.size(); ++i) directions_[first + i] = feature[i] / length;
    buckets_[bucket_of(feature)].push_back(count_);
    return count_++;
  }

 private:
  void require(std::span<const float> feature) const
  {
    if (feature.size() == config_.dimensions) return;
    throw usage_error("a feature has " + std::to_string(feature.size()) + " dimensions, but prototypes have " +
                      std::to_string(config_.dimensions));
  }
  /// In four sums, which compilers compute at once.
  [[nodiscard]] float dot(const float* a, const float* b) const noexcept
  {
    constexpr std::uint32_t lanes = 4;
    float sums[lanes] = {};
    std::uint32_t rest = config_.dimensions % lanes;
    for (const float* const end = a + (config_.dimensions - rest); a != end; a += lanes, b += lanes) {
      for (std::uint32_t lane = 0; lane < lanes; ++lane) sums[lane] += a[lane] * b[lane];
    }
    for (; rest > 0; --rest) sums[rest] += a[rest - 1] * b[rest - 1];
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
  }
  /// Of about a normal distribution: planes need no more than directions of all kinds. The same everywhere.
  static float any_normal(std::uint64_t& state) noexcept
  {
    float sum = 0;
    for (int i = 0; i < 12; ++i) {
      state += 0x9e37'79b9'7f4a'7c15U;  // splitmix64
      std::uint64_t x = (state ^ (state >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
      x = (x ^ (x >> 27U)) * 0x94d0'49bb'1331'11ebU;
      sum += static_cast<float>(static_cast<std::uint32_t>((x ^ (x >> 31U)) >> 40U)) / 16'777'216.0F;
    }
    return sum - 6;
  }

  prototype_config config_;
  std::vector<float> planes_;                        // [planes][dimensions]
  std::vector<std::vector<std::uint32_t>> buckets_;  // numbers, ascending
  std::vector<float> directions_;                    // [prototypes][dimensions], of length 1
  std::uint32_t count_ = 0;
};

}  // namespace kvstrata
