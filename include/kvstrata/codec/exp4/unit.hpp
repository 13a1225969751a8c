// How a unit of exp4 lies, as it is and encoded.
//
// A unit is most_values values, or what is left at the end of a piece. Of a bf16 the exponent becomes a code of four bits,
// sign and mantissa stay a byte. An f32 is a bf16, its upper half, and 16 bits below, which stay as they are.
//
//   0        head   'x' '4', element, kind; then, of 16 bits each, how many escapes there are and how many have room
//   8        table  0, then the 15 exponents, ascending: the exponent of code c is at 8 + c
//   24       places of the escapes, 16 bits each, ascending; then their exponents; then 0 up to head_bytes()
//   planes   3 of a bf16, 7 of an f32, each of 16 bytes a group
//
// Code 0 is an escape. So that neither the registers of a CPU nor the threads of a GPU have to swap values, planes are in
// the order in which words of 16 bytes come apart. 32 values are a group:
//
//   values of a group     0 .. 7       8 .. 15      16 .. 23     24 .. 31
//   codes plane           low halves of its bytes   high halves of its bytes
//   first, second plane   first: sign and mantissa  second: likewise
//   low planes (f32)      one each: the lower 16 bits
//
// and 32 groups, 1,024 values, are a tile: word w of group g in it lies w x 512 + g x 16 bytes into the tile's raw bytes, so
// that the 32 threads of a warp read 512 bytes together, and the 64 bytes of an AVX-512 register are of four groups. What is
// behind the last whole tile is in groups that are tiles of their own. `place` of a value: its group x 32 + which of it;
// places below `values` are those of values.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

/// The numbers of one unit. All constexpr: kernels ask it, too.
struct exp4_unit
{
  static constexpr std::uint32_t most_values = 8192;
  static constexpr std::uint32_t group_values = 32;
  static constexpr std::uint32_t tile_groups = 32;
  static constexpr std::uint32_t tile_values = tile_groups * group_values;
  static constexpr std::uint32_t most_escapes = most_values / 8;
  static constexpr std::uint32_t table_at = 8;
  static constexpr std::uint32_t places_at = 24;
  static constexpr std::uint32_t most_head_bytes = places_at + 3 * most_escapes + 16;

  std::uint32_t values = 0;
  std::uint32_t width = 0;  ///< bytes of a value: 2 or 4
  std::uint32_t room = 0;   ///< for escapes

  /// Room for at least `escapes`: what is left to the next 16 bytes is used.
  [[nodiscard]] static constexpr exp4_unit of(std::uint32_t values, std::uint32_t width, std::uint32_t escapes) noexcept
  {
    const std::uint32_t head = (places_at + 3 * escapes + 15) / 16 * 16;
    const std::uint32_t room = (head - places_at) / 3;
    return {values, width, room < values ? room : values};
  }

  [[nodiscard]] constexpr std::uint32_t raw_bytes() const noexcept { return values * width; }
  [[nodiscard]] constexpr std::uint32_t groups() const noexcept { return (values + group_values - 1) / group_values; }
  [[nodiscard]] constexpr std::uint32_t tiles() const noexcept { return values / tile_values; }
  [[nodiscard]] constexpr std::uint32_t words() const noexcept { return width * 2; }  ///< of 16 raw bytes, in a group

  [[nodiscard]] constexpr std::uint32_t exponents_at() const noexcept { return places_at + 2 * room; }
  [[nodiscard]] constexpr std::uint32_t head_bytes() const noexcept { return (places_at + 3 * room + 15) / 16 * 16; }
  [[nodiscard]] constexpr std::uint32_t plane_bytes() const noexcept { return 16 * groups(); }
  [[nodiscard]] constexpr std::uint32_t planes() const noexcept { return width == 2 ? 3 : 7; }
  /// Where 16 bytes of a plane lie: 0 codes, 1 first, 2 second, 3 to 6 low.
  [[nodiscard]] constexpr std::uint32_t plane_at(std::uint32_t plane, std::uint32_t group) const noexcept
  {
    return head_bytes() + plane * plane_bytes() + group * 16;
  }
  [[nodiscard]] constexpr std::uint32_t code_bytes() const noexcept { return head_bytes() + planes() * plane_bytes(); }

