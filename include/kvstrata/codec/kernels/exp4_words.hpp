// exp4 by the threads of a block (block_coder.hpp): a thread has a group of 32 values, 16 bytes at a time, and all bytes are
// moved once (of an f32 the raw bytes twice). The arithmetic is of four bytes in a register: four exponents, four codes.
// Encoder and decoder: exp4_encoder.hpp, exp4_decoder.hpp. Here is what both have in common.
#pragma once

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/kernels/block_coder.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata {

/// How they reach values.
template <class Machine>
struct exp4_words
{
  using unit = codec::exp4_unit;
  using task_type = unit_task<codec::exp4_coder>;

  static constexpr std::uint32_t threads = unit::most_values / unit::group_values;

  /// Eight values as bf16, the word-th of a group. Where there are none: the exponent `fill`, and all else 0.
  [[nodiscard]] static constexpr quad load_top(const unit& how, const std::byte* raw, std::uint32_t group,
                                               std::uint32_t word, std::uint32_t fill)
  {
    if (how.width == 2) return load_raw(how, raw, group, word, fill << 7 | fill << 23);
    const quad a = load_raw(how, raw, group, 2 * word, fill << 23);
    const quad b = load_raw(how, raw, group, 2 * word + 1, fill << 23);
    return {Machine::permute(a[0], a[1], 0x7632), Machine::permute(a[2], a[3], 0x7632),
            Machine::permute(b[0], b[1], 0x7632), Machine::permute(b[2], b[3], 0x7632)};
  }

  /// The lower halves of eight f32.
  [[nodiscard]] static constexpr quad load_low(const unit& how, const std::byte* raw, std::uint32_t group,
                                               std::uint32_t word)
  {
    const quad a = load_raw(how, raw, group, 2 * word, 0);
    const quad b = load_raw(how, raw, group, 2 * word + 1, 0);
    return {Machine::permute(a[0], a[1], 0x5410), Machine::permute(a[2], a[3], 0x5410),
            Machine::permute(b[0], b[1], 0x5410), Machine::permute(b[2], b[3], 0x5410)};
  }

  /// Eight bf16, or the eight f32 whose upper halves they are.
  static constexpr void store_top(const unit& how, std::byte* raw, std::uint32_t group, std::uint32_t word,
                                  const quad& top, const std::byte* code)
  {
    if (how.width == 2) {
      store_raw(how, raw, group, word, top);
      return;
    }
    const quad low = load_quad<Machine>(code + how.plane_at(3 + word, group));
    store_raw(how, raw, group, 2 * word,
              {Machine::permute(low[0], top[0], 0x5410), Machine::permute(low[0], top[0], 0x7632),
               Machine::permute(low[1], top[1], 0x5410), Machine::permute(low[1], top[1], 0x7632)});
    store_raw(how, raw, group, 2 * word + 1,
              {Machine::permute(low[2], top[2], 0x5410), Machine::permute(low[2], top[2], 0x7632),
               Machine::permute(low[3], top[3], 0x5410), Machine::permute(low[3], top[3], 0x7632)});
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
  static constexpr std::uint64_t load_head(const std::byte* code)
  {
    return std::bit_cast<std::uint64_t>(Machine::template load<8>(code));
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
  [[nodiscard]] static constexpr quad load_raw(const unit& how, const std::byte* raw, std::uint32_t group,
                                               std::uint32_t word, std::uint32_t fill)
  {
    const std::uint32_t at = how.word_at(group, word);
    if (at + 16 <= how.raw_bytes()) return load_quad<Machine>(raw + at);
    quad out = {};
    unrolled<8>([&](auto i) {
      const bool is_there = at + 2 * i < how.raw_bytes();
      const std::uint32_t half = is_there ? load_half(raw + at + 2 * i) : fill >> i % 2 * 16 & 0xFFFF;
      out[i / 2] |= half << i % 2 * 16;
    });
    return out;
  }
  static constexpr void store_raw(const unit& how, std::byte* raw, std::uint32_t group, std::uint32_t word,
                                  const quad& value)
  {
    const std::uint32_t at = how.word_at(group, word);
    if (at + 16 <= how.raw_bytes()) {
      store_quad<Machine>(raw + at, value);
      return;
    }
    unrolled<8>([&](auto i) {
      if (at + 2 * i < how.raw_bytes()) store_half(raw + at + 2 * i, value[i / 2] >> i % 2 * 16 & 0xFFFF);
    });
  }
};

}  // namespace kvstrata
