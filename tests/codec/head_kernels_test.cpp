// The bodies of int8's, fp8's and int4's kernels, on emulated blocks, against what the host makes of the same pieces.
#include "codec/codec_conformance.hpp"
#include "codec/emulated_blocks.hpp"
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/codec/kernels/channel_coder.hpp>
#include <kvstrata/codec/kernels/exp4_decoder.hpp>
#include <kvstrata/codec/kernels/exp4_encoder.hpp>
#include <kvstrata/codec/kernels/head_decoder.hpp>
#include <kvstrata/codec/kernels/head_encoder.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// Pieces side by side, their codes, and what is kept raw of them.
template <class Coder>
struct head_bed
{
  guarded_bytes raw, code, elsewhere;
  std::vector<code_piece> pieces;

  head_bed(const Coder& coder, std::size_t piece_bytes, std::size_t count)
      : raw((piece_bytes + 15) / 16 * 16 * count), code(coder.code_bytes() * count), elsewhere(raw.size())
  {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = i * (raw.size() / count);
      pieces.push_back({raw.data() + at, code.data() + i * coder.code_bytes(), elsewhere.data() + at, true});
    }
  }
  /// The same bytes elsewhere.
  [[nodiscard]] head_bed twin(const Coder& coder, std::size_t piece_bytes) const
  {
    head_bed out(coder, piece_bytes, pieces.size());
    std::copy_n(raw.data(), raw.size(), out.raw.data());
    std::copy_n(code.data(), code.size(), out.code.data());
    std::copy_n(elsewhere.data(), elsewhere.size(), out.elsewhere.data());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      out.pieces[i].whole = pieces[i].whole;
      if (pieces[i].elsewhere == nullptr) out.pieces[i].elsewhere = nullptr;
    }
    return out;
  }
  void watch()
  {
    block_accesses = {};
    block_accesses.allowed = {
        {raw.data(), raw.size()}, {code.data(), code.size()}, {elsewhere.data(), elsewhere.size()}};
  }
  [[nodiscard]] bool is_as(const head_bed& other) const
  {
    return raw == other.raw && code == other.code && elsewhere == other.elsewhere && raw.is_intact() &&
           code.is_intact() && elsewhere.is_intact();
  }
};

template <class Coder>
head_bed<Coder> drawn_bed(const Coder& coder, const piece_shape& shape, std::uint32_t seed)
{
  constexpr std::size_t count = 6;
  head_bed<Coder> bed(coder, shape.bytes(), count);
  for (std::size_t i = 0; i < count; ++i) {
    const piece_bytes drawn = drawn_piece(shape, seed + static_cast<std::uint32_t>(i), i % 2 == 0, i == 2 ? 400 : 2);
    std::memcpy(bed.pieces[i].raw, drawn.data(), drawn.size());
  }
  // Infinity in one head of three pieces, of which one has no elsewhere; and two that are not whole.
  for (const std::size_t i : {1U, 3U, 4U}) {
    std::memset(bed.pieces[i].raw + (seed * 37 + i) % shape.values() * bytes_of(shape.element), 0x7f,
                bytes_of(shape.element));
    bed.pieces[i].raw[(seed * 37 + i) % shape.values() * bytes_of(shape.element) + bytes_of(shape.element) - 2] =
        std::byte{0x80};
  }
  bed.pieces[3].elsewhere = nullptr;
  bed.pieces[4].whole = false;
  bed.pieces[5].whole = false;
  bed.pieces[5].elsewhere = nullptr;
  return bed;
}

template <page_codec C>
void blocks_are_the_host(const typename C::config& told)
{
  using coder_type = coder_of<C>;
  using encoder = block_encoder<coder_type, watched_block>;
  using decoder = block_decoder<coder_type, watched_block>;
  for (const element_type element : {element_type::bf16, element_type::f16, element_type::f32}) {
    for (const piece_shape shape :
         {piece_shape{32, 2, 64, element}, piece_shape{16, 1, 128, element}, piece_shape{70, 2, 72, element},
          piece_shape{3, 2, 5, element}, piece_shape{1, 1, 1, element}}) {
      const coder_type coder = C::coder(shape, told);
      CAPTURE(name_of(element), shape.tokens, shape.head_dim);
      for (unsigned seed = 1; seed <= 2; ++seed) {
        auto host = drawn_bed(coder, shape, seed);
        auto blocks = host.twin(coder, shape.bytes());
        const code_counts expected = encode_pieces(coder, host.pieces);
        blocks.watch();
        CHECK(emulated_blocks<encoder, coder_type>(coder, seed)(blocks.pieces, seed * 2 - 1) == expected);
        CHECK(blocks.is_as(host));
        for (auto* bed : {&host, &blocks}) {
          bed->raw.fill(std::byte{0x5C});
          bed->code.data()[seed * 7 % coder.code_bytes()] ^= std::byte{0x7F};  // one of the codes may be malformed
        }
        const code_counts found = decode_pieces(coder, host.pieces);
        blocks.watch();
        CHECK(emulated_blocks<decoder, coder_type>(coder, seed)(blocks.pieces, seed * 2 - 1) == found);
        CHECK(blocks.is_as(host));
      }
    }
  }
}

