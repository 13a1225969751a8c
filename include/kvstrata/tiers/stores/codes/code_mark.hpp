// Which codec a store keeps the bytes of its pages by, as what it writes says it.
#pragma once

#include <kvstrata/codec/piece.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

struct code_mark
{
  static constexpr std::size_t name_bytes = 48;

  std::uint64_t fingerprint = 0;  ///< of its name, its version, and whether it is lossy; 0: bytes as they are
  piece_shape piece{};            ///< that it encodes: a page in one layer
  std::array<char, name_bytes> letters{};

  [[nodiscard]] constexpr bool is_none() const noexcept { return fingerprint == 0; }
  [[nodiscard]] constexpr bool is_whole() const noexcept
  {
    return !is_none() && piece.values() != 0 && piece.element <= element_type::int8;
  }
  /// For people: two codecs of one name have fingerprints of their own. Only what can be printed.
  [[nodiscard]] std::string name() const
  {
    std::string out;
    for (const char c : letters) {
      if (c == 0) break;
      out += c >= ' ' && c <= '~' ? c : '?';
    }
    return out;
  }
  constexpr void call(std::string_view what) noexcept
  {
    letters = {};
    std::copy_n(what.begin(), (std::min)(what.size(), name_bytes), letters.begin());
  }

  friend constexpr bool operator==(const code_mark&, const code_mark&) = default;
};

/// Never 0.
[[nodiscard]] constexpr std::uint64_t code_fingerprint(std::string_view name, std::uint32_t version,
                                                       bool lossy) noexcept
{
  std::uint64_t x = 0xcbf29ce484222325U;  // FNV-1a
  const auto add = [&x](std::uint32_t byte) { x = (x ^ byte) * 0x100000001b3U; };
  for (const char c : name) add(static_cast<unsigned char>(c));
  for (unsigned shift = 0; shift < 32; shift += 8) add(version >> shift & 0xffU);
  add(lossy ? 1 : 0);
  return x == 0 ? 1 : x;
}

/// One number for a codec and what it encodes: two that can read each other's codes have the same. 0: bytes as they are.
[[nodiscard]] constexpr std::uint64_t fingerprint_with_piece(const code_mark& mark) noexcept
{
  if (mark.is_none()) return 0;
  std::uint64_t x = mark.fingerprint;
  for (const std::uint64_t part :
       {std::uint64_t{mark.piece.tokens}, std::uint64_t{mark.piece.kv_heads}, std::uint64_t{mark.piece.head_dim},
        static_cast<std::uint64_t>(mark.piece.element)}) {
    x = (x ^ part) * 0x9e3779b97f4a7c15U;
    x ^= x >> 29U;
  }
  return x == 0 ? 1 : x;
}

}  // namespace kvstrata::stores
