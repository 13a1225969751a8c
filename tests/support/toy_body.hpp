// The toy codec for stores, whose codes are as long as they turn out: a byte that says what follows, then five bytes a row where
// all rows of a page have a code, else the page as it is. So short pages gain by it, too.
#pragma once

#include "support/toy_codec.hpp"

#include <kvstrata/codec/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace kvstrata_test {

template <bool Lossy>
struct toy_body_code
{
  using option_kind = kvstrata::codec_option;
  static constexpr std::string_view name = Lossy ? "toy body, lossy" : "toy body";
  static constexpr bool lossy = Lossy;

  struct config
  {
  };

  class bound
  {
   public:
    explicit bound(std::size_t bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] std::size_t most_bytes() const noexcept { return 1 + bytes_; }
    [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const noexcept
    {
      std::size_t at = 1;
      for (std::size_t i = 0; i < bytes_; i += 8) {
        std::uint64_t row = 0;
        std::memcpy(&row, raw.data() + i, 8);
        if ((row & ~toy_mask) != toy_top) {
          code[0] = is_raw;
          std::memcpy(code.data() + 1, raw.data(), bytes_);
          return 1 + bytes_;
        }
        if (Lossy) row = toy_rounded(row);
        for (unsigned b = 0; b < 5; ++b) code[at++] = static_cast<std::byte>(row >> (8 * b));
      }
      code[0] = is_coded;
      return at;
    }
    [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const noexcept
    {
      if (code.empty() || raw.size() < bytes_) return false;
      if (code[0] == is_raw && code.size() == 1 + bytes_) {
        std::memcpy(raw.data(), code.data() + 1, bytes_);
        return true;
      }
      if (code[0] != is_coded || code.size() != 1 + bytes_ / 8 * 5) return false;
      for (std::size_t i = 0, at = 1; i < bytes_; i += 8) {
        std::uint64_t row = toy_top;
        for (unsigned b = 0; b < 5; ++b) row |= std::to_integer<std::uint64_t>(code[at++]) << (8 * b);
        std::memcpy(raw.data() + i, &row, 8);
      }
      return true;
    }

   private:
    static constexpr std::byte is_coded{0xC0};
    static constexpr std::byte is_raw{0x55};

    std::size_t bytes_;  // a multiple of 8
  };

  [[nodiscard]] static bound coder(const kvstrata::piece_shape& piece, const config&) { return bound(piece.bytes()); }
};

using toy_body = toy_body_code<false>;
using lossy_toy_body = toy_body_code<true>;

static_assert(kvstrata::body_codec<toy_body> && kvstrata::body_codec<lossy_toy_body>);

}  // namespace kvstrata_test
