// exp4's arithmetic in plain C++, group by group: what every CPU can do, and what is behind the last whole tile on all.
//
// A path (exp4/paths.hpp) has these four functions. Each works on the groups [from, to) of a unit:
//
// classify   writes the codes plane (from its first byte on, elsewhere than in the code) and appends the places of escapes,
//            ascending, until there are more than `most`: then it stops, and what it wrote is worth nothing
// split      writes the other planes
// escapes    how often code 0 occurs
// join       back to raw values; of an escape all but the exponent, which is then 0
//
// `exponents` are 16 bytes, whose first is 0. Nothing is aligned to more than a byte, and of the last group only the values
// that there are are touched; their codes are 1 and all else 0 where there is none.
#pragma once

#include <kvstrata/codec/exp4/unit.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// Places of escapes, as they are found.
struct exp4_escapes
{
  std::uint16_t* places = nullptr;  ///< [most + 1] may be written
  std::uint32_t count = 0;
  std::uint32_t most = 0;

  [[nodiscard]] bool overflow() const noexcept { return count > most; }

  /// The bits of one group.
  void add(std::uint32_t group, std::uint32_t bits) noexcept
  {
    for (std::uint32_t place = group * exp4_unit::group_values; bits != 0 && count <= most; bits >>= 1, ++place) {
      if (bits & 1) places[count++] = static_cast<std::uint16_t>(place);
    }
  }
};

struct exp4_portable
{
  static constexpr const char* name = "portable";

  static void classify(exp4_unit unit, const exp4_table& table, std::uint32_t from, std::uint32_t to,
                       const std::byte* raw, std::byte* codes, exp4_escapes& escapes) noexcept
  {
    for (std::uint32_t g = from; g < to; ++g) {
      const group values = load_group(unit, g, raw);
      std::uint8_t code[group_values];
      for (std::uint32_t i = 0; i < group_values; ++i) code[i] = table.codes[values.top[i] >> 7 & 0xFF];
      for (std::uint32_t i = count_of(unit, g); i < group_values; ++i) code[i] = 1;
      bool any = false;
      for (std::uint32_t i = 0; i < 16; ++i) {
        codes[g * 16 + i] = static_cast<std::byte>(code[i] | code[i + 16] << 4);
        any = any || code[i] == 0 || code[i + 16] == 0;
      }
      if (!any) continue;
      std::uint32_t bits = 0;
      for (std::uint32_t i = 0; i < group_values; ++i) bits |= static_cast<std::uint32_t>(code[i] == 0) << i;
      escapes.add(g, bits);
      if (escapes.overflow()) return;
    }
  }

  static void split(exp4_unit unit, std::uint32_t from, std::uint32_t to, const std::byte* raw,
                    std::byte* code) noexcept
  {
    for (std::uint32_t g = from; g < to; ++g) {
      const group values = load_group(unit, g, raw);
      std::uint8_t rest[group_values];
      for (std::uint32_t i = 0; i < group_values; ++i) {
        rest[i] = static_cast<std::uint8_t>((values.top[i] >> 8 & 0x80) | (values.top[i] & 0x7F));
      }
      std::memcpy(code + unit.plane_at(1, g), rest, 16);
      std::memcpy(code + unit.plane_at(2, g), rest + 16, 16);
      for (std::uint32_t p = 3; p < unit.planes(); ++p) {
        std::memcpy(code + unit.plane_at(p, g), values.low + (p - 3) * 8, 16);
      }
    }
  }

  [[nodiscard]] static std::uint32_t escapes(exp4_unit, std::uint32_t from, std::uint32_t to,
                                             const std::byte* codes) noexcept
  {
    std::uint32_t found = 0;
    for (std::size_t i = from * 16; i < to * 16; i += 8) {
      const auto word = load<std::uint64_t>(codes + i);
      // Bit 0 of every half byte: is none of its bits set?
      std::uint64_t any = word | word >> 2;
      any = ~(any | any >> 1) & 0x1111111111111111;
      found += static_cast<std::uint32_t>(std::popcount(any));
    }
    return found;
  }

