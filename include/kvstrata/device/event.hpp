// Streams, events and fences: what orders work without stopping the host.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
/// because every user has one a level. Points from the fifth stream on are kept in memory of their own, which
/// copies share until one of them changes: copying and moving cannot fail, adding can. Whoever must not fail says
/// remember() (device/last_use.hpp). Not synchronised; copies may be used by different threads.
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
  fence(const fence&) noexcept = default;
  fence(fence&& other) noexcept : near_(std::exchange(other.near_, {})), far_(std::move(other.far_)) {}
  fence& operator=(const fence&) noexcept = default;
  fence& operator=(fence&& other) noexcept
  {
    near_ = std::exchange(other.near_, {});
    far_ = std::move(other.far_);
    return *this;
  }
  ~fence() = default;

  /// Throws std::bad_alloc when there is no memory for a further stream; then nothing has changed.
  void add(event point)
  {
    if (point.sequence != 0 && !add_near(pack(point))) add_far(point);
  }

  /// As above, point by point.
  void add(const fence& other)
  {
    for (const std::uint64_t packed : other.near_) {
      if (packed == 0) break;
      if (!add_near(packed)) add_far(unpack(packed));
    }
    if (other.far_ == nullptr || &other == this) return;
    const far_points points = other.far_;  // may be shared with this fence, which changes
    for (const event point : points->list) add(point);
  }

  /// As add, but where it would need memory it forgets first the points for which `complete(event)` holds. False when
  /// memory ran out all the same: the point is not in the fence.
  template <class Complete>
  [[nodiscard]] bool try_add(event point, Complete&& complete) noexcept
  {
    if (point.sequence == 0 || add_near(pack(point))) return true;
    shed([&complete](event mine) noexcept {
      try {
        return static_cast<bool>(complete(mine));
      } catch (...) {
        return false;
      }
    });
    try {
      add(point);
    } catch (...) {
      return false;
    }
    return true;
  }
  /// False: some of the points may be in the fence, others are not.
  template <class Complete>
  [[nodiscard]] bool try_add(const fence& other, Complete&& complete) noexcept
  {
    const fence points = other;  // may be this one
    return std::all_of(points.begin(), points.end(), [&](event point) { return try_add(point, complete); });
  }

  /// Forgets the points for which `complete(event)` holds, so far as that takes no memory. When it throws, those that it
  /// was not asked about stay.
  template <class Complete>
  void prune(Complete&& complete)
  {
    std::exception_ptr failed;
    shed([&](event point) noexcept {
      if (failed != nullptr) return false;
      try {
        return static_cast<bool>(complete(point));
      } catch (...) {
        failed = std::current_exception();
        return false;
      }
    });
    if (failed != nullptr) std::rethrow_exception(failed);
  }

  /// Is there no point on any other stream? Whoever works on this one need not wait then.
  [[nodiscard]] bool only_on(stream_id stream) const noexcept
  {
    return far_ == nullptr && near_[1] == 0 && (near_[0] == 0 || near_[0] >> sequence_bits == to_word(stream));
  }

  /// Moves the first point on, where it is the point's own stream's: the common case of remembering a use. False: nothing
  /// has changed.
  [[nodiscard]] bool move_on(event point) noexcept
  {
    const std::uint64_t packed = pack(point);
    if (packed == 0 || (near_[0] ^ packed) >> sequence_bits != 0) return false;
    if (near_[0] < packed) near_[0] = packed;
    return true;
  }

  void clear() noexcept
  {
    near_ = {};
    far_.reset();
  }
  /// Whether it has the same points in the same order. False says little.
  [[nodiscard]] bool is_same(const fence& other) const noexcept
  {
    return near_ == other.near_ &&
           (far_ == other.far_ || (far_ != nullptr && other.far_ != nullptr && far_->list == other.far_->list));
  }
  [[nodiscard]] bool empty() const noexcept { return near_[0] == 0 && (far_ == nullptr || far_->list.empty()); }
  [[nodiscard]] iterator begin() const noexcept { return {*this, 0}; }
  [[nodiscard]] iterator end() const noexcept
  {
    return {*this, near_size() + (far_ == nullptr ? 0 : far_->list.size())};
  }

 private:
  // A near point is its stream's number above its sequence; 0 is none, and none lies before another. What does not fit,
  // in size or in number, is far; a stream is in one place only.
  static constexpr std::size_t near_points = 4;  // compute, onload, offload, promote
  static constexpr unsigned sequence_bits = 48;

  [[nodiscard]] static constexpr std::uint64_t to_word(stream_id stream) noexcept
  {
    return static_cast<std::uint64_t>(stream);
  }

  /// 0 when it does not fit.
  [[nodiscard]] static constexpr std::uint64_t pack(event point) noexcept
  {
    const auto stream = static_cast<std::uint64_t>(point.stream);
    const bool fits = ((stream >> (64 - sequence_bits)) | (point.sequence >> sequence_bits)) == 0;
    return fits ? stream << sequence_bits | point.sequence : 0;  // no branch: loops work it out once
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
    return far_->list[index - near_size()];
  }

  struct shared_list : boost::intrusive_ref_counter<shared_list>  // of whatever threads
  {
    std::vector<event> list;

    shared_list() = default;
    shared_list(const shared_list& other) : boost::intrusive_ref_counter<shared_list>(), list(other.list) {}
    shared_list& operator=(const shared_list&) = delete;
  };
  using far_points = boost::intrusive_ptr<shared_list>;

  /// False when the point, which may be one that does not fit (0), has no place among the near ones.
  [[nodiscard]] bool add_near(std::uint64_t packed) noexcept
  {
    if (packed == 0) return false;
    for (std::uint64_t& mine : near_) {
      if (mine == 0 && far_ != nullptr) return false;  // it may be far
      if (mine != 0 && (mine ^ packed) >> sequence_bits != 0) continue;
      if (mine < packed) mine = packed;
      return true;
    }
    return false;
  }

  /// The rare cases. When this throws, nothing has changed.
  void add_far(event point)
  {
    far_points mine = far_ == nullptr          ? far_points(new shared_list)
                      : far_->use_count() == 1 ? far_
                                               : far_points(new shared_list(*far_));
    const auto same =
        std::find_if(mine->list.begin(), mine->list.end(), [&](event e) { return e.stream == point.stream; });
    if (same == mine->list.end()) mine->list.push_back(point);
    else if (same->sequence < point.sequence) same->sequence = point.sequence;
    far_ = std::move(mine);
    if (pack(point) != 0) return;
    // Its stream may be near, with a point that is the earlier one, as it fits there.
    shed_near([&](event earlier) noexcept { return earlier.stream == point.stream; });
  }

  template <class Passed>
  std::size_t shed_near(Passed&& passed) noexcept
  {
    std::size_t left = 0;
    for (const std::uint64_t mine : std::exchange(near_, {})) {
      if (mine != 0 && !passed(unpack(mine))) near_[left++] = mine;
    }
    return left;
  }

  /// Forgets points without allocating. A list that others share is left alone, unless what is left of it fits near.
  template <class Passed>
  void shed(Passed&& passed) noexcept
  {
    std::size_t count = shed_near(passed);
    if (far_ == nullptr) return;
    std::array<std::uint64_t, near_points> kept{};
    std::size_t left = 0;
    bool fits = true;
    const bool mine = far_->use_count() == 1;
    std::size_t out = 0;
    for (const event point : far_->list) {
      if (passed(point)) continue;
      if (mine) far_->list[out++] = point;
      fits = fits && count + left < near_points && (kept[left] = pack(point)) != 0;
      left += fits ? 1 : 0;
    }
    if (mine) far_->list.resize(out);
    if (!fits) return;
    for (std::size_t i = 0; i < left; ++i) near_[count++] = kept[i];
    far_.reset();
  }

  std::array<std::uint64_t, near_points> near_{};
  far_points far_;
};

}  // namespace kvstrata
