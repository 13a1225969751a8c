// What a batch asks of the model and of the link, per layer, where it is known how many tokens each level has.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/transfer/split_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Who has what of a request's history: a level has a prefix of it.
struct fleet_look
{
  token_count history = 0;
  token_count in_slab = 0;
  token_count below = 0;  ///< that the arena has
  bool is_stored = true;  ///< is what it computes written down?
};

/// Reused from batch to batch. The split policy of production decides for all requests of one together.
class fleet_work
{
 public:
  explicit fleet_work(const split_by_cost& split) : split_(split) {}

  double front = 0;              ///< seconds of computing while the fetch is on its way
  double rest = 0;               ///< seconds of computing behind it
  std::uint64_t fetched = 0;     ///< tokens
  std::uint64_t written = 0;     ///< tokens
  std::uint64_t computed = 0;    ///< tokens
  std::uint64_t recomputed = 0;  ///< tokens of these that the arena has

  /// O(requests log longest history).
  void settle(const std::vector<fleet_look>& batch, token_count page_tokens)
  {
    front = rest = 0;
    fetched = written = computed = recomputed = 0;
    fresh_.clear();
    questions_.clear();
    bool any = false;
    for (const fleet_look& one : batch) fresh_.push_back({(std::max)(one.in_slab, one.below), one.history});
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const token_count below = batch[i].in_slab == 0 ? batch[i].below : 0;
      any = any || below != 0;
      questions_.push_back({.history = batch[i].history,
                            .in_slab = {0, batch[i].in_slab},
                            .front = {0, below},
                            .compute = {&fresh_[i], fresh_[i].empty() ? 0U : 1U}});
    }
    until_.assign(batch.size(), 0);
    if (any) split_.recompute_until({.users = questions_, .page_tokens = page_tokens}, until_);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const token_count have = fresh_[i].begin;
      const bool leads = have == 0;  // nothing of it has to be waited for
      const double asked = split_.cost.compute_seconds(fresh_[i]);
      front += split_.cost.compute_seconds(token_interval{0, until_[i]}) + (leads ? asked : 0);
      rest += layer_seconds(split_.cost, split_.candidates, {&fresh_[i], 1}, batch[i].history) - (leads ? asked : 0);
      fetched += have - batch[i].in_slab - until_[i];
      written += batch[i].is_stored ? fresh_[i].size() : 0;
      computed += fresh_[i].size() + until_[i];
      recomputed += until_[i];
    }
  }

 private:
  split_by_cost split_;
  std::vector<token_interval> fresh_;  // what no level has, of each request
  std::vector<split_question> questions_;
  std::vector<token_count> until_;
};

}  // namespace kvstrata
