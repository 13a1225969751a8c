// Accesses with Zipf's popularity, of any number, out of nothing: for speed tests.
//
// Rejection-inversion (Hoermann and Derflinger, Rejection-inversion to generate variates from monotone discrete
// distributions, ACM TOMACS 1996): inverts the integral of x^-a, which lies over the sum of the k^-a like a hat, and
// rejects what falls outside. O(1) an access, whatever the number of keys; fewer than 1.1 tries on average.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct zipf_config
{
  std::uint64_t keys = 1'000'000;
  double exponent = 1;                  ///< the key of rank k is asked for as often as 1 / k^exponent
  std::uint64_t requests = 10'000'000;  ///< the trace ends with this one
  std::uint64_t seed = 1;
  bool scattered = false;   ///< the key of rank k, from 0, is k, or scattered: a hash of it
  std::uint64_t bytes = 1;  ///< of every object
};

/// Throws config_error.
inline void check(const zipf_config& config)
{
  constexpr std::uint64_t most_keys = std::uint64_t{1} << 48;  // far below where doubles leave numbers out
  const auto positive = [](std::string_view field, std::uint64_t value) {
    if (value == 0) throw config_error(field, value, "it must be at least 1");
  };
  positive("zipf_config.keys", config.keys);
  positive("zipf_config.requests", config.requests);
  positive("zipf_config.bytes", config.bytes);
  if (config.keys > most_keys) throw config_error("zipf_config.keys", config.keys, "it may be at most 2^48");
  if (config.bytes > most_object_bytes) {
    throw config_error("zipf_config.bytes", config.bytes, "it may be at most 2^60");
  }
  if (!(config.exponent >= 0) || !(config.exponent <= 10)) {
    throw config_error("zipf_config.exponent", std::to_string(config.exponent), "it must be from 0 to 10");
  }
}

/// Needs no memory. The same accesses for the same configuration, as far as the platform's log and exp agree. A time
/// is 1 ms a request.
class zipf_source
{
 public:
  /// Throws config_error.
  explicit zipf_source(const zipf_config& config = {}) : config_(config), random_(config.seed)
  {
    check(config);
    low_ = area(1.5) - 1;
    high_ = area(static_cast<double>(config.keys) + 0.5);
    surely_ = 2 - area_inverse(area(2.5) - height(2));
  }

  std::size_t read(std::span<trace_access> out)
  {
    const auto count = static_cast<std::size_t>((std::min)(std::uint64_t{out.size()}, config_.requests - drawn_));
    for (trace_access& access : out.first(count)) {
      const std::uint64_t key = rank() - 1;
      access = trace_access{.key = config_.scattered ? scatter_bits(key) : key,
                            .time_ms = static_cast<std::int64_t>(drawn_++),
                            .bytes = config_.bytes};
    }
    return count;
  }

  /// Goes back to the first access.
  void rewind() noexcept
  {
    random_ = random_source(config_.seed);
    drawn_ = 0;
  }

  [[nodiscard]] std::string_view name() const noexcept { return "zipf"; }
  [[nodiscard]] double progress() const noexcept
  {
    return static_cast<double>(drawn_) / static_cast<double>(config_.requests);
  }

 private:
  [[nodiscard]] std::uint64_t rank() noexcept
  {
    const auto keys = static_cast<double>(config_.keys);
    for (;;) {
      const double u = high_ + random_.uniform() * (low_ - high_);
      const double x = area_inverse(u);
      const double k = (std::min)((std::max)(std::floor(x + 0.5), 1.0), keys);
      if (k - x <= surely_ || u >= area(k + 0.5) - height(k)) return static_cast<std::uint64_t>(k);
    }
  }

  /// The hat, x^-exponent.
  [[nodiscard]] double height(double x) const noexcept { return std::exp(-config_.exponent * std::log(x)); }

  /// An integral of the hat, (x^(1 - exponent) - 1) / (1 - exponent), written so that it is exact near exponent 1.
  [[nodiscard]] double area(double x) const noexcept
  {
    const double log_x = std::log(x);
    return over(std::expm1((1 - config_.exponent) * log_x), (1 - config_.exponent) * log_x) * log_x;
  }

  [[nodiscard]] double area_inverse(double y) const noexcept
  {
    const double t = (std::max)(y * (1 - config_.exponent), -1.0);
    return std::exp(over(std::log1p(t), t) * y);
  }

  /// f(t) / t, for an f that is t near 0.
  [[nodiscard]] static double over(double f, double t) noexcept { return std::abs(t) > 1e-12 ? f / t : 1; }

  zipf_config config_;
  random_source random_;
  double low_ = 0;     // the hat's area from rank 1 ...
  double high_ = 0;    // ... to the last one
  double surely_ = 0;  // what lies so close below a rank is inside
  std::uint64_t drawn_ = 0;
};

static_assert(access_source<zipf_source>);

}  // namespace kvstrata
