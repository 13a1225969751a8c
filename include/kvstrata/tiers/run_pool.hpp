// Hands out runs of consecutive page frames, and remembers when the frames it has back may be written again.
//
// Best fit with coalescing: the smallest free run that is large enough, else the largest, so that a request gets few
// runs while the pool is not fragmented, and still all that is free when it is. A free run carries the fence of its
// frames' last use; whoever takes it waits for that fence on a stream, so giving back never waits.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/device/event.hpp>

#include <boost/intrusive/avl_set.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvstrata {

/// Frames [first, first + count).
struct frame_run
{
  page_count first = 0;
  page_count count = 0;

  friend constexpr bool operator==(frame_run, frame_run) = default;
};

/// A run that was taken, and what must come to pass before it is written.
struct taken_run
{
  frame_run run;
  fence last_use;
};

/// Not synchronised. O(log runs) a call. Nothing allocates after construction, except a fence that spans more than
/// four streams; runs whose common fence there is no memory for stay apart.
class run_pool
{
 public:
  explicit run_pool(page_count capacity) : nodes_(capacity), free_(capacity)
  {
    if (capacity != 0) insert({0, capacity}, {});
  }
  run_pool(const run_pool&) = delete;
  run_pool& operator=(const run_pool&) = delete;
  ~run_pool() { by_size_.clear(); }

  [[nodiscard]] page_count capacity() const noexcept { return static_cast<page_count>(nodes_.size()); }
  /// Frames that nobody has, those still in use by queued work among them.
  [[nodiscard]] page_count free() const noexcept { return free_; }

  /// One run of at most `most` frames: exactly `most` when some free run is that long, else the longest there is.
  /// Empty when nothing is free.
  [[nodiscard]] std::optional<taken_run> try_take(page_count most) noexcept
  {
    if (most == 0 || by_size_.empty()) return std::nullopt;
    auto it = by_size_.lower_bound(most, shorter{});
    if (it == by_size_.end()) --it;
    node& found = *it;
    const frame_run whole{index_of(found), found.count};
    if (whole.count <= most) {
      taken_run taken{whole, std::move(found.last_use)};
      remove(found);
      free_ -= whole.count;
      return taken;
    }
    // The front goes, the rest stays with the fence it had.
    taken_run taken{{whole.first, most}, found.last_use};
    fence rest = std::move(found.last_use);
    remove(found);
    insert({whole.first + most, whole.count - most}, std::move(rest));
    free_ -= most;
    return taken;
  }

  /// Takes frames back. `last_use` is everything that still reads or writes them. Where it must grow to speak for the
  /// neighbours, too, points for which `complete(event)` holds are forgotten.
  template <class Complete>
  void give_back(frame_run run, fence last_use, Complete&& complete) noexcept
  {
    if (run.count == 0) return;
    free_ += run.count;
    if (run.first != 0) {
      const page_count before = run.first - 1;
      if (const page_count start = nodes_[before].start_of_run; start != none && nodes_[start].count != 0 &&
                                                                start + nodes_[start].count == run.first &&
                                                                last_use.try_add(nodes_[start].last_use, complete)) {
        run = {start, nodes_[start].count + run.count};
        remove(nodes_[start]);
      }
    }
    if (const page_count after = run.first + run.count;
        after < capacity() && nodes_[after].count != 0 && last_use.try_add(nodes_[after].last_use, complete)) {
      run.count += nodes_[after].count;
      remove(nodes_[after]);
    }
    insert(run, std::move(last_use));
  }
  void give_back(frame_run run, fence last_use) noexcept
  {
    give_back(run, std::move(last_use), [](event) { return false; });
  }

  /// Free frames that queued work still uses. Forgets the fences for which `complete(event)` holds. O(runs).
  template <class Complete>
  [[nodiscard]] page_count in_flight(Complete&& complete)
  {
    page_count frames = 0;
    for (node& run : by_size_) {
      run.last_use.prune(complete);
      if (!run.last_use.empty()) frames += run.count;
    }
    return frames;
  }

  /// Calls visit(fence) for what still uses free frames, run by run: to drain before the memory goes.
  template <class Visit>
  void each_use(Visit&& visit) const
  {
    for (const node& run : by_size_) visit(run.last_use);
  }

  /// Number of free runs: 1 in a pool that is not fragmented.
  [[nodiscard]] std::size_t runs() const noexcept { return by_size_.size(); }

 private:
  static constexpr page_count none = ~page_count{0};

  // One a frame. Only the node of a free run's first frame is in the tree, and only there count is not 0;
  // start_of_run is right in the node of a free run's last frame.
  struct node : boost::intrusive::avl_set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>,
                                                    boost::intrusive::optimize_size<true>>
  {
    page_count count = 0;
    page_count start_of_run = none;
    fence last_use;

    friend bool operator<(const node& a, const node& b) noexcept
    {
      return a.count != b.count ? a.count < b.count : &a < &b;
    }
  };

  struct shorter
  {
    bool operator()(const node& run, page_count count) const noexcept { return run.count < count; }
    bool operator()(page_count count, const node& run) const noexcept { return count < run.count; }
  };

  [[nodiscard]] page_count index_of(const node& run) const noexcept
  {
    return static_cast<page_count>(&run - nodes_.data());
  }

  void insert(frame_run run, fence last_use) noexcept
  {
    node& first = nodes_[run.first];
    first.count = run.count;
    first.last_use = std::move(last_use);
    nodes_[run.first + run.count - 1].start_of_run = run.first;
    by_size_.insert(first);
  }

  void remove(node& run) noexcept
  {
    by_size_.erase(by_size_.iterator_to(run));
    nodes_[index_of(run) + run.count - 1].start_of_run = none;
    run.count = 0;
    run.last_use.clear();
  }

  std::vector<node> nodes_;
  boost::intrusive::avl_set<node> by_size_;
  page_count free_ = 0;
};

}  // namespace kvstrata
