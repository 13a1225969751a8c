// From scores to tokens: of each group of blocks its share, the highest scores first.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/recompute/concepts.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// How much of the blocks is computed anew.
struct recompute_shares
{
  float items = 0;         ///< of the tokens in blocks of items, in [0, 1]; rounded up to a token
  float history = 0;       ///< of those in blocks of history
  token_count window = 0;  ///< of these the last so many before the context's end come first, whatever their scores

  /// The same of both.
  [[nodiscard]] static constexpr recompute_shares of(float share, token_count window = 0) noexcept
  {
    return {.items = share, .history = share, .window = window};
  }
};

/// Throws config_error for a share that is not in [0, 1].
inline void check(const recompute_shares& shares)
{
  const auto within = [](const char* field, float share) {
    if (share >= 0 && share <= 1) return;
    throw config_error(field, std::to_string(share), "it must be in [0, 1]");
  };
  within("recompute_shares.items", shares.items);
  within("recompute_shares.history", shares.history);
}

/// How many of `tokens` tokens a share is.
[[nodiscard]] inline token_count tokens_of_share(float share, token_count tokens) noexcept
{
  const double many = std::ceil(static_cast<double>(share) * tokens - 1e-6 * tokens);
  return (std::min)(tokens, static_cast<token_count>((std::max)(0.0, many)));
}

/// Not synchronised. Keeps its memory.
class token_chooser
{
 public:
  /// The tokens that are computed anew, ascending. Equal scores: the earlier token first. `always`: tokens in blocks, ascending, that are
  /// whatever the selector says; shares are of the others. O(tokens log tokens). The shares must have passed check(). Valid until the
  /// next call.
  template <token_selector S>
  [[nodiscard]] std::span<const token_interval> choose(const S& selector, const token_readings& readings,
                                                       const recompute_shares& shares, token_count context,
                                                       std::span<const token_interval> always = {})
  {
    always_ = always;
    chosen_.clear();
    for (const token_interval i : always) {
      for (token_count p = i.begin; p < i.end; ++p) chosen_.push_back(p);
    }
    if (S::recomputes) {
      scores_.resize(context);
      selector.score(readings, scores_);
      const token_count window = shares.window < context ? context - shares.window : 0;
      take(readings.blocks, block_group::items, shares.items, window);
      take(readings.blocks, block_group::history, shares.history, window);
    }
    std::sort(chosen_.begin(), chosen_.end());
    intervals_.clear();
    for (const token_count p : chosen_) {
      if (!intervals_.empty() && intervals_.back().end == p) ++intervals_.back().end;
      else intervals_.push_back({p, p + 1});
    }
    return intervals_;
  }

 private:
  void take(std::span<const reused_block> blocks, block_group group, float share, token_count window)
  {
    order_.clear();
    auto taken = always_.begin();
    each_reused(blocks, [&](token_count p, token_count, const reused_block& b) {
      while (taken != always_.end() && taken->end <= p) ++taken;
      if (b.group == group && (taken == always_.end() || p < taken->begin)) order_.push_back(p);
    });
    const token_count wanted = tokens_of_share(share, static_cast<token_count>(order_.size()));
    const auto sooner = [&](token_count a, token_count b) {
      if ((a >= window) != (b >= window)) return a >= window;
      if (a >= window) return a > b;  // the nearest to the end first
      if (!is_exactly(scores_[a], scores_[b])) return scores_[a] > scores_[b];
      return a < b;
    };
    std::nth_element(order_.begin(), order_.begin() + wanted, order_.end(), sooner);
    chosen_.insert(chosen_.end(), order_.begin(), order_.begin() + wanted);
  }

  std::vector<float> scores_;
  std::vector<token_count> order_, chosen_;
  std::span<const token_interval> always_;  // of the call
  std::vector<token_interval> intervals_;
};

}  // namespace kvstrata
