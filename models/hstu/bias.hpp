// The relative attention bias of one query over a stretch of keys: by distance and by the time between.
#pragma once

#include "hstu/config.hpp"
#include "hstu/elementwise.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu {

/// The least number of seconds in bucket b >= 1: floor(ln(max(1, seconds)) / 0.301) >= b. All below that of bucket 1
/// are in bucket 0.
[[nodiscard]] std::int64_t least_seconds(std::size_t bucket);

/// The bucket of so many seconds, among `buckets` (at least 1).
[[nodiscard]] std::uint32_t time_bucket(std::int64_t seconds, std::size_t buckets);

/// For a query, where the buckets of time begin among the keys. History times ascend, so the farther back a key, the
/// higher its bucket, and every bucket is one stretch of keys: begin[b] is the first key of a bucket of at most b.
/// Writes begin[0 .. buckets), in tokens; begin[buckets - 1] is 0. The times are those of the events from `first_event` on,
/// of `event_tokens` tokens each.
void time_bucket_begins(std::span<std::uint32_t> begin, std::span<const std::int64_t> times, std::int64_t query,
                        std::uint32_t first_event = 0, std::uint32_t event_tokens = 2);

/// Where a query's walk over ascending keys stands among its time buckets. Start with the last bucket.
using bucket_cursor = std::uint32_t;

/// One layer's and head's bias tables. Empty tables add nothing.
class head_bias
{
 public:
  head_bias(std::span<const float> by_distance, std::span<const float> by_time)
      : by_distance_(by_distance), by_time_(by_time)
  {
  }

  [[nodiscard]] bool empty() const noexcept { return by_distance_.empty() && by_time_.empty(); }

  /// Of a query with itself, its time being in this bucket of what it looks from.
  [[nodiscard]] float own(std::uint32_t bucket) const
  {
    return (by_distance_.empty() ? 0.0f : by_distance_.front()) + (by_time_.empty() ? 0.0f : by_time_[bucket]);
  }

  /// The bias of the query at `position` over keys [first, first + count), none of which lies behind it. Returns true
  /// when it is the same for all, in `constant`; else fills row[0 .. count).
  /// `begins` are the query's time buckets; `at` is advanced, so calls for one query must ascend in `first`.
  /// Linear in the number of keys only near the query and where time buckets end.
  bool fill(float* row, float& constant, std::uint32_t position, std::uint32_t first, std::uint32_t count,
            const std::uint32_t* begins, bucket_cursor& at, const elementwise& loops) const;

 private:
  std::span<const float> by_distance_;  // [position_buckets]
  std::span<const float> by_time_;      // [time_buckets]
};

}  // namespace hstu
