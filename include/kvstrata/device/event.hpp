// Streams, events and fences: what orders work without stopping the host.
#pragma once

#include <boost/container/small_vector.hpp>

#include <cstdint>

namespace kvstrata {

/// A queue of work on a device, carried out in order. A handle: the device owns what is behind it.
enum class stream_id : std::uint32_t {};

/// A point on a stream's time line: everything queued there up to `sequence`. A plain value, so that pages, extents
/// and tickets carry events without owning them; the device maps a point to whatever its runtime calls an event.
/// Sequence 0 lies before all work and is always complete.
struct event
{
  stream_id stream{};
  std::uint64_t sequence = 0;

  friend constexpr bool operator==(event, event) = default;
};

/// Several points to wait for, at most one a stream: of two points on one stream the later one stands for both.
class fence
{
 public:
  fence() = default;
  fence(event point) { add(point); }
  fence(const fence&) = default;
  fence& operator=(const fence&) = default;
  ~fence() = default;
  // By swapping: g++ 12 believes that the vector's own move reads past its inner storage, and warns.
  fence(fence&& other) noexcept { points_.swap(other.points_); }
  fence& operator=(fence&& other) noexcept
  {
    points_.clear();
    points_.swap(other.points_);
    return *this;
  }

  void add(event point)
  {
    if (point.sequence == 0) return;
    for (event& mine : points_) {
      if (mine.stream != point.stream) continue;
      if (mine.sequence < point.sequence) mine.sequence = point.sequence;
      return;
    }
    points_.push_back(point);
  }

  void add(const fence& other)
  {
    for (const event point : other.points_) add(point);
  }

  /// Forgets the points for which `complete(event)` holds.
  template <class Complete>
  void prune(Complete&& complete)
  {
    for (auto it = points_.begin(); it != points_.end();) {
      if (complete(*it)) it = points_.erase(it);
      else ++it;
    }
  }

  void clear() noexcept { points_.clear(); }
  [[nodiscard]] bool empty() const noexcept { return points_.empty(); }
  [[nodiscard]] auto begin() const noexcept { return points_.begin(); }
  [[nodiscard]] auto end() const noexcept { return points_.end(); }

 private:
  boost::container::small_vector<event, 4> points_;  // compute, onload, offload, promote
};

}  // namespace kvstrata
