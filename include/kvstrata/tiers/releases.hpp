// What queued work still uses of the frames that were given back: bounded by what is in flight, not by how many frames
// there are.
//
// A release is a fence, and the runs that were given back with it: whoever gives back a hundred runs of one batch has one
// fence kept. A run that is taken again takes its fences along. A release whose fence has come to pass is forgotten: two are
// looked at whenever a new one comes, so that no call asks the device more than a few times, and those that have passed
// never outnumber for long those that have not.
#pragma once

#include <kvstrata/tiers/frame_run.hpp>
#include <kvstrata/tiers/released_runs.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. O(runs that begin near) a call, on the average of many, unless it says otherwise.
class releases
{
 public:
  explicit releases(page_count capacity) : runs_(capacity) {}

  /// Frames that come free are still used by `uses`. Nothing is kept when `complete(event)` holds for all of these. False,
  /// and nothing has changed, when there is no memory to remember it.
  template <class Complete>
  [[nodiscard]] bool add(frame_run run, const fence& uses, Complete&& complete) noexcept
  {
    if (run.count == 0 || uses.empty()) return true;
    if (!uses.is_same(given_) && !begin(uses, complete)) return false;
    if (latest_ == none) return true;
    release& r = kept_[latest_];
    if (!runs_.add(run, latest_, r.first_run)) {
      if (r.first_run == none) vacate(latest_);
      return false;
    }
    r.frames += run.count;
    return true;
  }

  /// The first frames of a free run go: puts what still uses them into `uses`, and forgets it. Returns for how many of
  /// them, from the front, at least one: all, or those that there was memory for; the others stay as they were.
  [[nodiscard]] page_count take(frame_run run, fence& uses) noexcept
  {
    return runs_.size() == 0 ? run.count : take_known(run, uses);
  }

  /// Of the frames of a free run the first ones that a point is among the uses of for which `theirs(event)` holds, as they
  /// were given back: they may end behind the run. Empty where there are none.
  template <class Theirs>
  [[nodiscard]] frame_run first_used(frame_run run, Theirs&& theirs) const noexcept
  {
    frame_run first;
    if (runs_.size() == 0) return first;
    std::uint32_t known = none;
    bool used = false;
    runs_.each_in(run, [&](std::uint32_t which) {
      const released_runs::entry& e = runs_[which];
      if (first.count != 0 && first.first < e.run.first) return;
      if (e.release != known) {
        known = e.release;
        used = std::any_of(kept_[known].uses.begin(), kept_[known].uses.end(), theirs);
      }
      if (used) first = e.run;
    });
    return first;
  }

  /// Frames that queued work still uses. Forgets the releases for which `complete(event)` holds. O(releases).
  template <class Complete>
  [[nodiscard]] page_count in_flight(Complete&& complete)
  {
    page_count frames = 0;
    for (std::uint32_t which = 0; which < kept_.size(); ++which) {
      release& r = kept_[which];
      if (r.first_run == none) continue;
      r.uses.prune(complete);
      if (r.uses.empty()) forget(which);
      frames += r.frames;
    }
    return frames;
  }

  /// Calls visit(fence) for what still uses free frames, release by release.
  template <class Visit>
  void each_use(Visit&& visit) const
  {
    for (const release& r : kept_) {
      if (!r.uses.empty()) visit(r.uses);
    }
  }

  /// Fences and runs that are kept, those among them that have come to pass and were not looked at since.
  [[nodiscard]] std::size_t fences() const noexcept
  {
    return static_cast<std::size_t>(
        std::count_if(kept_.begin(), kept_.end(), [](const release& r) { return !r.uses.empty(); }));
  }
  [[nodiscard]] std::size_t runs() const noexcept { return runs_.size(); }

  /// What it allocated for the frames as such.
  [[nodiscard]] std::size_t fixed_bytes() const noexcept { return runs_.fixed_bytes(); }

 private:
  static constexpr std::uint32_t none = released_runs::none;

  struct release
  {
    fence uses;
    std::uint32_t first_run = none;  // none: the place is unused
    page_count frames = 0;
    std::uint32_t next_unused = none;
  };

