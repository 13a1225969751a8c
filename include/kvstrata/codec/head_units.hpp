// K, or V, of one head of a page as a unit: what int8, fp8 and int4 encode at a time, each with scales of its own.
//
// A unit's code is a head of 16 bytes, then what its codec says, then zeros up to a multiple of 16. All units' codes are as
// long, and lie one after the other: K of all heads, then V.
//
//   bytes      what
//   ---------- -------------------------------------------------------
//   0 to 3     whose code it is (four letters), or `raw` and a space
//   4 to 7     f32, the scale: not negative and finite
//   8 to 11    f32, the value that 0 stands for: finite
//   12 to 15   0
#pragma once

#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/values.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/exact.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

inline constexpr std::uint32_t unit_head_bytes = 16;

[[nodiscard]] constexpr std::uint32_t four_letters(char a, char b, char c, char d) noexcept
{
  const auto at = [](char letter, std::uint32_t shift) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(letter)) << shift;
  };
  return at(a, 0) | at(b, 8) | at(c, 16) | at(d, 24);
}
inline constexpr std::uint32_t raw_letters = four_letters('r', 'a', 'w', ' ');

struct unit_head
{
  std::uint32_t letters = raw_letters;
  float scale = 0;
  float zero = 0;
  std::uint32_t rest = 0;

  /// Read from the head of a unit's code.
  [[nodiscard]] static unit_head at(const std::byte* code) noexcept
  {
    unit_head h;
    std::memcpy(&h, code, sizeof(h));
    return h;
  }
  void write(std::byte* code) const noexcept { std::memcpy(code, this, sizeof(*this)); }

  [[nodiscard]] constexpr unit_kind kind(std::uint32_t mine) const noexcept
  {
    constexpr std::uint32_t infinity = 0x7f80'0000U;
    const bool in_order = std::bit_cast<std::uint32_t>(scale) < infinity &&  // as a float of that sign, so not negative
                          (std::bit_cast<std::uint32_t>(zero) & 0x7fff'ffffU) < infinity && rest == 0;
    if (letters == raw_letters)
      return in_order && is_exactly(scale, 0) && is_exactly(zero, 0) ? unit_kind::raw : unit_kind::malformed;
    return letters == mine && in_order ? unit_kind::coded : unit_kind::malformed;
  }
};
static_assert(sizeof(unit_head) == unit_head_bytes);

/// Where units lie in a piece, and their codes in a code.
struct head_units
{
  std::uint32_t tokens = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t used_bytes = 0;  ///< of a unit's code; zeros follow
  std::uint32_t code_bytes = 0;  ///< of a unit, a multiple of 16
  element_type element = element_type::bf16;

  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return 2 * kv_heads; }
  /// From a token's values of a unit to the next token's.
  [[nodiscard]] constexpr std::size_t token_stride() const noexcept { return std::size_t{kv_heads} * head_dim; }
  /// Where a unit's values begin, in values.
  [[nodiscard]] constexpr std::size_t begin(std::uint32_t unit) const noexcept
  {
    return unit < kv_heads ? std::size_t{unit} * head_dim
                           : tokens * token_stride() + std::size_t{unit - kv_heads} * head_dim;
  }
  [[nodiscard]] constexpr std::size_t code_begin(std::uint32_t unit) const noexcept
  {
    return std::size_t{unit} * code_bytes;
  }

  void fill(std::uint32_t unit, std::byte* to, std::byte value) const noexcept
  {
    const std::size_t size = bytes_of(element);
    for (std::size_t token = 0; token < tokens; ++token) {
      std::memset(to + (begin(unit) + token * token_stride()) * size, std::to_integer<int>(value), head_dim * size);
    }
  }
  void copy(std::uint32_t unit, const std::byte* from, std::byte* to) const noexcept
  {
    const std::size_t size = bytes_of(element);
    for (std::size_t token = 0; token < tokens; ++token) {
      const std::size_t at = (begin(unit) + token * token_stride()) * size;
      std::memcpy(to + at, from + at, head_dim * size);
    }
  }
};

/// Units whose codes are a head and so many bytes behind it. Throws config_error, naming `codec`, for elements that it
/// does not know and for pieces of more than a gigabyte.
[[nodiscard]] inline head_units head_units_of(const piece_shape& piece, std::size_t behind_head, std::string_view codec)
{
  if (!has_element_bits(piece.element)) {
    throw config_error("geometry.element", name_of(piece.element),
                       std::string(codec) + " encodes f32, f16 and bf16; what has a byte a value is stored as it is");
  }
  constexpr std::size_t most = std::size_t{1} << 30U;
  if (piece.bytes() > most) {
    throw config_error("bytes of a piece", piece.bytes(), std::string(codec) + " encodes at most 2^30 at a time");
  }
  const std::size_t used = unit_head_bytes + behind_head;
  return {piece.tokens,
          piece.kv_heads,
          piece.head_dim,
          static_cast<std::uint32_t>(used),
          static_cast<std::uint32_t>((used + 15) / 16 * 16),
          piece.element};
}

}  // namespace kvstrata::codec
