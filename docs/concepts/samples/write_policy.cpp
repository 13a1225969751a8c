// A sample of docs/concepts/write_policy.md.
#include <kvstrata/tiers/write_policy.hpp>

// Whole pages at commit, but of short histories nothing: they are computed again sooner than they are fetched.
struct long_ones_only
{
  using option_kind = kvstrata::write_policy_option;
  static constexpr kvstrata::token_count flushed_end(const kvstrata::write_facts& facts)
  {
    return facts.tokens < 512 ? 0 : kvstrata::page_write_through::flushed_end(facts);
  }
  static constexpr bool writes_back(const kvstrata::write_facts& facts) { return facts.tokens >= 512; }
};
static_assert(kvstrata::write_policy<long_ones_only>);

#ifndef KVSTRATA_RIGHT
// says: decides_write_back
struct never_back  // does not say what becomes of what is evicted above
{
  using option_kind = kvstrata::write_policy_option;
  static constexpr kvstrata::token_count flushed_end(const kvstrata::write_facts& facts) { return facts.tokens; }
};
static_assert(kvstrata::write_policy<never_back>);
#endif