  /// Makes the fence the latest one. False: no memory, and there is no latest one.
  template <class Complete>
  [[nodiscard]] bool begin(const fence& uses, Complete&& complete) noexcept
  {
    const auto passed = [&complete](event point) noexcept {
      try {
        return static_cast<bool>(complete(point));
      } catch (...) {
        return false;
      }
    };
    look_at_two(passed);
    fence left = uses;
    left.prune(passed);
    given_ = uses;
    if (!left.empty() && latest_ != none && kept_[latest_].uses.is_same(left)) return true;
    latest_ = none;
    if (left.empty()) return true;
    if (unused_ == none) {
      try {
        kept_.emplace_back();
      } catch (...) {
        given_.clear();
        return false;
      }
      unused_ = static_cast<std::uint32_t>(kept_.size() - 1);
    }
    latest_ = std::exchange(unused_, kept_[unused_].next_unused);
    kept_[latest_].uses = std::move(left);
    return true;
  }

  template <class Passed>
  void look_at_two(Passed&& passed) noexcept
  {
    int looks = 2;
    for (int step = 0; step < 8 && looks != 0 && !kept_.empty(); ++step) {
      if (++looked_at_ >= kept_.size()) looked_at_ = 0;
      const release& r = kept_[looked_at_];
      if (r.first_run == none) continue;
      --looks;
      if (std::all_of(r.uses.begin(), r.uses.end(), passed)) forget(looked_at_);
    }
  }

  // What is known of the frames of a free run begins in it: so nothing that is taken reaches over what begins before it.
  page_count take_known(frame_run run, fence& uses) noexcept
  {
    std::uint32_t known = none;  // is in `uses`
    bool all = true;
    runs_.each_in(run, [&](std::uint32_t which) {
      const std::uint32_t of = runs_[which].release;
      const fence& more = kept_[of].uses;
      if (of == known) return;
      if (uses.empty()) uses = more;
      else all = uses.try_add(more, [](event) { return false; }) && all;
      known = of;
    });
    if (known == none) return run.count;
    if (!all) run = take_first_use(run, uses);
    runs_.each_in(run, [&](std::uint32_t which) { take_out(which, run.end()); });
    return run.count;
  }

  /// A copy of one fence takes no memory: the frames in front of whatever has another one.
  frame_run take_first_use(frame_run run, fence& uses) noexcept
  {
    std::uint32_t first = none;
    runs_.each_in(run, [&](std::uint32_t which) {
      if (first == none || runs_[which].run.first < runs_[first].run.first) first = which;
    });
    uses = kept_[runs_[first].release].uses;
    page_count end = run.end();
    runs_.each_in(run, [&](std::uint32_t which) {
      if (runs_[which].release != runs_[first].release) end = (std::min)(end, runs_[which].run.first);
    });
    return {run.first, end - run.first};
  }

  /// Forgets a run before `end`.
  void take_out(std::uint32_t which, page_count end) noexcept
  {
    const frame_run whole = runs_[which].run;
    const std::uint32_t of = runs_[which].release;
    release& r = kept_[of];
    if (end < whole.end()) {
      r.frames -= end - whole.first;
      runs_.cut(which, end - whole.first);
      return;
    }
    r.frames -= whole.count;
    runs_.remove(which, r.first_run);
    if (r.first_run == none) vacate(of);
  }

  /// It has come to pass.
  void forget(std::uint32_t which) noexcept
  {
    release& r = kept_[which];
    r.uses.clear();
    while (r.first_run != none) runs_.remove(r.first_run, r.first_run);
    vacate(which);
  }

  /// It has no runs left.
  void vacate(std::uint32_t which) noexcept
  {
    release& r = kept_[which];
    if (which == latest_) {
      latest_ = none;
      if (!r.uses.empty()) given_.clear();  // or it would count as passed
    }
    r.uses.clear();
    r.frames = 0;
    r.next_unused = std::exchange(unused_, which);
  }

  released_runs runs_;
  std::vector<release> kept_;
  std::uint32_t unused_ = none;
  std::uint32_t latest_ = none;  // the release of given_; none when that has come to pass
  fence given_;                  // the last fence that was given, as it was
  std::uint32_t looked_at_ = 0;
};

}  // namespace kvstrata
