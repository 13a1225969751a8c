// Split policies of systems for language models, to compare with: one pointer computes from the front, one loads from the
// rear, and where they meet both are done. They know nothing of layers, candidates and what misses compute.
//
//   two_pointers        Cake (arXiv 2410.03065): each user alone, as if link and model were theirs
//   batch_two_pointers  CacheFlow (arXiv 2604.25080), of its three dimensions the tokens: one pair of pointers for the batch;
//                       the link takes first what is the dearest to compute
#pragma once

#include <kvstrata/core/options.hpp>
#include <kvstrata/transfer/cost_model.hpp>
#include <kvstrata/transfer/split_batch.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// O(users). Where they meet has a closed form, as computing is a square of the length and loading a line.
struct two_pointers
{
  using option_kind = split_policy_option;

  cost_model cost;

  void recompute_until(const split_batch& batch, std::span<token_count> until) const noexcept
  {
    for (std::size_t i = 0; i < batch.users.size(); ++i) {
      const split_question& q = batch.users[i];
      if (q.front.empty()) continue;
      const double meet = q.first_token + meeting(q.front.begin - q.first_token, q.front.end - q.first_token);
      const std::uint64_t page = static_cast<std::uint64_t>(meet) / batch.page_tokens;
      until[i] = detail::told(q, detail::cut_at(q, page - q.first_token / batch.page_tokens, batch.page_tokens));
    }
  }

  friend void check(const two_pointers& s) { check(s.cost, "split.cost"); }

 private:
  /// The x in [begin, end] for which [begin, x) takes as long to compute as [x, end) to load.
  [[nodiscard]] double meeting(token_count begin, token_count end) const noexcept
  {
    // a x + p x (x + 1) / 2 - (the same of begin) = r (end - x)
    const double square = cost.seconds_per_pair / 2;
    const double linear = cost.seconds_per_token + square + cost.fetch_seconds_per_token;
    const double right = cost.fetch_seconds_per_token * end + cost.compute_seconds(token_interval{0, begin});
    if (!(linear > 0)) return begin;
    return 2 * right / (std::sqrt(linear * linear + 4 * square * right) + linear);
  }
};

/// O(users log pages).
struct batch_two_pointers
{
  using option_kind = split_policy_option;

  cost_model cost;

  void recompute_until(const split_batch& batch, std::span<token_count> until) const noexcept
  {
    std::uint64_t reach = 0;
    for (std::uint64_t last = detail::last_reach(batch) + 1;
         reach < last;) {  // the last one that computes no longer than it loads
      const std::uint64_t middle = last - (last - reach) / 2;
      double computing = 0;
      double loading = 0;
      for (const split_question& q : batch.users) {
        if (q.front.empty()) continue;
        const token_count cut = detail::cut_at(q, middle, batch.page_tokens);
        computing += cost.compute_seconds(token_interval{q.front.begin, cut}, q.first_token);
        loading += cost.fetch_seconds_per_token * (q.front.end - cut);
      }
      if (computing <= loading) reach = middle;
      else last = middle - 1;
    }
    for (std::size_t i = 0; i < batch.users.size(); ++i) {
      const split_question& q = batch.users[i];
      if (!q.front.empty()) until[i] = detail::told(q, detail::cut_at(q, reach, batch.page_tokens));
    }
  }

  friend void check(const batch_two_pointers& s) { check(s.cost, "split.cost"); }
};

static_assert(split_policy<two_pointers> && split_policy<batch_two_pointers>);

}  // namespace kvstrata
