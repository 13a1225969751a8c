// So many bytes a second may come in on average: flash wears out by what is written to it.
//
//   admits:  the bucket gains bytes_per_second by the requests' time_ms, up to burst_seconds' worth, which it holds at
//            first too. Who finds something in it comes in and takes its bytes out, if need be on credit, so that
//            objects larger than the bucket come in as well; who finds nothing is turned away
//
// From any admission to any later one no more comes in than bytes_per_second times the time between, a bucket, and one
// object. CacheLib keeps its rate by chance (its "dynamic random" admission: Berg et al., "The CacheLib caching engine:
// design and experiences at scale", OSDI 2020): it admits with a probability that it adjusts every minute, so that a
// day's bytes come out right, and that is smaller for larger objects. That spreads the writes over the day and is blind
// to who asks; a bucket is exact and repeatable, and takes whoever comes first. Callers that do not tell the time get
// one bucket. O(1).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>

#include <algorithm>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct write_rate_options
{
  std::uint64_t bytes_per_second = 0;  ///< 0: what writes the whole tier once a day
  std::uint32_t burst_seconds = 3600;  ///< what the bucket holds at most, in seconds of the rate
};

/// Options: what is used where none are given at construction, as in a tier's type.
template <write_rate_options Options = write_rate_options{}>
class basic_write_rate
{
 public:
  using option_kind = admission_option;

  /// Throws config_error when the burst is 0 seconds.
  explicit basic_write_rate(const tier_size& size, const write_rate_options& options = Options)
      : bytes_per_ms_(options.bytes_per_second != 0 ? static_cast<double>(options.bytes_per_second) / 1000.0
                                                    : static_cast<double>(size.bytes) / ms_per_day),
        bucket_(bytes_per_ms_ * 1000.0 * options.burst_seconds),
        left_(bucket_)
  {
    if (options.burst_seconds == 0) {
      throw config_error("write_rate_options.burst_seconds", 0, "the bucket must hold at least 1 second's bytes");
    }
  }

  [[nodiscard]] bool admits(const object_info& candidate, const object_info*) noexcept
  {
    if (!started_ || candidate.time_ms > latest_ms_) {
      // In doubles: times may lie further apart than an integer of 64 bits can say.
      const double passed = static_cast<double>(candidate.time_ms) - static_cast<double>(latest_ms_);
      if (started_) left_ = (std::min)(bucket_, left_ + passed * bytes_per_ms_);
      latest_ms_ = candidate.time_ms;
      started_ = true;
    }
    if (!(left_ > 0)) return false;
    left_ -= static_cast<double>(candidate.bytes);
    return true;
  }

 private:
  static constexpr double ms_per_day = 24.0 * 60 * 60 * 1000;

  double bytes_per_ms_;
  double bucket_;
  double left_;  // below 0: on credit
  std::int64_t latest_ms_ = 0;
  bool started_ = false;
};

using write_rate = basic_write_rate<>;

static_assert(admission_policy<write_rate>);

}  // namespace kvstrata
