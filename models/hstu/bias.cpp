#include "hstu/bias.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hstu {

std::int64_t least_seconds(std::size_t bucket)
{
  const double seconds = std::exp(0.301 * static_cast<double>(bucket));
  if (seconds >= 0x1p62) return std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::ceil(seconds));
}

std::uint32_t time_bucket(std::int64_t seconds, std::size_t buckets)
{
  std::uint32_t bucket = 0;
  while (bucket + 1 < buckets && seconds >= least_seconds(bucket + 1)) ++bucket;
  return bucket;
}

void time_bucket_begins(std::span<std::uint32_t> begin, std::span<const std::int64_t> times, std::int64_t query,
                        std::uint32_t first_event, std::uint32_t event_tokens)
{
  // From the rear: the higher the bucket, the earlier it begins, so each search stays in front of the last result.
  auto end = times.end();
  for (std::size_t b = 0; b + 1 < begin.size(); ++b) {
    const std::int64_t beyond = least_seconds(b + 1);  // a key this old or older is in a higher bucket
    end = std::partition_point(times.begin(), end, [&](std::int64_t t) { return query - t >= beyond; });
    begin[b] = event_tokens * (first_event + static_cast<std::uint32_t>(end - times.begin()));
  }
  if (!begin.empty()) begin.back() = 0;
}

bool head_bias::fill(float* row, float& constant, std::uint32_t position, std::uint32_t first, std::uint32_t count,
                     const std::uint32_t* begins, bucket_cursor& at, const elementwise& loops) const
{
  const std::uint32_t last = first + count;  // one past the stretch
  std::uint32_t near = last;                 // the first key near enough for a distance bias of its own
  float far_bias = 0;                        // of all keys before it
  if (!by_distance_.empty()) {
    const auto reach = static_cast<std::uint32_t>(by_distance_.size() - 1);
    near = position < reach ? first : std::clamp(position - reach + 1, first, last);
    far_bias = by_distance_.back();
  }

  for (std::uint32_t key = first, end = last; key < last; key = end, end = last) {
    float by_time = 0;
    if (!by_time_.empty()) {
      while (at > 0 && begins[at - 1] <= key) --at;
      if (at > 0) end = std::min(begins[at - 1], last);
      by_time = by_time_[at];
    }
    if (key < near) {
      end = std::min(end, near);
      constant = far_bias + by_time;
      if (end == last && key == first) return true;
      loops.fill(row + (key - first), constant, end - key);
    } else {
      loops.fill_reversed(row + (key - first), &by_distance_[position - key], by_time, end - key);
    }
  }
  return false;
}

}  // namespace hstu
