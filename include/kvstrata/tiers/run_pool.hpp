// Hands out runs of consecutive page frames, and remembers when the frames it has back may be written again.
//
// Two parts: which frames are free (run_pool: free_runs, best fit, for the slab; bit_pool: free_bits, little more than a
// bit a frame, for memories), and what still uses them (releases). Whoever takes a run waits for its last uses on a stream, so
// giving back never waits. Whoever must not wait for others says who they are: then frames that these still use come last.
#pragma once

#include <kvstrata/device/last_use.hpp>
#include <kvstrata/tiers/frame_run.hpp>
#include <kvstrata/tiers/free_bits.hpp>
#include <kvstrata/tiers/free_runs.hpp>
#include <kvstrata/tiers/releases.hpp>

#include <cstddef>
#include <optional>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. Free: free_runs or free_bits. Allocates after construction only to remember what still uses frames.
///
/// `theirs(event) -> bool`, noexcept: is this point one that has not passed, of others that the caller had better not wait for?
/// Frames that are found in such use are set aside until it has passed, or until nothing else is left.
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
  [[nodiscard]] std::optional<taken_run> try_take(page_count most) noexcept
  {
    if (!aside_.empty()) bring_back([](event) { return false; });
    return take(frames_.find(most));
  }

  /// The same, frames that others still use last, those that have been so for longest first: `waits` says so. A run ends in
  /// front of such frames. O(frames' releases that are in the way) on top.
  template <class Theirs>
  [[nodiscard]] std::optional<taken_run> try_take(page_count most, Theirs&& theirs) noexcept
  {
    auto taken = try_take_now(most, theirs);
    if (taken || most == 0) return taken;
    bring_back(theirs);
    taken = take(frames_.find(most));
    return taken ? taken : take_aside(most);
  }

  /// The same, and nothing that others still use.
  template <class Theirs>
  [[nodiscard]] std::optional<taken_run> try_take_now(page_count most, Theirs&& theirs) noexcept
  {
    while (!aside_.empty() && is_free_of(theirs, aside_.front())) bring_back_first();
    for (;;) {
      const auto found = frames_.find(most);
      if (!found) return std::nullopt;
      const frame_run used = releases_.first_used(found->run, theirs);
      if (used.count == 0) return take(found);
      if (used.first != found->run.first) return take_front(*found, used.first);
      if (!set_aside(*found, used)) return std::nullopt;
    }
  }

  /// A run of at most `most` frames that begins at `first`: what goes on from a run that somebody has. Empty unless a free
  /// run begins there.
  [[nodiscard]] std::optional<taken_run> try_take_at(page_count first, page_count most) noexcept
    requires requires(const Free& f) { f.find_at(first, most); }
  {
    return take(frames_.find_at(first, most));
  }
  /// The same, and nothing that others still use.
  template <class Theirs>
  [[nodiscard]] std::optional<taken_run> try_take_at(page_count first, page_count most, Theirs&& theirs) noexcept
    requires requires(const Free& f) { f.find_at(first, most); }
  {
    const auto found = frames_.find_at(first, most);
    if (!found) return std::nullopt;
    const frame_run used = releases_.first_used(found->run, theirs);
    if (used.count == 0) return take(found);
    if (used.first == first) return std::nullopt;
    return take_front(*found, used.first);
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
    return frames_.runs() + aside_.size();
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

  /// Of what was found, the frames in front of `end`.
  [[nodiscard]] std::optional<taken_run> take_front(typename Free::place found, page_count end) noexcept
  {
    found.run.count = end - found.run.first;
    return take(found);
  }

  /// What was found begins with frames that others use: they are not found any more. False where there is no memory for that.
  [[nodiscard]] bool set_aside(const typename Free::place& found, frame_run used) noexcept
  {
    try {
      aside_.push_back(used);
    } catch (...) {
      return false;
    }
    frames_.take(found, used.count);  // all of them, or what is known of the rest would begin in front of it
    return true;
  }
  template <class Theirs>
  [[nodiscard]] bool is_free_of(Theirs&& theirs, frame_run run) const noexcept
  {
    return releases_.first_used(run, theirs).count == 0;
  }
  void bring_back_first() noexcept
  {
    frames_.put(aside_.front());
    aside_.erase(aside_.begin());
  }
  /// All of them that others do not use any more.
  template <class Theirs>
  void bring_back(Theirs&& theirs) noexcept
  {
    std::erase_if(aside_, [&](frame_run run) {
      const bool back = is_free_of(theirs, run);
      if (back) frames_.put(run);
      return back;
    });
  }
  /// Of those that were set aside first.
  [[nodiscard]] std::optional<taken_run> take_aside(page_count most) noexcept
  {
    std::optional<taken_run> taken;
    if (aside_.empty()) return taken;
    frame_run& first = aside_.front();
    taken.emplace().waits = true;
    taken->run = {first.first, most < first.count ? most : first.count};
    taken->run.count = releases_.take(taken->run, taken->last_use);
    free_ -= taken->run.count;
    first = {first.first + taken->run.count, first.count - taken->run.count};
    if (first.count == 0) aside_.erase(aside_.begin());
    return taken;
  }

  Free frames_;
  releases releases_;
  page_count free_;
  std::vector<frame_run> aside_;  // free, but frames_ does not have them: others still use them
};

using run_pool = frame_pool<free_runs>;
using bit_pool = frame_pool<free_bits>;

}  // namespace kvstrata
