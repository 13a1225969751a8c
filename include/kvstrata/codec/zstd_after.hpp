// A second stage without loss behind a page codec, for stores: zstd_after<int8>, zstd_after<fp8>, zstd_after<int4>. 2.9x
// of a trained HSTU's bf16 with int8. Needs libzstd: link kvstrata::zstd.
//
//   bytes      what
//   ---------- ----------------------------------------------------------------------------------------------------
//   0          0x7b
//   1          version, 1
//   2          0: raw, the piece follows as it is; 1: the page coder's code follows; 2: that code, as a zstd frame
//   3          0
//   4 to 7     bytes that follow
//   8 to 15    0
//
// It loses nothing more, and gains nothing behind exp4, whose code is as dense as bytes get: use exp_zstd instead. A piece
// with a unit that its coder leaves raw is kept raw as a whole.
#pragma once

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/codec/body_head.hpp>
#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/scratch.hpp>
#include <kvstrata/codec/zstd/frames.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

template <page_coder K>
class packed_coder
{
 public:
  packed_coder(const K& coder, const piece_shape& piece) noexcept : coder_(coder), raw_bytes_(piece.bytes()) {}

  [[nodiscard]] std::size_t most_bytes() const noexcept
  {
    const std::size_t code = coder_.code_bytes();
    return body_head::bytes + (code > raw_bytes_ ? code : raw_bytes_);
  }

  /// Throws std::bad_alloc.
  [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const
  {
    const std::size_t bytes = coder_.code_bytes();
    const std::span<std::byte> made = scratch(3, bytes);
    if (bytes != 0) std::memset(made.data(), 0, bytes);  // what no unit writes packs to nothing
    if (!detail::encode_all(coder_, raw.data(), made.data())) return body_head::write_raw(letter, code, raw);
    std::size_t length = 0;
    if (bytes > 1) length = zstd::frames::mine().compress(made, code.subspan(body_head::bytes, bytes - 1));
    const bool packed = length != 0;
    if (!packed) {
      length = bytes;
      if (bytes != 0) std::memcpy(code.data() + body_head::bytes, made.data(), bytes);
    }
    body_head{letter, packed ? body_head::kind_packed : body_head::kind_coded, length}.write(code);
    return body_head::bytes + length;
  }

  /// Throws std::bad_alloc.
  [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const
  {
    const body_head head = body_head::read(letter, code);
    if (raw.size() < raw_bytes_) return false;
    if (head.kind == body_head::kind_raw) return body_head::read_raw(code, raw.first(raw_bytes_));
    const std::size_t bytes = coder_.code_bytes();
    const std::span<std::byte> made = scratch(3, bytes);
    const std::span<const std::byte> from = code.subspan((std::min)(code.size(), body_head::bytes));
    if (head.kind == body_head::kind_packed) {
      if (!zstd::frames::mine().decompress(from, made)) return false;
    } else {
      if (head.kind != body_head::kind_coded || head.length != bytes) return false;
      if (bytes != 0) std::memcpy(made.data(), from.data(), bytes);
    }
    return detail::decode_all(coder_, made.data(), raw.first(raw_bytes_));
  }

 private:
  static constexpr std::uint8_t letter = 0x7b;

  K coder_;
  std::size_t raw_bytes_;
};

namespace detail {

/// zstd_after<...>, with the name of what it stands behind.
template <page_codec C>
struct name_after
{
  static constexpr std::string_view front = "zstd_after<";
  static constexpr std::string_view inner = C::name;

  static constexpr auto letters = [] {
    std::array<char, front.size() + inner.size() + 1> out{};
    std::copy(front.begin(), front.end(), out.begin());
    std::copy(inner.begin(), inner.end(), out.begin() + front.size());
    out.back() = '>';
    return out;
  }();
};

}  // namespace detail

template <page_codec C>
struct zstd_after
{
  using option_kind = codec_option;
  static constexpr std::string_view name{detail::name_after<C>::letters.data(), detail::name_after<C>::letters.size()};
  static constexpr bool lossy = C::lossy;
  using config = typename C::config;
  using bound = packed_coder<coder_of<C>>;

  /// Throws what C::coder does.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    return bound(C::coder(piece, told), piece);
  }
};

}  // namespace kvstrata::codec