  /// Whether a group has 32 values: all have but the last.
  [[nodiscard]] constexpr bool is_whole(std::uint32_t group) const noexcept
  {
    return (group + 1) * group_values <= values;
  }
  /// Where a word of a group lies in the raw bytes.
  [[nodiscard]] constexpr std::uint32_t word_at(std::uint32_t group, std::uint32_t word) const noexcept
  {
    const std::uint32_t tile = group / tile_groups;
    if (tile >= tiles()) return group * group_values * width + word * 16;
    return tile * tile_values * width + (word * tile_groups + group % tile_groups) * 16;
  }
  /// Where the bf16 of a value lies in the raw bytes; of an f32 its upper half.
  [[nodiscard]] constexpr std::uint32_t top_at(std::uint32_t place) const noexcept
  {
    const std::uint32_t byte = place % group_values * width;
    return word_at(place / group_values, byte / 16) + byte % 16 + width - 2;
  }
  /// Where the code of a value lies, and which half of the byte.
  [[nodiscard]] constexpr std::uint32_t code_at(std::uint32_t place) const noexcept
  {
    return plane_at(0, place / group_values) + place % 16;
  }
  [[nodiscard]] static constexpr bool is_high(std::uint32_t place) noexcept { return place % group_values >= 16; }
  /// Where the sign and mantissa of a value lie.
  [[nodiscard]] constexpr std::uint32_t rest_at(std::uint32_t place) const noexcept
  {
    return plane_at(is_high(place) ? 2 : 1, place / group_values) + place % 16;
  }

  /// Where the lower 16 bits of an f32 lie.
  [[nodiscard]] constexpr std::uint32_t low_at(std::uint32_t place) const noexcept
  {
    return plane_at(3 + place % group_values / 8, place / group_values) + place % 8 * 2;
  }

  // The first eight bytes of a head.
  [[nodiscard]] constexpr std::uint64_t head_of_raw() const noexcept { return head('r', 0); }
  [[nodiscard]] constexpr std::uint64_t head_of_coded(std::uint32_t escapes) const noexcept
  {
    return head('c', escapes);
  }
  /// Of a head that says coded, how many escapes; more than `room` where it says anything else.
  [[nodiscard]] constexpr std::uint32_t escapes_of(std::uint64_t head) const noexcept
  {
    const auto escapes = static_cast<std::uint32_t>(head >> 32 & 0xFFFF);
    return head == head_of_coded(escapes) ? escapes : 0xFFFFFFFF;
  }

 private:
  [[nodiscard]] constexpr std::uint64_t head(char kind, std::uint32_t escapes) const noexcept
  {
    const char element = width == 2 ? 'b' : 'f';
    return std::uint64_t{'x'} | std::uint64_t{'4'} << 8 | std::uint64_t{static_cast<unsigned char>(element)} << 16 |
           std::uint64_t{static_cast<unsigned char>(kind)} << 24 | std::uint64_t{escapes} << 32 |
           std::uint64_t{room} << 48;
  }
};

/// Codes by exponent, and exponents by code.
struct exp4_table
{
  alignas(16) std::uint8_t exponents[16] = {};  ///< [code]; none of 0
  alignas(16) std::uint8_t codes[256] = {};     ///< [exponent]; 0: an escape
  std::uint8_t rows[15] = {};  ///< [row_count] those of 16 codes that are not all 0, by their first exponent
  std::uint8_t row_count = 0;

  /// Whether the exponents follow each other, as those of most models do.
  [[nodiscard]] constexpr bool is_run() const noexcept { return exponents[15] - exponents[1] == 14; }

  exp4_table() = default;
  /// Of 15 different exponents, in ascending order.
  constexpr explicit exp4_table(const std::array<std::uint8_t, 15>& ascending) noexcept
  {
    for (std::uint8_t code = 1; code < 16; ++code) {
      const std::uint8_t exponent = ascending[code - 1U];
      exponents[code] = exponent;
      codes[exponent] = code;
      const auto row = static_cast<std::uint8_t>(exponent & 0xF0);
      if (row_count == 0 || rows[row_count - 1U] != row) rows[row_count++] = row;
    }
  }
};

}  // namespace kvstrata::codec
