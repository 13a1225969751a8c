// Which of the tokens that a tier has of a user were served since they came.
#pragma once

#include <kvstrata/core/interval.hpp>

#include <cstddef>

namespace kvstrata {

/// A set of tokens in a few stretches. One is the rule: every request is served from the beginning. Where the front of a
/// history went and came anew, a request that is shorter than the gap leaves another. Exact up to `most` stretches; with
/// one more the two that are closest become one, and what lies between them counts as served. Nothing allocates; O(1).
class served_tokens
{
 public:
  static constexpr std::size_t most = 4;

  /// These were served.
  void add(token_interval tokens) noexcept
  {
    if (tokens.empty()) return;
    std::size_t left = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (joinable(stretches_[i], tokens)) tokens = hull(stretches_[i], tokens);
      else stretches_[left++] = stretches_[i];
    }
    std::size_t at = left;
    for (; at != 0 && stretches_[at - 1].begin > tokens.begin; --at) stretches_[at] = stretches_[at - 1];
    stretches_[at] = tokens;
    count_ = left + 1;
    if (count_ > most) join_closest();
  }

  /// The tier has nothing any more but these.
  void keep(token_interval tokens) noexcept
  {
    std::size_t left = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const token_interval stays = intersect(stretches_[i], tokens);
      if (!stays.empty()) stretches_[left++] = stays;
    }
    count_ = left;
  }

  void clear() noexcept { count_ = 0; }

  /// How many of these were served.
  [[nodiscard]] token_count among(token_interval tokens) const noexcept
  {
    token_count sum = 0;
    for (std::size_t i = 0; i < count_; ++i) sum += intersect(stretches_[i], tokens).size();
    return sum;
  }

 private:
  void join_closest() noexcept
  {
    std::size_t best = 0;
    const auto gap = [this](std::size_t i) { return stretches_[i + 1].begin - stretches_[i].end; };
    for (std::size_t i = 1; i + 1 < count_; ++i) {
      if (gap(i) < gap(best)) best = i;
    }
    stretches_[best].end = stretches_[best + 1].end;
    for (std::size_t i = best + 1; i + 1 < count_; ++i) stretches_[i] = stretches_[i + 1];
    --count_;
  }

  token_interval stretches_[most + 1];  // ascending, apart
  std::size_t count_ = 0;
};

}  // namespace kvstrata
