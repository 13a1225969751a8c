// Streams, events and fences: what orders work without stopping the host.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

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

/// Several points to wait for, at most one a stream: of two points on one stream the later one stands for both. 40 bytes,
/// because every page frame and every user has one; allocates from the fifth stream on.
class fence
{
 public:
  class iterator
  {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = event;
    using difference_type = std::ptrdiff_t;
    using pointer = const event*;
    using reference = event;

    iterator() = default;
    iterator(const fence& of, std::size_t index) noexcept : of_(&of), index_(index) {}
    [[nodiscard]] event operator*() const noexcept { return of_->at(index_); }
    iterator& operator++() noexcept
    {
      ++index_;
      return *this;
    }
    iterator operator++(int) noexcept
    {
      const iterator before = *this;
      ++index_;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.index_ == b.index_; }

   private:
    const fence* of_ = nullptr;
    std::size_t index_ = 0;
  };

  fence() = default;
  fence(event point) { add(point); }
  fence(const fence& other) : near_(other.near_), far_(other.copy_of_far()) {}
  fence(fence&& other) noexcept : near_(std::exchange(other.near_, {})), far_(std::move(other.far_)) {}
  fence& operator=(const fence& other)
  {
    if (this != &other) *this = fence(other);
    return *this;
  }
  fence& operator=(fence&& other) noexcept
  {
    near_ = std::exchange(other.near_, {});
    far_ = std::move(other.far_);
    return *this;
  }
  ~fence() = default;

  void add(event point)
  {
    if (point.sequence == 0) return;
    const std::uint64_t packed = pack(point);
    if (packed == 0) return add_unpackable(point);
    for (std::uint64_t& mine : near_) {
      if (mine == 0 && far_ != nullptr) break;  // it may be far
      if (mine != 0 && (mine ^ packed) >> sequence_bits != 0) continue;
      if (mine < packed) mine = packed;
      return;
    }
    add_far(point);
  }

  void add(const fence& other)
  {
    for (const std::uint64_t packed : other.near_) {
      if (packed == 0) break;
      add(unpack(packed));
    }
    if (other.far_ == nullptr || &other == this) return;
    for (const event point : *other.far_) add(point);
  }

  /// Forgets the points for which `complete(event)` holds.
  template <class Complete>
  void prune(Complete&& complete)
  {
    fence left;
    for (const event point : *this) {
      if (!complete(point)) left.add(point);
    }
    *this = std::move(left);
  }

  void clear() noexcept
  {
    near_ = {};
    far_.reset();
  }
  [[nodiscard]] bool empty() const noexcept { return near_[0] == 0 && (far_ == nullptr || far_->empty()); }
  [[nodiscard]] iterator begin() const noexcept { return {*this, 0}; }
  [[nodiscard]] iterator end() const noexcept { return {*this, near_size() + (far_ == nullptr ? 0 : far_->size())}; }

 private:
  // A near point is its stream's number above its sequence; 0 is none, and none lies before another. What does not fit,
  // in size or in number, is far; a stream is in one place only.
  static constexpr std::size_t near_points = 4;  // compute, onload, offload, promote
  static constexpr unsigned sequence_bits = 48;

  /// 0 when it does not fit.
  [[nodiscard]] static constexpr std::uint64_t pack(event point) noexcept
  {
    const auto stream = static_cast<std::uint64_t>(point.stream);
    if (stream >> (64 - sequence_bits) != 0 || point.sequence >> sequence_bits != 0) return 0;
    return stream << sequence_bits | point.sequence;
  }
  [[nodiscard]] static constexpr event unpack(std::uint64_t packed) noexcept
  {
    return {static_cast<stream_id>(packed >> sequence_bits), packed & ((std::uint64_t{1} << sequence_bits) - 1)};
  }

  [[nodiscard]] std::size_t near_size() const noexcept
  {
    std::size_t count = 0;
    while (count < near_points && near_[count] != 0) ++count;
    return count;
  }
  [[nodiscard]] event at(std::size_t index) const noexcept
  {
    if (index < near_points && near_[index] != 0) return unpack(near_[index]);
    return (*far_)[index - near_size()];
  }

  using list = std::vector<event>;

  [[nodiscard]] std::unique_ptr<list> copy_of_far() const
  {
    return far_ == nullptr ? nullptr : std::make_unique<list>(*far_);
  }

  /// The rare cases. When one throws, nothing has changed.
  void add_far(event point)
  {
    if (far_ == nullptr) far_ = std::make_unique<list>();
    for (event& mine : *far_) {
      if (mine.stream != point.stream) continue;
      if (mine.sequence < point.sequence) mine.sequence = point.sequence;
      return;
    }
    far_->push_back(point);
  }

  /// Of a stream that may be near, with a point that is too large to be there: then it is the later one.
  void add_unpackable(event point)
  {
    add_far(point);
    std::size_t left = 0;
    for (const std::uint64_t mine : std::exchange(near_, {})) {
      if (mine != 0 && unpack(mine).stream != point.stream) near_[left++] = mine;
    }
  }

  std::array<std::uint64_t, near_points> near_{};
  std::unique_ptr<list> far_;
};

}  // namespace kvstrata
