// What exp_zstd makes of sixteen bits: a symbol, and seven bits beside it.
//
// The upper nine bits of a bf16, sign and exponent, are a pair, of which a piece has some fifty: these are the plain
// symbols, in ascending order. Their mantissas are noise and stay as they are. But of one pair, the crowded one, where an
// activation's minimum gathers a fifth of all values, the mantissas are no noise: there pair and mantissa together are a
// symbol, the 128 behind the plain ones. So one plane of symbols has all that can be saved, signs that follow from the
// exponent included (nothing below -0.279 comes out of SiLU), and one entropy coder that sees it whole.
#pragma once

#include <kvstrata/core/exact.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::planes {

inline constexpr std::uint32_t pairs = 512;       ///< of sign and exponent; the sign is the upper bit
inline constexpr std::uint32_t mantissas = 128;   ///< values of seven bits
inline constexpr std::uint32_t no_pair = 0xffff;  ///< where none is crowded

[[nodiscard]] constexpr std::uint32_t pair_of(std::uint16_t value) noexcept { return std::uint32_t{value} >> 7U; }
[[nodiscard]] constexpr std::uint8_t mantissa_of(std::uint16_t value) noexcept
{
  return static_cast<std::uint8_t>(value & 127U);
}

/// Which pairs occur, one bit each.
using pair_set = std::array<std::uint64_t, pairs / 64>;

[[nodiscard]] constexpr bool has(const pair_set& set, std::uint32_t pair) noexcept
{
  return (set[pair / 64] >> (pair % 64) & 1U) != 0;
}
constexpr void add(pair_set& set, std::uint32_t pair) noexcept { set[pair / 64] |= std::uint64_t{1} << (pair % 64); }

struct alphabet
{
  std::uint32_t plain = 0;          ///< symbols that are pairs: 0 to plain - 1
  std::uint32_t crowded = no_pair;  ///< whose values are the symbols plain to plain + 127
  std::array<std::uint8_t, pairs> symbol_of{};
  std::array<std::uint16_t, 256> pair_at{};  ///< of a plain symbol

  [[nodiscard]] constexpr bool is_crowded() const noexcept { return crowded != no_pair; }
  /// Symbols there are.
  [[nodiscard]] constexpr std::uint32_t size() const noexcept { return plain + (is_crowded() ? mantissas : 0); }
  /// More than a byte can tell apart: such a piece is noise.
  [[nodiscard]] constexpr bool fits() const noexcept { return size() <= 256; }
};

/// The alphabet of these plain pairs. By ascending exponent, the positive first: neighbours are as common as each other.
[[nodiscard]] constexpr alphabet alphabet_of(const pair_set& set, std::uint32_t crowded) noexcept
{
  alphabet a;
  a.crowded = crowded;
  for (std::uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (const std::uint32_t pair : {exponent, exponent + 256}) {
      if (pair == crowded || !has(set, pair)) continue;
      if (a.plain < 256) {
        a.symbol_of[pair] = static_cast<std::uint8_t>(a.plain);
        a.pair_at[a.plain] = static_cast<std::uint16_t>(pair);
      }
      ++a.plain;
    }
  }
  return a;
}

using pair_counts = std::array<std::uint32_t, pairs>;

[[nodiscard]] inline pair_counts count_pairs(std::span<const std::uint16_t> values) noexcept
{
  std::array<pair_counts, 4> counts{};  // one after the other: a processor is slow to count the same twice running
  std::size_t i = 0;
  for (; i + 4 <= values.size(); i += 4) {
    for (std::size_t k = 0; k < 4; ++k) ++counts[k][pair_of(values[i + k])];
  }
  for (; i < values.size(); ++i) ++counts[0][pair_of(values[i])];
  pair_counts sum = counts[0];
  for (std::size_t k = 1; k < 4; ++k) {
    for (std::size_t pair = 0; pair < pairs; ++pair) sum[pair] += counts[k][pair];
  }
  return sum;
}

/// Within 0.009, of anything from 1 on.
[[nodiscard]] constexpr float roughly_log2(float value) noexcept
{
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const float exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23U)) - 127;
  const float f = std::bit_cast<float>((bits & 0x7f'ffffU) | 0x3f80'0000U) - 1;
  return exponent + f + 0.344F * f * (1 - f);
}

/// The pair whose mantissas say most, or none where that would not pay for more symbols. Looks at pairs that a
/// sixteenth of the values have, in some thousands of them.
[[nodiscard]] inline std::uint32_t find_crowded(std::span<const std::uint16_t> values,
                                                const pair_counts& counts) noexcept
{
  constexpr std::size_t candidates = 16;
  constexpr std::size_t looked_at = 4096;
  constexpr float cost = 8 * 48;  // bits that a coder needs to describe 128 symbols more
  std::array<std::uint32_t, candidates> pair{};
  std::array<std::uint8_t, pairs> who{};  // 0: nobody
  std::uint8_t known = 0;
  for (std::uint32_t p = 0; p < pairs && known < candidates; ++p) {
    if (std::size_t{counts[p]} * candidates < values.size()) continue;
    pair[known] = p;
    who[p] = ++known;
  }
  std::array<std::array<std::uint32_t, mantissas>, candidates + 1> seen{};
  const std::size_t step = values.size() / looked_at | 1U;  // odd: not always the same channels of a head
  for (std::size_t i = 0; i < values.size(); i += step) ++seen[who[pair_of(values[i])]][mantissa_of(values[i])];

  std::uint32_t best = no_pair;
  float best_gain = cost;
  for (std::size_t c = 0; c < known; ++c) {
    float total = 0;
    float sum = 0;  // of n log2 n
    float different = 0;
    for (const std::uint32_t n : seen[c + 1]) {
      total += static_cast<float>(n);
      sum += static_cast<float>(n) * roughly_log2(static_cast<float>(n != 0 ? n : 1));
      different += n != 0 ? 1.0F : 0.0F;
    }
    if (is_exactly(total, 0)) continue;
    // Few values look more alike than they are (Miller and Madow).
    const float bits = roughly_log2(total) - sum / total + (different - 1) / (2 * std::numbers::ln2_v<float> * total);
    const float gain = static_cast<float>(counts[pair[c]]) * (7 - bits);
    if (gain > best_gain) {
      best = pair[c];
      best_gain = gain;
    }
  }
  return best;
}

}  // namespace kvstrata::codec::planes
