// A body codec without loss, for K and V in bf16 or f32 in stores: 1.65x of a trained HSTU's in bf16, 1.50x of Gaussian
// values. Needs libzstd: link kvstrata::zstd.
//
// Sign and exponent of all values are one plane of symbols, with the mantissas of the pair where an activation's minimum
// gathers (codec/zstd/alphabet.hpp says which and why), and zstd's entropy coder has that. The other mantissas stay as they
// are, seven bits each, as do the lower halves of f32. A piece that gains nothing by it is kept raw.
//
//   bytes     what
//   --------- ------------------------------------------------------------------------------------------------------
//   0         0x7a
//   1         version, 1
//   2         0: raw, the piece follows byte 15 as it is; 1: by planes
//   3         element_type
//   4 to 7    values of the piece
//   8 to 11   bytes of the frame (raw: 0)
//   12, 13    the crowded pair, sign * 256 + exponent, or 0xffff (raw: 0)
//   14, 15    the first exponent, and how many more follow it (raw: 0)
//   then      which plain pairs occur: two bits an exponent, the positive one first, padded with zeros to whole bytes
//   then      the frame: a symbol a value
//   then      mantissas of the plain symbols, eight in seven bytes
//   then      f32 only: the lower halves, two bytes a value
//
// All numbers little-endian. Version 1 is read by every later one.
#pragma once

#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/zstd/exp_code.hpp>
#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct exp_zstd
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "exp_zstd";
  static constexpr bool lossy = false;

  static constexpr std::uint32_t measured = 0xfffe;  ///< on each piece, in some thousand of its values
  static constexpr std::uint32_t none = planes::no_pair;

  struct config
  {
    /// The pair of sign and exponent whose mantissas are worth a symbol each: sign * 256 + exponent. 381 (negative, 125)
    /// where K and V are SiLU'd. Measuring finds it by itself and costs some 5 % of the time to encode.
    std::uint32_t crowded = measured;
  };

  class bound
  {
   public:
    bound(const piece_shape& piece, const config& told)
        : code_{piece.values(), piece.element, told.crowded, told.crowded == measured}
    {
    }

    [[nodiscard]] std::size_t most_bytes() const noexcept { return code_.most_bytes(); }
    /// Throws std::bad_alloc, at the first pieces of a thread.
    [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const
    {
      return code_.encode(raw, code);
    }
    /// Throws std::bad_alloc, at the first pieces of a thread.
    [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const
    {
      return code_.decode(code, raw);
    }

   private:
    zstd::exp_code code_;
  };

  /// bf16 and f32, up to 1 GiB.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    if (piece.element != element_type::bf16 && piece.element != element_type::f32) {
      throw config_error("geometry.element", name_of(piece.element),
                         "exp_zstd takes the exponents of bf16 and f32 out of values, and knows no others; use "
                         "another codec, or none");
    }
    constexpr std::size_t most = std::size_t{1} << 30U;
    if (piece.bytes() > most) {
      throw config_error("bytes of a piece", piece.bytes(),
                         "exp_zstd encodes at most 2^30 at a time; use smaller pages");
    }
    if (told.crowded >= planes::pairs && told.crowded != measured && told.crowded != none) {
      throw config_error("exp_zstd.crowded", told.crowded,
                         "it is sign * 256 + exponent, so at most 511, or exp_zstd::measured or exp_zstd::none");
    }
    return bound(piece, told);
  }
};

static_assert(body_codec<exp_zstd>);

}  // namespace kvstrata::codec
