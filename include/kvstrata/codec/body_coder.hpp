// Any page coder as a body coder: how a store keeps what memories keep.
//
//   bytes      what
//   ---------- ----------------------------------------------------------------------------------------------------
//   0          0x70
//   1          version, 1
//   2          0: raw, the piece follows as it is; 1: the page coder's code follows
//   3          0
//   4 to 7     bytes that follow
//   8 to 15    0
//
// A piece with a unit that its coder leaves raw is kept raw as a whole: that is rare, or the codec is the wrong one.
#pragma once

#include <kvstrata/codec/body_head.hpp>
#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/codec/scratch.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

namespace detail {

/// All units of `raw` into `code`. False where one stays raw.
template <page_coder K>
[[nodiscard]] bool encode_all(const K& k, const std::byte* raw, std::byte* code) noexcept
{
  for (std::uint32_t unit = 0; unit < k.units(); ++unit) {
    if (k.encode(unit, raw, code) != unit_kind::coded) return false;
  }
  return true;
}

/// All units of `code` into `raw`, by way of memory of the thread's: nothing is written unless all are coded.
template <page_coder K>
[[nodiscard]] bool decode_all(const K& k, const std::byte* code, std::span<std::byte> raw)
{
  for (std::uint32_t unit = 0; unit < k.units(); ++unit) {
    if (k.kind_of(unit, code) != unit_kind::coded) return false;
  }
  const std::span<std::byte> whole = scratch(4, raw.size());
  for (std::uint32_t unit = 0; unit < k.units(); ++unit) {
    if (k.decode(unit, code, whole.data()) != unit_kind::coded) return false;
  }
  if (!raw.empty()) std::memcpy(raw.data(), whole.data(), raw.size());
  return true;
}

}  // namespace detail

template <page_coder K>
class body_coder_of
{
 public:
  body_coder_of(const K& coder, const piece_shape& piece) noexcept : coder_(coder), raw_bytes_(piece.bytes()) {}

  [[nodiscard]] std::size_t most_bytes() const noexcept
  {
    const std::size_t code = coder_.code_bytes();
    return body_head::bytes + (code > raw_bytes_ ? code : raw_bytes_);
  }

  /// Throws std::bad_alloc.
  [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const
  {
    const std::size_t bytes = coder_.code_bytes();
    const std::span<std::byte> made = scratch(3, bytes);  // aligned, and no byte of it without a value
    if (bytes != 0) std::memset(made.data(), 0, bytes);
    if (!detail::encode_all(coder_, raw.data(), made.data())) return body_head::write_raw(letter, code, raw);
    body_head{letter, body_head::kind_coded, bytes}.write(code);
    if (bytes != 0) std::memcpy(code.data() + body_head::bytes, made.data(), bytes);
    return body_head::bytes + bytes;
  }

  /// Throws std::bad_alloc.
  [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const
  {
    const body_head head = body_head::read(letter, code);
    if (raw.size() < raw_bytes_) return false;
    if (head.kind == body_head::kind_raw) return body_head::read_raw(code, raw.first(raw_bytes_));
    if (head.kind != body_head::kind_coded || head.length != coder_.code_bytes()) return false;
    const std::span<std::byte> aligned = scratch(3, head.length);
    if (head.length != 0) std::memcpy(aligned.data(), code.data() + body_head::bytes, head.length);
    return detail::decode_all(coder_, aligned.data(), raw.first(raw_bytes_));
  }

 private:
  static constexpr std::uint8_t letter = 0x70;

  K coder_;
  std::size_t raw_bytes_;
};

/// A page codec as a body codec, for stores: nvme_file<codec::as_body<codec::exp4>>.
template <page_codec C>
struct as_body
{
  using option_kind = codec_option;
  static constexpr std::string_view name = C::name;
  static constexpr bool lossy = C::lossy;
  using config = typename C::config;
  using bound = body_coder_of<coder_of<C>>;

  /// Throws what C::coder does.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    return bound(C::coder(piece, told), piece);
  }
};

}  // namespace kvstrata::codec
