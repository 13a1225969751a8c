// Decodes what exp_zstd and zstd_after may not have written: any bytes, or a code of which some were changed, cut short or too
// long; with frames that are sound around symbols that are not. What is malformed is not written; and what exp_zstd decodes
// comes back from a code of its own.
#include "codec/guarded_bytes.hpp"
#include "fuzz/fuzz.hpp"

#include <kvstrata/codec/exp_zstd.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/codec/zstd_after.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// Exponents around that of 1, or few values again and again.
guarded_bytes drawn(const piece_shape& piece, std::uint32_t seed)
{
  guarded_bytes raw(piece.bytes());
  const std::size_t width = bytes_of(piece.element);
  for (std::size_t i = 0; i < piece.values(); ++i) {
    const std::uint32_t noise = (static_cast<std::uint32_t>(seed % 2 == 0 ? i : i % 5) + seed) * 2654435761U;
    const std::uint32_t exponent = 120 + noise % 7;
    const std::uint32_t bits = (noise & 0x807F'FFFFU) | exponent << 23U;
    std::memcpy(raw.data() + i * width, reinterpret_cast<const char*>(&bits) + 4 - width, width);
  }
  return raw;
}

/// exp_zstd's code with another plane of symbols in a frame that is sound.
std::size_t with_other_symbols(fuzz_input& input, const piece_shape& piece, std::span<std::byte> code, std::size_t size)
{
  if (size < 16 || code[2] != std::byte{1}) return size;
  const std::size_t pairs = (2 * (std::to_integer<std::size_t>(code[15]) + 1) + 7) / 8;
  std::vector<std::byte> symbols(piece.values());
  for (std::byte& symbol : symbols) symbol = static_cast<std::byte>(input.number<std::uint8_t>() % 16);
  const std::size_t before = 16 + pairs;
  if (before + symbols.size() >= code.size()) return size;
  const std::size_t frame = codec::zstd::frames::mine().compress(symbols, code.subspan(before, symbols.size()));
  if (frame == 0) return size;
  const auto bytes = static_cast<std::uint32_t>(frame);
  std::memcpy(code.data() + 8, &bytes, 4);
  return (std::min)(code.size(), before + frame + input.number<std::uint16_t>() % (2 * symbols.size() + 1));
}

template <body_codec C>
void body(fuzz_input& input, const piece_shape& piece, const typename C::config& told)
{
  const auto coder = C::coder(piece, told);
  guarded_bytes room(coder.most_bytes());
  std::size_t size = coder.encode(drawn(piece, input.number<std::uint32_t>()).span(), room.span());
  switch (input.choice(5)) {
    case 0: size = input.number<std::uint16_t>() % (room.size() + 1); break;
    case 1: {
      const std::span<const std::byte> rest = input.rest();
      size = (std::min)(rest.size(), room.size());
      std::copy_n(rest.begin(), size, room.data());
      input = fuzz_input({});
      break;
    }
    case 2:
      if constexpr (!C::lossy) size = with_other_symbols(input, piece, room.span(), size);
      break;
    default: break;
  }
  while (!input.is_over() && size != 0) {
    std::size_t at = input.number<std::uint16_t>();
    at = at % 2 == 0 ? at / 2 % size : at / 2 % (std::min)(size, std::size_t{32});
    room.data()[at] ^= static_cast<std::byte>(input.number<std::uint8_t>());
  }
  guarded_bytes raw(piece.bytes(), std::byte{0x5C});
  const bool decoded = coder.decode(room.span().first(size), raw.span());
  require(raw.is_intact() && room.is_intact(), "nothing beside the values is written");
  require(decoded || raw.is_all(std::byte{0x5C}), "what is malformed is not written");
  if (!decoded || C::lossy) return;
  guarded_bytes again(coder.most_bytes()), back(piece.bytes());
  const std::size_t other = coder.encode(raw.span(), again.span());
  require(coder.decode(again.span().first(other), back.span()) && back == raw, "what was decoded has a code");
}

}  // namespace

void kvstrata_test::fuzz(std::span<const std::byte> bytes)
{
  fuzz_input input(bytes);
  constexpr std::array<std::array<std::uint32_t, 3>, 4> sizes = {{{1, 1, 3}, {3, 2, 33}, {2, 1, 66}, {8, 1, 64}}};
  const auto& [tokens, heads, dim] = sizes[input.choice(sizes.size())];
  const piece_shape piece{tokens, heads, dim, input.choice(2) == 0 ? element_type::bf16 : element_type::f32};
  switch (input.choice(4)) {
    case 0: return body<codec::exp_zstd>(input, piece, {});
    case 1: return body<codec::exp_zstd>(input, piece, {input.number<std::uint16_t>() % 512U});
    case 2: return body<codec::zstd_after<codec::int8>>(input, piece, {});
    default: return body<codec::zstd_after<codec::int4>>(input, piece, {codec::silu_minimum});
  }
}
