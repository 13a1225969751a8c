// Objects ordered by a score, coarsely, around a present that moves on: a ring of buckets. To file, to take out and to
// find the lowest are O(1) and allocate nothing. Scores below the ring count as its lowest, above it as its highest;
// when the present moves on, the lowest bucket empties into the next one.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

using ring_hook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>>;

/// Hook derives from ring_hook.
template <class Hook>
class bucket_ring
{
 public:
  using list = boost::intrusive::list<Hook, boost::intrusive::constant_time_size<false>>;
  static constexpr std::uint32_t buckets = 4096;

  /// Throws std::bad_alloc.
  bucket_ring() : lists_(buckets) {}

  /// The number of the bucket that an object of this level goes to. Levels are numbered from 0, upwards with time.
  [[nodiscard]] std::uint64_t clamped(std::int64_t level) const noexcept
  {
    return level < static_cast<std::int64_t>(low_) ? low_
                                                   : (std::min)(static_cast<std::uint64_t>(level), low_ + buckets - 1);
  }

  /// Files an object that is nowhere in the ring.
  void file(Hook& object, std::uint64_t level) noexcept
  {
    const std::size_t bucket = level % buckets;
    lists_[bucket].push_back(object);
    full_[bucket / 64] |= std::uint64_t{1} << bucket % 64;
    first_ = (std::min)(first_, level);
  }
  void take(Hook& object) noexcept { lists_[0].erase(list::s_iterator_to(object)); }

  /// Takes out the first that is filed at a level; somebody is.
  void take_first(std::uint64_t level) noexcept
  {
    const std::size_t bucket = level % buckets;
    lists_[bucket].pop_front();
    const std::uint64_t emptied = lists_[bucket].empty() ? 1 : 0;
    full_[bucket / 64] &= ~(emptied << bucket % 64);
  }

  /// The present has reached a level: the ring begins here from now on. O(1) for each level, never more than the ring.
  void advance(std::uint64_t low) noexcept
  {
    for (std::uint32_t steps = 0; low_ < low && steps < buckets; ++low_, ++steps) {
      list& first = lists_[low_ % buckets];
      if (first.empty()) continue;
      list& next = lists_[(low_ + 1) % buckets];
      next.splice(next.begin(), first);
      full_[(low_ + 1) % buckets / 64] |= std::uint64_t{1} << (low_ + 1) % buckets % 64;
    }
    low_ = (std::max)(low_, low);
  }

  /// The lowest level from `level` on that holds objects; end() when there is none.
  [[nodiscard]] std::uint64_t next_full(std::uint64_t level) noexcept
  {
    if (level < end() && !lists_[level % buckets].empty()) return level;
    while (level < end()) {
      const std::size_t bucket = level % buckets;
      const std::uint64_t word = full_[bucket / 64] >> bucket % 64;
      if (word == 0) {
        level += 64 - bucket % 64;
        continue;
      }
      level += static_cast<std::uint64_t>(std::countr_zero(word));
      if (level >= end()) break;
      if (!lists_[level % buckets].empty()) return level;
      full_[level % buckets / 64] &= ~(std::uint64_t{1} << level % buckets % 64);  // taken out since
    }
    return end();
  }

  /// The lowest level that holds objects; end() when none does.
  [[nodiscard]] std::uint64_t lowest() noexcept { return first_ = next_full((std::max)(first_, low_)); }

  [[nodiscard]] list& at(std::uint64_t level) noexcept { return lists_[level % buckets]; }
  [[nodiscard]] std::uint64_t begin() const noexcept { return low_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return low_ + buckets; }

  /// Takes everybody out, in order.
  [[nodiscard]] list take_all() noexcept
  {
    list all;
    for (std::uint64_t level = low_; level < end(); ++level) all.splice(all.end(), at(level));
    full_.fill(0);
    return all;
  }

 private:
  std::vector<list> lists_;
  std::array<std::uint64_t, buckets / 64> full_{};  // a bit for each bucket that may hold objects
  std::uint64_t low_ = 0;
  std::uint64_t first_ = 0;  // below it there is nobody
};

}  // namespace kvstrata::detail
