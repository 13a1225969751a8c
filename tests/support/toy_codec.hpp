// A codec for tests: rows of 8 bytes whose upper three are always the same have a code of five; all others have none. K and V are a
// unit each. `lossy` rounds the lowest byte of a row away.
#pragma once

#include <kvstrata/codec/concepts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kvstrata_test {

inline constexpr std::uint64_t toy_mask = (std::uint64_t{1} << 40U) - 1;
inline constexpr std::uint64_t toy_top = std::uint64_t{0x3F8123} << 40U;

/// A row from a random number: most have a code, some have none.
[[nodiscard]] constexpr std::uint64_t toy_row(std::uint64_t number) noexcept
{
  return (number >> 58U) == 0 ? number : (number & toy_mask) | toy_top;
}
/// What a lossy copy makes of it.
[[nodiscard]] constexpr std::uint64_t toy_rounded(std::uint64_t row) noexcept
{
  return (row & ~toy_mask) == toy_top ? row | 0xFF : row;
}

template <bool Lossy>
struct toy_code
{
  using option_kind = kvstrata::codec_option;
  static constexpr std::string_view name = Lossy ? "toy, lossy" : "toy";
  static constexpr bool lossy = Lossy;

  struct config
  {
    std::byte mark{0xA0};  ///< of units that are coded, so that codes of two configurations differ
  };

  class bound
  {
   public:
    bound(std::uint32_t rows, std::byte mark) noexcept : rows_(rows), mark_(mark) {}

    [[nodiscard]] std::uint32_t units() const noexcept { return 2; }
    [[nodiscard]] std::size_t code_bytes() const noexcept { return (2 * unit_bytes() + 15) / 16 * 16; }
    [[nodiscard]] kvstrata::unit_kind encode(std::uint32_t unit, const std::byte* raw, std::byte* code) const noexcept
    {
      std::byte* const head = code + unit * unit_bytes();
      const std::byte* const from = raw + unit * raw_bytes();
      for (std::uint32_t r = 0; r < rows_; ++r) {
        if ((row(from, r) & ~toy_mask) == toy_top) continue;
        mark_raw(unit, code);
        return kvstrata::unit_kind::raw;
      }
      *head = mark_;
      for (std::uint32_t r = 0; r < rows_; ++r) {
        const std::uint64_t value = Lossy ? toy_rounded(row(from, r)) : row(from, r);
        for (unsigned b = 0; b < 5; ++b) head[4 + 5 * r + b] = static_cast<std::byte>(value >> (8 * b));
      }
      return kvstrata::unit_kind::coded;
    }
    void mark_raw(std::uint32_t unit, std::byte* code) const noexcept { code[unit * unit_bytes()] = std::byte{0x55}; }
    [[nodiscard]] kvstrata::unit_kind kind_of(std::uint32_t unit, const std::byte* code) const noexcept
    {
      const std::byte head = code[unit * unit_bytes()];
      if (head == std::byte{0x55}) return kvstrata::unit_kind::raw;
      return (head & std::byte{0xF0}) == std::byte{0xA0} ? kvstrata::unit_kind::coded : kvstrata::unit_kind::malformed;
    }
    [[nodiscard]] kvstrata::unit_kind decode(std::uint32_t unit, const std::byte* code, std::byte* raw) const noexcept
    {
      const kvstrata::unit_kind is = kind_of(unit, code);
      if (is != kvstrata::unit_kind::coded) return is;
      const std::byte* const from = code + unit * unit_bytes() + 4;
      for (std::uint32_t r = 0; r < rows_; ++r) {
        std::uint64_t value = toy_top;
        for (unsigned b = 0; b < 5; ++b) value |= std::to_integer<std::uint64_t>(from[5 * r + b]) << (8 * b);
        std::memcpy(raw + unit * raw_bytes() + 8 * r, &value, 8);
      }
      return is;
    }
    void copy_raw(std::uint32_t unit, const std::byte* from, std::byte* to) const noexcept
    {
      std::memcpy(to + unit * raw_bytes(), from + unit * raw_bytes(), raw_bytes());
    }

    void fill(std::uint32_t unit, std::byte* raw, std::byte value) const noexcept
    {
      std::memset(raw + unit * raw_bytes(), std::to_integer<int>(value), raw_bytes());
    }

   private:
    [[nodiscard]] std::size_t raw_bytes() const noexcept { return std::size_t{8} * rows_; }
    [[nodiscard]] std::size_t unit_bytes() const noexcept { return 4 + std::size_t{5} * rows_; }
    [[nodiscard]] static std::uint64_t row(const std::byte* from, std::uint32_t r) noexcept
    {
      std::uint64_t value = 0;
      std::memcpy(&value, from + 8 * r, 8);
      return value;
    }

    std::uint32_t rows_;  // of a unit
    std::byte mark_;
  };

  [[nodiscard]] static bound coder(const kvstrata::piece_shape& piece, const config& told)
  {
    return {static_cast<std::uint32_t>(piece.bytes() / 16), told.mark};
  }
};

using toy = toy_code<false>;
using lossy_toy = toy_code<true>;

static_assert(kvstrata::page_codec<toy> && kvstrata::page_codec<lossy_toy>);

}  // namespace kvstrata_test
