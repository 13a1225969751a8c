// Lists of pieces to encode and decode, and how the host does it: what a device's copies and kernels do unit by unit.
#pragma once

#include <kvstrata/codec/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// A piece and where its code lies, all aligned to 16 bytes. Units that are kept raw lie in `elsewhere`, which has room for
/// a piece, in the place that they have in one; null: there is no such place.
struct code_piece
{
  std::byte* raw = nullptr;
  std::byte* code = nullptr;
  std::byte* elsewhere = nullptr;
  bool whole = true;  ///< false: no history fills it yet, so it is encoded as raw. Decoding does not ask
};

/// What became of the units. On a GPU one in memory that kernels and host can reach; kernels add to it.
struct code_counts
{
  std::uint32_t raw = 0;     ///< kept or found raw
  std::uint32_t faults = 0;  ///< malformed, or raw where there is no `elsewhere`

  constexpr code_counts& operator+=(const code_counts& other) noexcept
  {
    raw += other.raw;
    faults += other.faults;
    return *this;
  }
  friend constexpr bool operator==(const code_counts&, const code_counts&) = default;
};

enum class code_way : std::uint8_t { encode, decode };

/// What the raw bytes of a faulty unit become: NaN in every floating-point element.
inline constexpr std::byte code_poison{0xFF};

/// A page coder that fills the raw bytes of a unit: k.fill(unit, raw, byte).
template <class K>
concept list_coder = page_coder<K> && requires(const K& k, std::uint32_t unit, std::byte* raw, std::byte value) {
  { k.fill(unit, raw, value) } noexcept;
};

/// raw -> code. A unit that does not fit, and every unit of a piece that is not whole, is marked raw and its bytes are copied
/// to `elsewhere`; where that is null they are lost, which is a fault.
template <list_coder Coder>
code_counts encode_unit(const Coder& coder, std::uint32_t unit, const code_piece& piece) noexcept
{
  if (!piece.whole) coder.mark_raw(unit, piece.code);
  else if (coder.encode(unit, piece.raw, piece.code) == unit_kind::coded) return {};
  if (piece.elsewhere == nullptr) return {.raw = 1, .faults = 1};
  coder.copy_raw(unit, piece.raw, piece.elsewhere);
  return {.raw = 1, .faults = 0};
}

/// code -> raw, or elsewhere -> raw where the code says that it lies there. What is malformed, or nowhere, becomes poison.
template <list_coder Coder>
code_counts decode_unit(const Coder& coder, std::uint32_t unit, const code_piece& piece) noexcept
{
  const unit_kind kind = coder.decode(unit, piece.code, piece.raw);
  if (kind == unit_kind::coded) return {};
  const std::uint32_t raw = kind == unit_kind::raw ? 1 : 0;
  if (raw != 0 && piece.elsewhere != nullptr) {
    coder.copy_raw(unit, piece.elsewhere, piece.raw);
    return {.raw = 1, .faults = 0};
  }
  coder.fill(unit, piece.raw, code_poison);
  return {.raw = raw, .faults = 1};
}

/// All units of all pieces, one after the other, on this thread. Does not allocate.
template <list_coder Coder>
code_counts encode_pieces(const Coder& coder, std::span<const code_piece> pieces) noexcept
{
  code_counts counts;
  for (const code_piece& piece : pieces) {
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) counts += encode_unit(coder, unit, piece);
  }
  return counts;
}

/// Likewise.
template <list_coder Coder>
code_counts decode_pieces(const Coder& coder, std::span<const code_piece> pieces) noexcept
{
  code_counts counts;
  for (const code_piece& piece : pieces) {
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) counts += decode_unit(coder, unit, piece);
  }
  return counts;
}

}  // namespace kvstrata
