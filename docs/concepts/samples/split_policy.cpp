// A sample of docs/concepts/split_policy.md.
#include <kvstrata/transfer/split_policy.hpp>

#include <algorithm>
#include <span>

// The first tokens of everybody are computed again, however many are fetched.
struct recompute_first
{
  using option_kind = kvstrata::split_policy_option;
  kvstrata::token_count tokens = 64;

  void recompute_until(const kvstrata::split_batch& batch, std::span<kvstrata::token_count> until) const
  {
    for (std::size_t i = 0; i < until.size(); ++i) {
      const kvstrata::token_count end = batch.users[i].front.end;
      until[i] = std::min(end, tokens / batch.page_tokens * batch.page_tokens);
    }
  }
};
static_assert(kvstrata::split_policy<recompute_first>);

#ifndef KVSTRATA_RIGHT
// says: splits
struct by_value  // its answers would go to a copy: `until` is a std::span
{
  using option_kind = kvstrata::split_policy_option;
  void recompute_until(const kvstrata::split_batch&, kvstrata::token_count&) const {}
};
static_assert(kvstrata::split_policy<by_value>);
#endif
