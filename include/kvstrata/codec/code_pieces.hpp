// Encoding and decoding lists of pieces on the host: what a kernel does for a device, the same to the byte.
#pragma once

#include <kvstrata/codec/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kvstrata {

/// A piece, its code, and where its raw bytes are kept that have no code.
struct code_piece
{
  std::byte* raw = nullptr;
  std::byte* code = nullptr;
  std::byte* elsewhere = nullptr;  ///< a piece of raw bytes; null where none is needed
  bool whole = true;               ///< false: no unit of it is encoded
};

/// From `raw` to `code`, or to `elsewhere`, which must be there for a piece that does not fit or is not whole. Only the host's
/// end of a piece may be unaligned.
template <page_coder K>
void encode_pieces(const K& coder, std::span<const code_piece> pieces) noexcept
{
  for (const code_piece& p : pieces) {
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
      if (p.whole && coder.encode(unit, p.raw, p.code) == unit_kind::coded) continue;
      coder.mark_raw(unit, p.code);
      if (p.elsewhere != nullptr) coder.copy_raw(unit, p.raw, p.elsewhere);
    }
  }
}

/// From `code` or `elsewhere` to `raw`. A unit that nobody has written is filled with 0xFF. Returns how many such there were.
template <page_coder K>
std::size_t decode_pieces(const K& coder, const piece_shape& piece, std::span<const code_piece> pieces) noexcept
{
  std::size_t faults = 0;
  for (const code_piece& p : pieces) {
    bool well = true;
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
      unit_kind was = coder.decode(unit, p.code, p.raw);
      if (was == unit_kind::raw && p.elsewhere != nullptr) coder.copy_raw(unit, p.elsewhere, p.raw);
      else well = well && was == unit_kind::coded;
    }
    if (well) continue;
    std::memset(p.raw, 0xFF, piece.bytes());
    ++faults;
  }
  return faults;
}

}  // namespace kvstrata
