// Free runs that queued work still uses, each with the number of its release: found by their place, cut, and taken out.
//
// A list for every 512 frames, of the runs that begin there, so that a look goes straight to them, and one for every release.
// The lists' heads are a sixteenth of a bit a frame; the runs are as many as are in flight.
#pragma once

#include <kvstrata/tiers/frame_run.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. A call looks at the runs that begin in the 512-frame blocks of what it is asked for. Allocates for
/// runs, and keeps that memory for others.
class released_runs
{
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  struct entry
  {
    frame_run run;
    std::uint32_t release = 0;
    std::uint32_t next = none;  // of the block
    std::uint32_t before = none;
    std::uint32_t next_of_release = none;
    std::uint32_t before_of_release = none;
  };

  explicit released_runs(page_count capacity) : heads_(std::size_t{capacity} / block_frames + 1, none) {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const entry& operator[](std::uint32_t which) const noexcept { return entries_[which]; }

  /// Adds a run that overlaps no other, in front of the release's `first`. False, and nothing has changed, when there is no
  /// memory for it.
  [[nodiscard]] bool add(frame_run run, std::uint32_t release, std::uint32_t& first) noexcept
  {
    if (unused_ == none && !grow()) return false;
    const std::uint32_t which = std::exchange(unused_, entries_[unused_].next);
    entry& e = entries_[which];
    e.run = run;
    e.release = release;
    e.next_of_release = std::exchange(first, which);
    e.before_of_release = none;
    if (e.next_of_release != none) entries_[e.next_of_release].before_of_release = which;
    link(which);
    ++size_;
    return true;
  }
  /// The run loses so many of its first frames, not all of them.
  void cut(std::uint32_t which, page_count frames) noexcept
  {
    entry& e = entries_[which];
    const frame_run rest{e.run.first + frames, e.run.count - frames};
    const bool moves = e.run.first / block_frames != rest.first / block_frames;
    if (moves) unlink(which);
    e.run = rest;
    if (moves) link(which);
  }
  /// `first`: the release's, which may become another one.
  void remove(std::uint32_t which, std::uint32_t& first) noexcept
  {
    unlink(which);
    entry& e = entries_[which];
    if (e.next_of_release != none) entries_[e.next_of_release].before_of_release = e.before_of_release;
    (e.before_of_release != none ? entries_[e.before_of_release].next_of_release : first) = e.next_of_release;
    e.next = std::exchange(unused_, which);
    --size_;
  }

  /// Calls visit(which) for the runs that begin in `wanted`, in no order. `visit` may cut and remove the run that it is
  /// called for.
  template <class Visit>
  void each_in(frame_run wanted, Visit&& visit) const
  {
    const std::size_t last = (wanted.end() - 1) / block_frames;
    for (std::size_t block = wanted.first / block_frames; block <= last; ++block) {
      for (std::uint32_t which = heads_[block]; which != none;) {
        const entry& e = entries_[which];
        const std::uint32_t next = e.next;
        if (e.run.first >= wanted.first && e.run.first < wanted.end()) visit(which);
        which = next;
      }
    }
  }

  /// What the heads take.
  [[nodiscard]] std::size_t fixed_bytes() const noexcept { return heads_.capacity() * sizeof(std::uint32_t); }

 private:
  static constexpr page_count block_frames = 512;

  [[nodiscard]] bool grow() noexcept
  {
    try {
      entries_.emplace_back();
    } catch (...) {
      return false;
    }
    unused_ = static_cast<std::uint32_t>(entries_.size() - 1);
    return true;
  }

  void link(std::uint32_t which) noexcept
  {
    entry& e = entries_[which];
    e.next = std::exchange(heads_[e.run.first / block_frames], which);
    e.before = none;
    if (e.next != none) entries_[e.next].before = which;
  }
  void unlink(std::uint32_t which) noexcept
  {
    const entry& e = entries_[which];
    if (e.next != none) entries_[e.next].before = e.before;
    (e.before != none ? entries_[e.before].next : heads_[e.run.first / block_frames]) = e.next;
  }

  std::vector<std::uint32_t> heads_;
  std::vector<entry> entries_;
  std::uint32_t unused_ = none;
  std::size_t size_ = 0;
};

}  // namespace kvstrata
