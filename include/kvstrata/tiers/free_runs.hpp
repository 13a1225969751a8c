// Free frames, best fit: the smallest free run that is large enough, else the largest, so that a request gets few runs
// while frames are not scattered, and still all that is free when they are. For the slab: about 12 bytes a frame.
//
// The free runs are a set of numbers in order of length, then of place. A run of c frames, 2^k <= c < 2^(k+1), has the
// number (k << p) + ((c - 2^k) << (p - k)) + (first >> k), where 2^p is the capacity or more. No two free runs of one length
// have one number, for neither begins less than 2^k frames behind the other; and the frame in front of the next multiple of
// 2^k is the run's own, which knows where it begins.
#pragma once

#include <kvstrata/tiers/bit_levels.hpp>
#include <kvstrata/tiers/frame_run.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <optional>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. O(log frames) a call. Nothing allocates after construction.
class free_runs
{
 public:
  /// The first frames of a free run.
  struct place
  {
    frame_run run;
    page_count begin = 0;  // of the whole run
    page_count end = 0;
  };

  explicit free_runs(page_count capacity)
      : power_(static_cast<unsigned>(std::bit_width(std::bit_ceil(std::size_t{capacity}))) - 1),
        frames_(capacity),
        by_length_(capacity == 0 ? 0 : std::size_t{power_ + 1} << power_)
  {
    if (capacity != 0) insert({0, capacity});
  }

  [[nodiscard]] page_count capacity() const noexcept { return static_cast<page_count>(frames_.size()); }

  /// Of the runs that are long enough the first of the shortest, else the last of the longest.
  [[nodiscard]] std::optional<place> find(page_count most) const noexcept
  {
    if (most == 0 || end_of_numbers_ == 0) return std::nullopt;
    std::size_t number = end_of_numbers_ - 1;
    if (most <= capacity()) {
      if (const std::size_t least = number_of({0, most}); least < number) number = by_length_.next(least);
    }
    const frame_run whole = run_of(number);
    return place{{whole.first, (std::min)(whole.count, most)}, whole.first, whole.end()};
  }
  /// The run that begins at `first`.
  [[nodiscard]] std::optional<place> find_at(page_count first, page_count most) const noexcept
  {
    if (most == 0 || first >= capacity() || frames_[first].count == 0) return std::nullopt;
    const frame_run whole{first, frames_[first].count};
    return place{{first, (std::min)(whole.count, most)}, first, whole.end()};
  }

  /// Takes the first frames of what was found, at least one.
  void take(const place& found, page_count count) noexcept
  {
    const page_count first = found.begin + count;
    remove({found.begin, found.end - found.begin});
    if (first != found.end) insert({first, found.end - first});
  }

  /// Frames that were taken come back.
  void put(frame_run run) noexcept
  {
    if (run.count == 0) return;
    if (run.first != 0) {
      // What a frame knows may be of old; a run that ends in front of this one is its neighbour all the same.
      const page_count start = frames_[run.first - 1].start;
      if (const frame_run before{start, frames_[start].count}; before.end() == run.first) {
        remove(before);
        run = {start, before.count + run.count};
      }
    }
    if (run.end() != capacity()) {
      if (const frame_run after{run.end(), frames_[run.end()].count}; after.count != 0) {
        remove(after);
        run.count += after.count;
      }
    }
    insert(run);
  }

  /// 1 when frames are not scattered. O(runs).
  [[nodiscard]] std::size_t runs() const noexcept
  {
    std::size_t count = 0;
    for (std::size_t at = by_length_.next(0); at != by_length_.size(); at = by_length_.next(at + 1)) ++count;
    return count;
  }

  /// What it allocated.
  [[nodiscard]] std::size_t bytes() const noexcept { return frames_.capacity() * sizeof(frame) + by_length_.bytes(); }

 private:
  // Only the first frame of a free run has a count that is not 0; its last one, and the one that its number leads to, know
  // where it begins.
  struct frame
  {
    page_count count = 0;
    page_count start = 0;
  };

  [[nodiscard]] static unsigned power_of(page_count count) noexcept
  {
    return 31U - static_cast<unsigned>(std::countl_zero(count));
  }
  [[nodiscard]] std::size_t number_of(frame_run run) const noexcept
  {
    const unsigned power = power_of(run.count);
    return (std::size_t{power} << power_) + (std::size_t{run.count} << (power_ - power)) - (std::size_t{1} << power_) +
           (run.first >> power);
  }
  [[nodiscard]] frame_run run_of(std::size_t number) const noexcept
  {
    const std::size_t power = number >> power_;
    const std::size_t places = std::size_t{1} << (power_ - power);
    const page_count start = frames_[(((number & (places - 1)) + 1) << power) - 1].start;
    return {start, frames_[start].count};
  }

  void insert(frame_run run) noexcept
  {
    const unsigned power = power_of(run.count);
    frames_[run.first].count = run.count;
    frames_[(((run.first >> power) + 1) << power) - 1].start = run.first;
    frames_[run.end() - 1].start = run.first;
    const std::size_t number = number_of(run);
    by_length_.set(number);
    end_of_numbers_ = (std::max)(end_of_numbers_, number + 1);
  }
  void remove(frame_run run) noexcept
  {
    frames_[run.first].count = 0;
    const std::size_t number = number_of(run);
    by_length_.reset(number);
    if (number + 1 == end_of_numbers_) end_of_numbers_ = by_length_.last_end(number);
  }

  unsigned power_;  // p
  std::vector<frame> frames_;
  bit_levels by_length_;
  std::size_t end_of_numbers_ = 0;  // behind the longest run's
};

}  // namespace kvstrata
