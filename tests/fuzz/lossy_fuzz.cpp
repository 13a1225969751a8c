// Decodes what no coder of int8, fp8 and int4 may have written: any bytes, or a code of which some were changed; as units,
// and as a body. What is malformed is not written, and a unit is what its head says, or malformed.
#include "codec/guarded_bytes.hpp"
#include "fuzz/fuzz.hpp"

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <algorithm>
#include <array>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

constexpr std::array<std::array<std::uint32_t, 3>, 4> sizes = {{{1, 1, 3}, {3, 2, 5}, {2, 1, 66}, {8, 1, 32}}};

/// Finite values, which have a code.
guarded_bytes drawn(const piece_shape& piece, std::uint32_t seed)
{
  guarded_bytes raw(piece.bytes());
  for (std::size_t i = 0; i < piece.values(); ++i) {
    const std::uint32_t bits = (static_cast<std::uint32_t>(i) + seed) * 2654435761U & 0xBFFF'FFFFU;  // up to 2
    const std::size_t width = bytes_of(piece.element);
    std::memcpy(raw.data() + i * width, reinterpret_cast<const char*>(&bits) + 4 - width, width);
  }
  return raw;
}

void change(fuzz_input& input, std::span<std::byte> code)
{
  while (!input.is_over() && !code.empty()) {
    std::size_t at = input.number<std::uint16_t>();
    at = at % 2 == 0 ? at / 2 % code.size() : at / 2 % (std::min)(code.size(), std::size_t{32});
    code[at] ^= static_cast<std::byte>(input.number<std::uint8_t>());
  }
}

template <page_codec C>
void units(fuzz_input input, const piece_shape& piece, const typename C::config& told)
{
  const auto coder = C::coder(piece, told);
  guarded_bytes code(coder.code_bytes(), std::byte{0});
  if (input.choice(4) == 0) {
    const std::span<const std::byte> rest = input.rest();
    std::copy_n(rest.begin(), (std::min)(rest.size(), code.size()), code.data());
  } else {
    const guarded_bytes raw = drawn(piece, input.number<std::uint32_t>());
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
      require(coder.encode(unit, raw.data(), code.data()) == unit_kind::coded, "what is finite has a code");
    }
    change(input, code.span());
  }
  const guarded_bytes before = code;
  for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
    guarded_bytes raw(piece.bytes(), std::byte{0x5C});
    const unit_kind kind = coder.decode(unit, code.data(), raw.data());
    require(raw.is_intact() && code == before, "nothing beside the values is written");
    require(kind == unit_kind::coded || raw.is_all(std::byte{0x5C}), "what is malformed is not written");
    require(kind == coder.kind_of(unit, code.data()) || kind == unit_kind::malformed, "a unit is what its head says");
    if (kind == unit_kind::coded) continue;
    coder.mark_raw(unit, code.data());
    require(coder.kind_of(unit, code.data()) == unit_kind::raw, "any unit can be marked");
    std::copy_n(before.data(), before.size(), code.data());
  }
}

template <page_codec C>
void body(fuzz_input input, const piece_shape& piece, const typename C::config& told)
{
  const auto coder = codec::as_body<C>::coder(piece, told);
  guarded_bytes room(coder.most_bytes());
  std::size_t size = coder.encode(drawn(piece, input.number<std::uint32_t>()).span(), room.span());
  if (input.choice(2) == 0) size = input.number<std::uint16_t>() % (room.size() + 1);
  change(input, room.span().first(size));
  guarded_bytes raw(piece.bytes(), std::byte{0x5C});
  const bool decoded = coder.decode(room.span().first(size), raw.span());
  require(raw.is_intact() && room.is_intact(), "nothing beside the values is written");
  require(decoded || raw.is_all(std::byte{0x5C}), "what is malformed is not written");
}

template <page_codec C>
void all(fuzz_input& input, const piece_shape& piece, const typename C::config& told)
{
  if (input.choice(2) == 0) units<C>(input, piece, told);
  else body<C>(input, piece, told);
}

}  // namespace

void kvstrata_test::fuzz(std::span<const std::byte> bytes)
{
  fuzz_input input(bytes);
  const auto& [tokens, heads, dim] = sizes[input.choice(sizes.size())];
  constexpr std::array elements = {element_type::bf16, element_type::f16, element_type::f32};
  const piece_shape piece{tokens, heads, dim, elements[input.choice(elements.size())]};
  switch (input.choice(6)) {
    case 0: return all<codec::int8>(input, piece, {});
    case 1: return all<codec::int8>(input, piece, {codec::silu_minimum});
    case 2: return all<codec::fp8>(input, piece, {});
    case 3: return all<codec::fp8>(input, piece, {false});
    case 4: return all<codec::int4>(input, piece, {});
    default: return all<codec::int4>(input, piece, {codec::silu_minimum});
  }
}
