// Which tokens of a context are computed, and which row of scratch each of them has: a bit a token, and a count a word.
#pragma once

#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As std::popcount, which is a call into a library where no instruction may be used for it.
[[nodiscard]] constexpr std::uint32_t ones_of(std::uint64_t word) noexcept
{
  word -= word >> 1U & 0x5555'5555'5555'5555U;
  word = (word & 0x3333'3333'3333'3333U) + (word >> 2U & 0x3333'3333'3333'3333U);
  word = (word + (word >> 4U)) & 0x0f0f'0f0f'0f0f'0f0fU;
  return static_cast<std::uint32_t>(word * 0x0101'0101'0101'0101U >> 56U);
}

/// A view of it, which a kernel can read.
struct overlay_rows_view
{
  const std::uint64_t* bits = nullptr;   ///< [context / 64, rounded up]
  const std::uint32_t* ranks = nullptr;  ///< [the same] how many are computed before the word

  [[nodiscard]] constexpr bool has(token_count position) const noexcept
  {
    return (bits[position / 64] >> (position % 64) & 1U) != 0;
  }
  /// The row of a token that is computed: how many in front of it are.
  [[nodiscard]] constexpr std::uint32_t row(token_count position) const noexcept
  {
    const std::uint64_t before = bits[position / 64] & ((std::uint64_t{1} << (position % 64)) - 1);
    return ranks[position / 64] + ones_of(before);
  }
  /// The first position from `from` on, below `end`, of which has() is `what`; `end` where there is none.
  [[nodiscard]] constexpr token_count next(token_count from, token_count end, bool what) const noexcept
  {
    while (from < end) {
      const std::uint64_t word = (what ? bits[from / 64] : ~bits[from / 64]) >> (from % 64);
      if (word != 0) return (std::min)(end, from + static_cast<token_count>(std::countr_zero(word)));
      from = (from / 64 + 1) * 64;
    }
    return end;
  }
};

/// Not synchronised. Keeps its memory.
class overlay_rows
{
 public:
  /// Begins anew: a context of so many tokens. Of what is computed nothing is known before set().
  void start(token_count context)
  {
    const std::size_t words = (std::size_t{context} + 63) / 64;
    always_.assign(words, 0);
    for (std::vector<std::uint64_t>* bits : {&bits_, &next_bits_}) bits->resize(words);
    for (std::vector<std::uint32_t>* ranks : {&ranks_, &next_ranks_}) ranks->resize(words);
  }
  /// These are computed, whatever is said later. O(tokens / 64).
  void always(token_interval tokens) noexcept
  {
    each_word(tokens, [this](std::size_t word, std::uint64_t ones) { always_[word] |= ones; });
  }
  [[nodiscard]] bool any_always(token_interval tokens) const noexcept
  {
    std::uint64_t any = 0;
    each_word(tokens, [&](std::size_t word, std::uint64_t ones) { any |= always_[word] & ones; });
    return any != 0;
  }
  /// These besides, which are disjoint; returns false, and nothing has changed, where with them not `tokens` tokens are computed: some
  /// are so always. O(context / 64 + intervals + tokens / 64). A view is of what was set last.
  [[nodiscard]] bool set(std::span<const token_interval> besides, token_count tokens) noexcept
  {
    std::copy(always_.begin(), always_.end(), next_bits_.begin());
    for (const token_interval i : besides) {
      each_word(i, [this](std::size_t word, std::uint64_t ones) { next_bits_[word] |= ones; });
    }
    std::uint32_t before = 0;
    const std::size_t words = next_bits_.size();
    for (std::size_t w = 0; w < words; ++w) {
      next_ranks_[w] = before;
      before += ones_of(next_bits_[w]);
    }
    if (before != tokens) return false;
    bits_.swap(next_bits_);
    ranks_.swap(next_ranks_);
    return true;
  }

  [[nodiscard]] overlay_rows_view view() const noexcept { return {bits_.data(), ranks_.data()}; }

 private:
  template <class Each>
  static void each_word(token_interval tokens, Each&& each)
  {
    if (tokens.empty()) return;
    token_count at = tokens.begin;
    if (at / 64 == (tokens.end - 1) / 64) {  // most
      each(at / 64, (~std::uint64_t{0} >> (64 - (tokens.end - at))) << (at % 64));
      return;
    }
    while (at < tokens.end) {
      const token_count word = at / 64;
      const token_count to = (std::min)(tokens.end, (word + 1) * 64);
      each(word, (~std::uint64_t{0} >> (64 - (to - at))) << (at % 64));
      at = to;
    }
  }

  std::vector<std::uint64_t> always_, bits_, next_bits_;
  std::vector<std::uint32_t> ranks_, next_ranks_;
};

}  // namespace kvstrata
