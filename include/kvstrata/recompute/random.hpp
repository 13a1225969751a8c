// Any tokens: the control. What a selector gains over it is what its reading is worth.
#pragma once

#include <kvstrata/recompute/concepts.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::recompute {

/// A token selector. A larger share takes what a smaller one takes, and more.
struct random
{
  static constexpr std::string_view name = "random";
  static constexpr bool recomputes = true;
  static constexpr bool reads_attention = false;
  static constexpr bool reads_changes = false;

  std::uint64_t seed = 1;

  void score(const token_readings& readings, std::span<float> to) const
  {
    each_reused(readings.blocks, [&](token_count p, token_count, const reused_block&) {
      std::uint64_t x = seed + (p + std::uint64_t{1}) * 0x9e3779b97f4a7c15U;  // splitmix64
      x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
      x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
      to[p] = static_cast<float>(static_cast<std::uint32_t>((x ^ (x >> 31U)) >> 40U));  // 24 bits: exact in a float
    });
  }
};

static_assert(token_selector<random>);

}  // namespace kvstrata::recompute
