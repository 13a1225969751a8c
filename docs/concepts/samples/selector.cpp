// A sample of docs/concepts/selector.md.
#include <kvstrata/recompute/concepts.hpp>

// The last tokens of each block: next to what follows it.
struct last_k
{
  static constexpr std::string_view name = "last_k";
  static constexpr bool recomputes = true;
  static constexpr bool reads_attention = false;
  static constexpr bool reads_changes = false;

  void score(const kvstrata::token_readings& readings, std::span<float> to) const
  {
    kvstrata::each_reused(readings.blocks,
                          [&](kvstrata::token_count position, kvstrata::token_count token,
                              const kvstrata::reused_block&) { to[position] = static_cast<float>(token); });
  }
};
static_assert(kvstrata::token_selector<last_k>);

#ifndef KVSTRATA_RIGHT
// says: token_selector
struct says_not_what_it_reads
{
  static constexpr std::string_view name = "says_not_what_it_reads";
  static constexpr bool recomputes = true;
  void score(const kvstrata::token_readings&, std::span<float>) const {}
};
static_assert(kvstrata::token_selector<says_not_what_it_reads>);
#endif
