// A set of numbers, a bit each, and over every 64 of them a bit that tells whether one is set, and so on up: the next one
// that is set, and the one before, are found in a few words, however far they are.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Numbers [0, size), none of them set at first. Not synchronised. O(log size) a call. 65/64 bits a
/// number. Nothing allocates after construction.
class bit_levels
{
 public:
  using word_type = std::uint64_t;
  static constexpr std::size_t word_bits = 64;

  explicit bit_levels(std::size_t size) : size_(size)
  {
    std::array<std::size_t, most_levels> words{};
    std::size_t all = 0;
    std::size_t last = size;
    do {
      last /= word_bits;
      all += words[levels_++] = last + 1;
    } while (last != 0);
    words_.assign(all, 0);
    // What would follow the last number is set for ever: no search needs to look for the end.
    last = size;
    word_type* begin = words_.data();
    for (std::size_t level = 0; level != levels_; ++level, last /= word_bits) {
      level_[level] = begin;
      begin += words[level];
      begin[-1] = ~word_type{0} << last % word_bits;
    }
  }
  bit_levels(const bit_levels&) = delete;
  bit_levels& operator=(const bit_levels&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The first number from `at` on that is set; size() when there is none.
  [[nodiscard]] std::size_t next(std::size_t at) const noexcept
  {
    word_type found = level_[0][at / word_bits] & ~word_type{0} << at % word_bits;
    if (found != 0) return (at & ~(word_bits - 1)) + lowest(found);
    const word_type* const* level = level_.data();
    do {
      at /= word_bits;
      found = (*++level)[at / word_bits] & ~word_type{1} << at % word_bits;
    } while (found == 0);
    at = (at & ~(word_bits - 1)) + lowest(found);
    do {
      at = at * word_bits + lowest((*--level)[at]);
    } while (level != level_.data());
    return at;
  }

  /// Behind the last number before `at` that is set; 0 when there is none.
  [[nodiscard]] std::size_t last_end(std::size_t at) const noexcept
  {
    word_type found = level_[0][at / word_bits] & (bit(at) - 1);
    if (found != 0) return (at & ~(word_bits - 1)) + highest(found) + 1;
    const word_type* const* level = level_.data();
    const word_type* const* const top = level + levels_;
    do {
      if (++level == top) return 0;
      at /= word_bits;
      found = (*level)[at / word_bits] & (bit(at) - 1);
    } while (found == 0);
    at = (at & ~(word_bits - 1)) + highest(found);
    do {
      at = at * word_bits + highest((*--level)[at]);
    } while (level != level_.data());
    return at + 1;
  }

  void set(std::size_t at) noexcept { mark(0, at); }
  void reset(std::size_t at) noexcept
  {
    // The highest word keeps what follows the last number.
    for (word_type* const* level = level_.data(); ((*level)[at / word_bits] &= ~bit(at)) == 0; ++level) at /= word_bits;
  }

  /// What it allocated.
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.capacity() * sizeof(word_type); }

 private:
  static constexpr std::size_t most_levels = 7;  // 64^7 numbers fit in no memory

  [[nodiscard]] static word_type bit(std::size_t at) noexcept { return word_type{1} << at % word_bits; }
  // Of a bit that is set at least.
  [[nodiscard]] static std::size_t lowest(word_type word) noexcept
  {
    if (word == 0) __builtin_unreachable();
    return static_cast<std::size_t>(std::countr_zero(word));
  }
  [[nodiscard]] static std::size_t highest(word_type word) noexcept
  {
    if (word == 0) __builtin_unreachable();
    return word_bits - 1 - static_cast<std::size_t>(std::countl_zero(word));
  }

  void mark(std::size_t level, std::size_t at) noexcept
  {
    for (; level != levels_; ++level, at /= word_bits) {
      word_type& word = level_[level][at / word_bits];
      const word_type before = word;
      word = before | bit(at);
      if (before != 0) return;
    }
  }

  std::size_t size_;
  std::size_t levels_ = 0;
  std::vector<word_type> words_;  // level upon level
  std::array<word_type*, most_levels> level_{};
};

}  // namespace kvstrata
