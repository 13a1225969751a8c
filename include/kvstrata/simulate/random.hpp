// Seeded random numbers with a fixed algorithm: the same seed gives the same trace with every compiler.
// The standard library's distributions are left out on purpose, as each implementation has its own.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014; constants by Vigna): a bijection that scatters all 64 bits.
[[nodiscard]] constexpr std::uint64_t scatter_bits(std::uint64_t x) noexcept
{
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// A seed for one of many independent streams, e.g. one a user.
[[nodiscard]] constexpr std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t stream) noexcept
{
  return scatter_bits(scatter_bits(seed) ^ stream);
}

/// The splitmix64 generator: 8 bytes of state, period 2^64.
class random_source
{
 public:
  explicit constexpr random_source(std::uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] constexpr std::uint64_t next() noexcept
  {
    const std::uint64_t drawn = scatter_bits(state_);
    state_ += 0x9e3779b97f4a7c15ULL;
    return drawn;
  }

  /// In [0, 1), a multiple of 2^-53.
  [[nodiscard]] constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// In [0, limit) for 1 <= limit; the bias of the multiply-shift is below limit / 2^32.
  [[nodiscard]] constexpr std::uint32_t below(std::uint32_t limit) noexcept
  {
    return static_cast<std::uint32_t>(((next() >> 32) * limit) >> 32);
  }

 private:
  std::uint64_t state_;
};

/// The quantile function of the standard normal distribution for 0 < p < 1: Acklam's rational approximation (2003),
/// relative error below 1.2e-9.
[[nodiscard]] inline double normal_quantile(double p) noexcept
{
  const auto tail = [](double q) {
    return (((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e+00) * q -
              2.549732539343734e+00) *
                 q +
             4.374664141464968e+00) *
                q +
            2.938163982698783e+00) /
           ((((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e+00) * q +
             3.754408661907416e+00) *
                q +
            1.0);
  };
  constexpr double edge = 0.02425;
  if (p < edge) return tail(std::sqrt(-2 * std::log(p)));
  if (p > 1 - edge) return -tail(std::sqrt(-2 * std::log(1 - p)));
  const double q = p - 0.5;
  const double r = q * q;
  return (((((-3.969683028665376e+01 * r + 2.209460984245205e+02) * r - 2.759285104469687e+02) * r +
            1.383577518672690e+02) *
               r -
           3.066479806614716e+01) *
              r +
          2.506628277459239e+00) *
         q /
         (((((-5.447609879822406e+01 * r + 1.615858368580409e+02) * r - 1.556989798598866e+02) * r +
            6.680131188771972e+01) *
               r -
           1.328068155288572e+01) *
              r +
          1.0);
}

/// `count` numbers in (0, 1), one from each of `count` equal strata, in random order: few draws already have the
/// quantiles of the uniform distribution.
[[nodiscard]] inline std::vector<double> stratified_uniforms(std::uint32_t count, std::uint64_t seed)
{
  random_source random(seed);
  std::vector<double> drawn(count);
  for (std::uint32_t k = 0; k < count; ++k) {
    drawn[k] = (static_cast<double>(k) + 0.001 + 0.998 * random.uniform()) / static_cast<double>(count);
  }
  for (std::uint32_t k = count; k > 1; --k) {
    const std::uint32_t other = random.below(k);
    const double swapped = drawn[k - 1];
    drawn[k - 1] = drawn[other];
    drawn[other] = swapped;
  }
  return drawn;
}

}  // namespace kvstrata
