// Decodes what no coder may have written: any bytes, or a code of which some were changed. Whatever is said of it, all paths
// say the same; what is malformed was not written to, and what is a code is one that encoding gives.
#include "codec/guarded_bytes.hpp"
#include "fuzz/fuzz.hpp"

#include <kvstrata/codec/exp4.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;
using codec::exp4;
using codec::exp4_coder;

/// Pieces of one unit: less than a group, groups behind no tile, a tile and a bit, two tiles.
constexpr std::array<std::array<std::uint32_t, 3>, 5> sizes = {
    {{1, 1, 3}, {3, 1, 5}, {5, 3, 7}, {33, 1, 16}, {32, 2, 16}}};

/// Fills `code` with the code of drawn values, and then changes what the input says.
void draw_code(const exp4_coder& coder, fuzz_input& input, guarded_bytes& code, std::size_t piece_bytes,
               std::size_t width)
{
  guarded_bytes raw(piece_bytes, std::byte{0});
  const auto seed = input.number<std::uint32_t>();
  for (std::size_t i = 0; i * width < piece_bytes; ++i) {
    const std::uint32_t drawn = (static_cast<std::uint32_t>(i) + seed) * 2654435761U;
    const std::uint32_t exponent = drawn >> 24 == 0 ? drawn & 0xFF : 116 + (drawn >> 8) % 15;
    const auto top = static_cast<std::uint16_t>((drawn >> 16 & 0x807F) | exponent << 7);
    std::memcpy(raw.data() + i * width + width - 2, &top, sizeof(top));
  }
  coder.encode(0, raw.data(), code.data());
  while (!input.is_over()) {
    // Half of the changes are in the head.
    std::size_t at = input.number<std::uint16_t>();
    at = at % 2 == 0 ? at / 2 % code.size() : at / 2 % (std::min)(code.size(), std::size_t{64});
    code.data()[at] ^= static_cast<std::byte>(input.number<std::uint8_t>());
  }
}

/// The table that is in a code.
exp4::config told_by(const guarded_bytes& code, double share)
{
  exp4::config told{.table = {}, .escape_share = share};
  std::memcpy(told.table.exponents.data(), code.data() + codec::exp4_unit::table_at + 1, told.table.exponents.size());
  return told;
}

}  // namespace

void kvstrata_test::fuzz(std::span<const std::byte> bytes)
{
  fuzz_input input(bytes);
  const auto& [tokens, heads, dim] = sizes[input.choice(sizes.size())];
  const element_type element = input.choice(2) == 0 ? element_type::bf16 : element_type::f32;
  const double share = input.choice(2) == 0 ? exp4::default_escape_share : 0.125;
  const piece_shape piece{tokens, heads, dim, element};
  const exp4_coder coder = exp4::coder(piece, {.table = {}, .escape_share = share});
  guarded_bytes code(coder.code_bytes(), std::byte{0});
  if (input.choice(4) == 0) {
    const std::span<const std::byte> rest = input.rest();
    std::copy_n(rest.begin(), (std::min)(rest.size(), code.size()), code.data());
  } else {
    draw_code(coder, input, code, piece.bytes(), bytes_of(element));
  }

  const guarded_bytes before = code;
  std::optional<guarded_bytes> first;
  std::optional<unit_kind> verdict;
  for (const codec::exp4_path& path : codec::exp4_paths()) {
    guarded_bytes raw(piece.bytes(), std::byte{0x5C});
    const unit_kind kind = coder.decode(path, 0, code.data(), raw.data());
    require(raw.is_intact() && code == before, "nothing beside the values is written");
    require(kind == unit_kind::coded || raw.is_all(std::byte{0x5C}), "what is malformed is not written");
    require(kind == coder.kind_of(0, code.data()) || kind == unit_kind::malformed, "a unit is what its head says");
    require(!verdict || *verdict == kind, "all paths say the same");
    require(!first || raw == *first, "all paths read the same");
    verdict = kind;
    if (!first) first.emplace(raw);
  }
  if (*verdict != unit_kind::coded) return;

  const exp4_coder again = exp4::coder(piece, told_by(code, share));
  guarded_bytes other(again.code_bytes(), std::byte{0}), back(piece.bytes());
  require(again.encode(0, first->data(), other.data()) == unit_kind::coded, "what a code holds has a code");
  require(std::memcmp(other.data(), code.data(), coder.unit(0).head_bytes()) == 0, "a code has one head");
  require(coder.decode(0, other.data(), back.data()) == unit_kind::coded, "a code decodes");
  require(back == *first, "a code holds what it was made of");
}