  static void join(exp4_unit unit, const std::byte* exponents, std::uint32_t from, std::uint32_t to,
                   const std::byte* code, std::byte* raw) noexcept
  {
    for (std::uint32_t g = from; g < to; ++g) {
      std::uint8_t codes[16], rest[group_values];
      std::memcpy(codes, code + unit.plane_at(0, g), 16);
      std::memcpy(rest, code + unit.plane_at(1, g), 16);
      std::memcpy(rest + 16, code + unit.plane_at(2, g), 16);
      group values;
      for (std::uint32_t i = 0; i < 16; ++i) {
        values.top[i] = top_of(std::to_integer<std::uint32_t>(exponents[codes[i] & 15U]), rest[i]);
        values.top[i + 16] = top_of(std::to_integer<std::uint32_t>(exponents[codes[i] >> 4U]), rest[i + 16]);
      }
      for (std::uint32_t p = 3; p < unit.planes(); ++p) {
        std::memcpy(values.low + (p - 3) * 8, code + unit.plane_at(p, g), 16);
      }
      store_group(unit, g, values, raw);
    }
  }

  /// A bf16 of its exponent, and of its sign and mantissa.
  [[nodiscard]] static std::uint16_t top_of(std::uint32_t exponent, std::uint32_t rest) noexcept
  {
    return static_cast<std::uint16_t>((rest & 0x80) << 8 | exponent << 7 | (rest & 0x7F));
  }

  template <class Word>
  [[nodiscard]] static Word load(const std::byte* at) noexcept
  {
    Word word;
    std::memcpy(&word, at, sizeof(word));
    return word;
  }

 private:
  static constexpr std::uint32_t group_values = exp4_unit::group_values;

  struct group
  {
    std::uint16_t top[group_values] = {};
    std::uint16_t low[group_values] = {};  // of an f32
  };

  [[nodiscard]] static std::uint32_t count_of(const exp4_unit& unit, std::uint32_t group) noexcept
  {
    const std::uint32_t left = unit.values - group * group_values;
    return left < group_values ? left : group_values;
  }

  /// Calls visit(at, word, bytes) for the words of a group: where one lies in the raw bytes, and how much there is of it.
  template <class Visit>
  static void each_word(const exp4_unit& unit, std::uint32_t group, Visit&& visit) noexcept
  {
    for (std::uint32_t word = 0; word < unit.words(); ++word) {
      const std::uint32_t at = unit.word_at(group, word);
      if (at >= unit.raw_bytes()) return;
      const std::uint32_t left = unit.raw_bytes() - at;
      visit(at, word, left < 16 ? left : 16);
    }
  }

  [[nodiscard]] static group load_group(const exp4_unit& unit, std::uint32_t g, const std::byte* raw) noexcept
  {
    group out;
    if (unit.width == 2) {
      each_word(unit, g, [&](std::uint32_t at, std::uint32_t word, std::uint32_t bytes) {
        std::memcpy(out.top + word * 8, raw + at, bytes);
      });
      return out;
    }
    std::uint32_t values[group_values] = {};
    each_word(unit, g, [&](std::uint32_t at, std::uint32_t word, std::uint32_t bytes) {
      std::memcpy(values + word * 4, raw + at, bytes);
    });
    for (std::uint32_t i = 0; i < group_values; ++i) {
      out.top[i] = static_cast<std::uint16_t>(values[i] >> 16);
      out.low[i] = static_cast<std::uint16_t>(values[i]);
    }
    return out;
  }

  static void store_group(const exp4_unit& unit, std::uint32_t g, const group& in, std::byte* raw) noexcept
  {
    if (unit.width == 2) {
      each_word(unit, g, [&](std::uint32_t at, std::uint32_t word, std::uint32_t bytes) {
        std::memcpy(raw + at, in.top + word * 8, bytes);
      });
      return;
    }
    std::uint32_t values[group_values];
    for (std::uint32_t i = 0; i < group_values; ++i) {
      values[i] = static_cast<std::uint32_t>(in.top[i]) << 16 | in.low[i];
    }
    each_word(unit, g, [&](std::uint32_t at, std::uint32_t word, std::uint32_t bytes) {
      std::memcpy(raw + at, values + word * 4, bytes);
    });
  }
};

}  // namespace kvstrata::codec
