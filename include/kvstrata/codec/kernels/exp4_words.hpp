// exp4 by the threads of a block (block_coder.hpp): a thread has a group of 32 values, 16 bytes at a time, and all bytes are
// moved once (of an f32 the raw bytes twice). The arithmetic is of four bytes in a register: four exponents, four codes.
// Encoder and decoder: exp4_encoder.hpp, exp4_decoder.hpp. Here is what both have in common.
#pragma once

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/kernels/block_coder.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// How they reach values.
template <class Machine>
struct exp4_words
{
  using unit = codec::exp4_unit;
  using task_type = unit_task<codec::exp4_coder>;

  static constexpr std::uint32_t threads = unit::most_values / unit::group_values;

  /// The values of a group as bf16, eight a word. Where there are none: of the exponent `fill`, and all else 0.
  static constexpr void load_tops(const unit& how, const std::byte* raw, std::uint32_t group, std::uint32_t fill,
                                  std::array<quad, 4>& top)
  {
    if (!how.is_whole(group)) {
      unrolled<4>([&](auto word) { top[word] = {}; });
      unrolled<unit::group_values>([&](auto i) {
        const std::uint32_t place = group * unit::group_values + i;
        const std::uint32_t half = place < how.values ? load_half(raw + how.top_at(place)) : fill << 7;
        top[i / 8][i % 8 / 2] |= half << i % 2 * 16;
      });
    } else if (how.width == 2) {
      unrolled<4>([&](auto word) { top[word] = load_quad<Machine>(raw + how.word_at(group, word)); });
    } else {
      unrolled<4>([&](auto word) { top[word] = halves_of<0x7632>(how, raw, group, word); });
    }
  }

  /// Of f32 what load_tops leaves out, to its planes.
  static constexpr void copy_low(const unit& how, const std::byte* raw, std::uint32_t group, std::byte* code)
  {
    if (how.is_whole(group)) {
      unrolled<4>([&](auto word) {
        store_quad<Machine>(code + how.plane_at(3 + word, group), halves_of<0x5410>(how, raw, group, word));
      });
      return;
    }
    for (std::uint32_t i = 0; i < unit::group_values; ++i) {
      const std::uint32_t place = group * unit::group_values + i;
      store_half(code + how.low_at(place), place < how.values ? load_half(raw + how.top_at(place) - 2) : 0);
    }
  }

  /// The values of a group, eight a word: top_of(word), asked once each. Of f32 the lower halves are in their planes.
  template <class TopOf>
  static constexpr void store_tops(const unit& how, std::byte* raw, std::uint32_t group, const std::byte* code,
                                   TopOf&& top_of)
  {
    if (!how.is_whole(group)) {
      for (std::uint32_t place = group * unit::group_values; place < how.values; ++place) {
        const std::uint32_t both = load_byte(code + how.code_at(place));
        const std::uint32_t exponent =
            load_byte(code + unit::table_at + (unit::is_high(place) ? both >> 4 : both & 15));
        store_half(raw + how.top_at(place), with_exponent(load_byte(code + how.rest_at(place)), exponent));
        if (how.width == 4) store_half(raw + how.top_at(place) - 2, load_half(code + how.low_at(place)));
      }
    } else if (how.width == 2) {
      unrolled<4>([&](auto word) { store_quad<Machine>(raw + how.word_at(group, word), top_of(word)); });
    } else {
      unrolled<4>([&](auto word) {
        const quad low = load_quad<Machine>(code + how.plane_at(3 + word, group));
        const quad top = top_of(word);
        store_quad<Machine>(raw + how.word_at(group, 2 * word), merged(low[0], top[0], low[1], top[1]));
        store_quad<Machine>(raw + how.word_at(group, 2 * word + 1), merged(low[2], top[2], low[3], top[3]));
      });
    }
  }

  /// A bf16 of its sign and mantissa, and of its exponent.
  [[nodiscard]] static constexpr std::uint32_t with_exponent(std::uint32_t rest, std::uint32_t exponent)
  {
    return (rest & 0x80) << 8 | exponent << 7 | (rest & 0x7F);
  }

  static constexpr std::uint32_t load_half(const std::byte* at)
  {
    return std::bit_cast<std::uint16_t>(Machine::template load<2>(at));
  }
  static constexpr std::uint32_t load_place(const std::byte* code, std::uint32_t i)
  {
    return load_half(code + unit::places_at + 2 * i);
  }
  static constexpr std::uint32_t load_byte(const std::byte* at)
  {
    return std::bit_cast<std::uint8_t>(Machine::template load<1>(at));
  }
  static constexpr void store_byte(std::byte* at, std::uint32_t value)
  {
    Machine::template store<1>(at, std::bit_cast<typename Machine::template word<1>>(static_cast<std::uint8_t>(value)));
  }
  static constexpr void store_half(std::byte* at, std::uint32_t value)
  {
    Machine::template store<2>(at,
                               std::bit_cast<typename Machine::template word<2>>(static_cast<std::uint16_t>(value)));
  }
  static constexpr std::uint64_t load_long(const std::byte* at)
  {
    return std::bit_cast<std::uint64_t>(Machine::template load<8>(at));
  }
  static constexpr void store_long(std::byte* at, std::uint64_t value)
  {
    Machine::template store<8>(at, std::bit_cast<typename Machine::template word<8>>(value));
  }
  static constexpr void count(const task_type& task, std::uint32_t thread, code_counts more)
  {
    if (thread != 0 || task.counts == nullptr) return;
    if (more.raw != 0) Machine::add(task.counts->raw, more.raw);
    if (more.faults != 0) Machine::add(task.counts->faults, more.faults);
  }

 private:
  /// Four f32 of their halves.
  [[nodiscard]] static constexpr quad merged(std::uint32_t low, std::uint32_t top, std::uint32_t next_low,
                                             std::uint32_t next_top)
  {
    return {Machine::permute(low, top, 0x5410), Machine::permute(low, top, 0x7632),
            Machine::permute(next_low, next_top, 0x5410), Machine::permute(next_low, next_top, 0x7632)};
  }
  /// Of eight f32 the lower halves or the upper ones.
  template <std::uint32_t Selectors>
  [[nodiscard]] static constexpr quad halves_of(const unit& how, const std::byte* raw, std::uint32_t group,
                                                std::uint32_t word)
  {
    const quad a = load_quad<Machine>(raw + how.word_at(group, 2 * word));
    const quad b = load_quad<Machine>(raw + how.word_at(group, 2 * word + 1));
    return {Machine::permute(a[0], a[1], Selectors), Machine::permute(a[2], a[3], Selectors),
            Machine::permute(b[0], b[1], Selectors), Machine::permute(b[2], b[3], Selectors)};
  }
};

}  // namespace kvstrata
