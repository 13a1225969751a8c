// How often keys were requested of late, roughly, in a few bits a key. (Count-min: Cormode, Muthukrishnan, "An improved
// data stream summary", J. Algorithms 2005; ageing by halving: Einziger, Friedman, Manes, "TinyLFU: a highly efficient
// cache admission policy", ACM TOS 2017; the layout in words of sixteen counters is that of their Caffeine.)
//
//   add:        a key has four counters of four bits, one in each of four words; each goes up by one, to 15 at most
//   frequency:  the smallest of the four: never too low, too high only if all four are shared
//   ageing:     once ten times the tier's bytes have been added, all counters are halved. With objects of one size
//               that is ten times the number of objects, as published; counted in bytes it also holds where a tier has
//               room for many more objects than are ever in it
#pragma once

#include <kvstrata/replacement/object_info.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// O(1), halving amortised: a whole pass comes after as many additions as there are words, or more. Allocates at
/// construction only: 8 bytes an object of the tier, rounded up to a power of two. Not synchronised.
class frequency_sketch
{
 public:
  static constexpr std::uint32_t most = 15;

  /// Throws std::bad_alloc.
  explicit frequency_sketch(const tier_size& size)
      : words_(std::bit_ceil((std::max)(static_cast<std::size_t>((std::min)(size.objects, most_words)), least_words))),
        mask_(words_.size() - 1),
        period_bytes_(10 * (std::min)((std::max)(size.bytes, std::uint64_t{1}), std::uint64_t{1} << 58))
  {
  }

  /// Counts a request for an object of so many bytes.
  void add(std::uint64_t key, std::uint64_t bytes) noexcept
  {
    const place at(spread(key));
    std::uint64_t one = std::uint64_t{1} << at.shift;
    for (std::uint64_t row = 0; row < 4; ++row, one <<= 4U) {
      std::uint64_t& word = words_[at.word(row) & mask_];
      const std::uint64_t full = one * most;
      word += (word & full) != full ? one : 0;
    }
    ++added_;
    added_bytes_ = (std::min)(added_bytes_ + (std::min)(bytes, period_bytes_), period_bytes_);
    if (added_bytes_ == period_bytes_ && added_ >= words_.size()) halve();
  }

  /// At most `most`.
  [[nodiscard]] std::uint32_t frequency(std::uint64_t key) const noexcept
  {
    const place at(spread(key));
    std::uint64_t least = most;
    for (std::uint64_t row = 0; row < 4; ++row) {
      least = (std::min)(least, (words_[at.word(row) & mask_] >> (at.shift + 4 * row)) & most);
    }
    return static_cast<std::uint32_t>(least);
  }

  /// How often the counters were halved.
  [[nodiscard]] std::uint64_t halvings() const noexcept { return halvings_; }

 private:
  static constexpr std::size_t least_words = 16;
  static constexpr std::uint64_t most_words = std::uint64_t{1} << 32;

  /// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
  [[nodiscard]] static constexpr std::uint64_t spread(std::uint64_t key) noexcept
  {
    key += 0x9e3779b97f4a7c15U;
    key = (key ^ (key >> 30U)) * 0xbf58476d1ce4e5b9U;
    key = (key ^ (key >> 27U)) * 0x94d049bb133111ebU;
    return key ^ (key >> 31U);
  }

  /// Where a key's counters are: one in each of four words, side by side if the words were one.
  struct place
  {
    explicit constexpr place(std::uint64_t hash) noexcept
        : shift((hash & 3U) * 16U), first(hash >> 2U), step((hash >> 33U) | 1U)
    {
    }
    [[nodiscard]] constexpr std::size_t word(std::uint64_t row) const noexcept { return first + row * step; }
    std::uint64_t shift;
    std::uint64_t first;
    std::uint64_t step;  // odd: reaches every word
  };

  void halve() noexcept
  {
    for (std::uint64_t& word : words_) word = (word >> 1U) & 0x7777777777777777U;
    added_ = 0;
    added_bytes_ = 0;
    ++halvings_;
  }

  std::vector<std::uint64_t> words_;
  std::size_t mask_;
  std::uint64_t period_bytes_;
  std::uint64_t added_ = 0;        // since the last halving
  std::uint64_t added_bytes_ = 0;  // likewise
  std::uint64_t halvings_ = 0;
};

}  // namespace kvstrata
