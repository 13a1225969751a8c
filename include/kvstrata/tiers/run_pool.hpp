// Hands out runs of consecutive page frames, and remembers when the frames it has back may be written again.
//
// Two parts: which frames are free (run_pool: free_runs, best fit, for the slab; bit_pool: free_bits, little more than a
// bit a frame, for memories), and what still uses them (releases). Whoever takes a run waits for its last uses on a stream, so
// giving back never waits.
#pragma once

#include <kvstrata/device/last_use.hpp>
#include <kvstrata/tiers/frame_run.hpp>
#include <kvstrata/tiers/free_bits.hpp>
#include <kvstrata/tiers/free_runs.hpp>
#include <kvstrata/tiers/releases.hpp>

#include <cstddef>
#include <optional>

namespace kvstrata {

/// Not synchronised. Free: free_runs or free_bits. Allocates after construction only to remember what still uses frames.
template <class Free>
class frame_pool
{
 public:
  explicit frame_pool(page_count capacity) : frames_(capacity), releases_(capacity), free_(capacity) {}

  [[nodiscard]] page_count capacity() const noexcept { return frames_.capacity(); }
  /// Frames that nobody has, those still in use by queued work among them.
  [[nodiscard]] page_count free() const noexcept { return free_; }

  /// One run of at most `most` frames: exactly `most` when some free run is that long, else the longest there is. Shorter
  /// where there is no memory for the fence of several uses. Empty when nothing is free.
  [[nodiscard]] std::optional<taken_run> try_take(page_count most) noexcept { return take(frames_.find(most)); }

  /// A run of at most `most` frames that begins at `first`: what goes on from a run that somebody has. Empty unless a free
  /// run begins there.
  [[nodiscard]] std::optional<taken_run> try_take_at(page_count first, page_count most) noexcept
    requires requires(const Free& f) { f.find_at(first, most); }
  {
    return take(frames_.find_at(first, most));
  }

  /// Takes frames back. `last_use` is everything that still reads or writes them. Asks the device (query, wait_sync) what
  /// has come to pass, and waits for the rest only when there is no memory to remember it.
  template <class Device>
  void give_back(frame_run run, const fence& last_use, Device& d) noexcept
  {
    if (!releases_.add(run, last_use, [&d](event point) { return d.query(point); })) {
      for (const event point : last_use) detail::insist([&] { d.wait_sync(point); });
    }
    frames_.put(run);
    free_ += run.count;
  }

  /// Free frames that queued work still uses. Forgets the fences for which `complete(event)` holds. O(fences).
  template <class Complete>
  [[nodiscard]] page_count in_flight(Complete&& complete)
  {
    return releases_.in_flight(complete);
  }

  /// Calls visit(fence) for what still uses free frames: to drain before the memory goes.
  template <class Visit>
  void each_use(Visit&& visit) const
  {
    releases_.each_use(visit);
  }

  /// Number of free runs: 1 in a pool that is not fragmented.
  [[nodiscard]] std::size_t runs() const noexcept
    requires requires(const Free& f) { f.runs(); }
  {
    return frames_.runs();
  }

  /// What it allocated at construction.
  [[nodiscard]] std::size_t bytes() const noexcept { return frames_.bytes() + releases_.fixed_bytes(); }

 private:
  [[nodiscard]] std::optional<taken_run> take(const std::optional<typename Free::place>& found) noexcept
  {
    std::optional<taken_run> taken;
    if (!found) return taken;
    taken.emplace().run = found->run;
    const page_count count = releases_.take(found->run, taken->last_use);
    taken->run.count = count;
    frames_.take(*found, count);
    free_ -= count;
    return taken;
  }

  Free frames_;
  releases releases_;
  page_count free_;
};

using run_pool = frame_pool<free_runs>;
using bit_pool = frame_pool<free_bits>;

}  // namespace kvstrata
