// What came of a cluster (simulate/cluster_simulator.hpp). Figures of a simulation, wherever they are shown.
#pragma once

#include <kvstrata/simulate/latency_histogram.hpp>
#include <kvstrata/simulate/serving_report.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Shares in [0, 1], by the hundredth.
class share_histogram
{
 public:
  void add(double share) noexcept
  {
    ++bins_[static_cast<std::size_t>(std::lround(100 * std::clamp(share, 0.0, 1.0)))];
    ++count_;
    sum_ += share;
  }
  [[nodiscard]] double mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  /// The share that `part` of them do not exceed; 0 without any.
  [[nodiscard]] double percentile(double part) const noexcept
  {
    double before = 0;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      before += static_cast<double>(bins_[i]);
      if (before >= part * static_cast<double>(count_) && before > 0) return static_cast<double>(i) / 100;
    }
    return 0;
  }

 private:
  std::array<std::uint64_t, 101> bins_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

/// What the slowest requests were slow by.
class slow_requests
{
 public:
  struct part
  {
    double seconds = 0;  ///< from arrival to the end of the prompt, on average
    double waiting = 0;  ///< of these, for those before it
    double hits = 0;     ///< share of its items that its node had
  };

  void add(double seconds, double waiting, double hits)
  {
    part& bin = bins_[latency_histogram::bin_of(seconds)];
    bin.seconds += seconds;
    bin.waiting += waiting;
    bin.hits += hits;
    ++counts_[latency_histogram::bin_of(seconds)];
  }
  /// Of the slowest `share` of them, and of those that are within 2 % of the fastest of these. O(bins).
  [[nodiscard]] part slowest(double share) const noexcept
  {
    std::uint64_t all = 0;
    for (const std::uint64_t count : counts_) all += count;
    part sum;
    double seen = 0;
    for (std::size_t i = counts_.size(); i-- > 0 && seen < share * static_cast<double>(all);) {
      sum.seconds += bins_[i].seconds;
      sum.waiting += bins_[i].waiting;
      sum.hits += bins_[i].hits;
      seen += static_cast<double>(counts_[i]);
    }
    return seen > 0 ? part{sum.seconds / seen, sum.waiting / seen, sum.hits / seen} : part{};
  }

 private:
  std::vector<part> bins_ = std::vector<part>(latency_histogram::bin_count);
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(latency_histogram::bin_count);
};

struct node_figures
{
  std::uint64_t id = 0;
  bool is_gone = false;
  std::uint64_t requests = 0;
  std::uint64_t item_tokens = 0;
  std::uint64_t item_hit_tokens = 0;
  double busy_seconds = 0;
  std::uint64_t slab_bytes = 0;       ///< that its slab holds at the end
  std::uint64_t arena_bytes = 0;      ///< that its arena does
  std::uint64_t user_bytes = 0;       ///< set aside for the histories of all users
  std::uint64_t set_aside_bytes = 0;  ///< of the arena's, histories for which user_bytes are

  [[nodiscard]] double hit_share() const noexcept
  {
    return item_tokens == 0 ? 0 : static_cast<double>(item_hit_tokens) / static_cast<double>(item_tokens);
  }
  /// Of host memory, what it needs: what is set aside and, of the arena's, what that is not for.
  [[nodiscard]] std::uint64_t host_bytes() const noexcept { return user_bytes + arena_bytes - set_aside_bytes; }
};

/// Of the requests after the warm-up.
struct cluster_report
{
  latency_histogram first_token;  ///< from arrival to the end of the prompt, waiting included
  slow_requests slow;             ///< what the slowest of these were slow by
  share_histogram item_hits;      ///< by request: of its items, how many its node had
  std::uint64_t requests = 0;
  std::uint64_t unserved = 0;     ///< larger than a slab
  std::uint64_t rerouted = 0;     ///< their node vanished before they were answered
  std::uint64_t turned_away = 0;  ///< no node took requests
  std::uint64_t slab_tokens = 0;
  std::uint64_t arena_tokens = 0;
  std::uint64_t computed_tokens = 0;
  std::uint64_t item_tokens = 0;
  std::uint64_t item_hit_tokens = 0;
  double arriving_seconds = 0;  ///< from the first request to the last
  double drain_seconds = 0;     ///< from then until all were answered
  double longest_seconds = 0;   ///< of a request on its node
  std::vector<node_figures> nodes;

  /// The share of item tokens that the node had.
  [[nodiscard]] double hit_share() const noexcept
  {
    return item_tokens == 0 ? 0 : static_cast<double>(item_hit_tokens) / static_cast<double>(item_tokens);
  }
  /// The busiest node's time, in units of the mean: 1 is in balance.
  [[nodiscard]] double imbalance() const noexcept
  {
    double most = 0;
    double sum = 0;
    std::size_t there = 0;
    for (const node_figures& n : nodes) {
      if (n.is_gone) continue;
      most = (std::max)(most, n.busy_seconds);
      sum += n.busy_seconds;
      ++there;
    }
    return sum > 0 ? most * static_cast<double>(there) / sum : 1;
  }
  /// Requests come faster than they are served, by one of the nodes at least.
  [[nodiscard]] bool saturated() const noexcept { return queue_grew(arriving_seconds, drain_seconds, longest_seconds); }
};

}  // namespace kvstrata
