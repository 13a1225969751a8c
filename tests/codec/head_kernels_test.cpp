// The bodies of int8's, fp8's and int4's kernels, on emulated blocks, against what the host makes of the same pieces.
#include "codec/codec_conformance.hpp"
#include "codec/emulated_blocks.hpp"
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/codec/kernels/channel_coder.hpp>
#include <kvstrata/codec/kernels/head_decoder.hpp>
#include <kvstrata/codec/kernels/head_encoder.hpp>

#include <algorithm>
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

TEST_CASE("int8 by blocks reads a page's head once, 16 bytes at a time")
{
  const piece_shape shape{32, 1, 64, element_type::bf16};
  const auto coder = codec::int8::coder(shape, {});
  head_bed<codec::int8::bound> bed(coder, shape.bytes(), 1);
  const piece_bytes drawn = drawn_piece(shape, 1);
  std::memcpy(bed.raw.data(), drawn.data(), drawn.size());
  bed.watch();
  emulated_blocks<block_encoder<codec::int8::bound, watched_block>, codec::int8::bound>(coder, 1)(bed.pieces, 1);
  CHECK(block_accesses.loads[16] == 512);  // 8 KiB, K and V
  CHECK(block_accesses.stores[8] == 512);  // 4 KiB
  CHECK(block_accesses.stores[16] == 2);   // heads
  bed.watch();
  emulated_blocks<block_decoder<codec::int8::bound, watched_block>, codec::int8::bound>(coder, 1)(bed.pieces, 1);
  CHECK(block_accesses.loads[8] == 512);
  CHECK(block_accesses.stores[16] == 512);
}