template <page_codec C>
void finds_what_is_malformed(const typename C::config& told)
{
  using coder_type = coder_of<C>;
  const piece_shape shape{4, 1, 16, element_type::bf16};
  const coder_type coder = C::coder(shape, told);
  head_bed<coder_type> host(coder, shape.bytes(), 1);
  const piece_bytes drawn = drawn_piece(shape, 1);
  std::memcpy(host.raw.data(), drawn.data(), drawn.size());
  REQUIRE(encode_pieces(coder, host.pieces) == code_counts{});
  unsigned seed = 0;
  each_spoilt_code(host.code, [&](const guarded_bytes& code) {
    std::memcpy(host.code.data(), code.data(), code.size());
    host.raw.fill(std::byte{0x5C});
    auto blocks = host.twin(coder, shape.bytes());
    blocks.watch();
    const code_counts expected = decode_pieces(coder, host.pieces);
    emulated_blocks<block_decoder<coder_type, watched_block>, coder_type> run(coder, ++seed);
    if (run(blocks.pieces, 1) != expected || !blocks.is_as(host)) FAIL("another verdict on spoilt code " << seed);
  });
}

}  // namespace

TEST_CASE("int8 by blocks is int8 by the host")
{
  blocks_are_the_host<codec::int8>({});
  blocks_are_the_host<codec::int8>({codec::silu_minimum});
}

TEST_CASE("fp8 by blocks is fp8 by the host")
{
  blocks_are_the_host<codec::fp8>({});
  blocks_are_the_host<codec::fp8>({false});
}

TEST_CASE("int4 by blocks is int4 by the host")
{
  blocks_are_the_host<codec::int4>({});
  blocks_are_the_host<codec::int4>({codec::silu_minimum});
}

TEST_CASE("int8, fp8 and int4 by blocks find out what is malformed, as the host does")
{
  finds_what_is_malformed<codec::int8>({codec::silu_minimum});
  finds_what_is_malformed<codec::fp8>({});
  finds_what_is_malformed<codec::int4>({});
}

namespace {

/// Bytes of the sectors that warps touch.
struct moved
{
  std::size_t read = 0;
  std::size_t written = 0;
  friend bool operator==(const moved&, const moved&) = default;
};
struct moved_both
{
  moved encoding, decoding;
  friend bool operator==(const moved_both&, const moved_both&) = default;
};

/// Of a page of 32 tokens in one layer, 4 heads x 64, bf16: 32 KiB, of which all has a code.
template <page_codec C>
moved_both moved_by(const typename C::config& told)
{
  using coder_type = coder_of<C>;
  const piece_shape shape{32, 4, 64, element_type::bf16};
  const coder_type coder = C::coder(shape, told);
  struct alignas(256) frame
  {
    std::byte bytes[256];
  };
  std::vector<frame> raw(shape.bytes() / sizeof(frame)), code(coder.code_bytes() / sizeof(frame) + 1);
  const piece_bytes drawn = drawn_piece(shape, 1);
  std::memcpy(raw.data(), drawn.data(), drawn.size());
  const code_piece piece{raw.front().bytes, code.front().bytes, nullptr, true};
  const auto of = [&](auto&& blocks) {
    block_accesses = {};
    block_accesses.allowed = {{piece.raw, raw.size() * sizeof(frame)}, {piece.code, code.size() * sizeof(frame)}};
    block_accesses.counts_sectors = true;
    CHECK(blocks({&piece, 1}, 1) == code_counts{});
    return moved{block_accesses.read.size() * block_log::sector_bytes,
                 block_accesses.written.size() * block_log::sector_bytes};
  };
  return {of(emulated_blocks<block_encoder<coder_type, watched_block>, coder_type>(coder, 1)),
          of(emulated_blocks<block_decoder<coder_type, watched_block>, coder_type>(coder, 1))};
}

}  // namespace

TEST_CASE("what blocks move of a page to encode and decode it, in sectors of 32 bytes")
{
  // Raw bytes are read and written once, but for int4's encoder, which looks at all of a unit before it makes a scale a channel.
  // Codes begin 16 bytes behind a head, so that a warp's begin and end within sectors; all threads read the head, fp8's in
  // both phases, and int4's warps each read all scales.
  constexpr std::size_t raw = std::size_t{32} << 10U;
  const piece_shape shape{32, 4, 64, element_type::bf16};
  REQUIRE(shape.bytes() == raw);

  REQUIRE(codec::int8::coder(shape, {}).code_bytes() == 16'512);
  CHECK(moved_by<codec::int8>({}) == moved_both{{raw, 17'536}, {19'328, raw}});
  CHECK(moved_by<codec::int8>({codec::silu_minimum}) == moved_both{{raw, 17'536}, {19'328, raw}});
  CHECK(moved_by<codec::fp8>({}) == moved_both{{raw, 17'536}, {21'376, raw}});
  REQUIRE(codec::int4::coder(shape, {}).code_bytes() == 9'344);
  CHECK(moved_by<codec::int4>({}) == moved_both{{2 * raw, 9'472}, {22'528, raw}});
  REQUIRE(codec::exp4::coder(shape, {}).code_bytes() == 24'800);
  const moved_both exact = moved_by<codec::exp4>({});  // and a sector an escape
  CHECK(exact.encoding.read - raw == exact.decoding.written - raw);
  CHECK(exact.encoding.read <= raw + raw / 50);
  CHECK(exact.encoding.written <= 26'500);
  CHECK(exact.decoding.read <= 27'500);
}
