// The bodies of kernels that encode and decode, on emulated blocks, against what the host makes of the same pieces.
#include "codec/codec_conformance.hpp"
#include "codec/emulated_blocks.hpp"
#include "codec/kv_values.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/kernels/exp4_decoder.hpp>
#include <kvstrata/codec/kernels/exp4_encoder.hpp>

#include <array>
#include <cstring>
#include <random>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;
using codec::exp4;
using codec::exp4_coder;

namespace {

using encoder = block_encoder<exp4_coder, watched_block>;
using decoder = block_decoder<exp4_coder, watched_block>;

/// Pieces side by side, their codes, and what is kept raw of them.
struct bed
{
  guarded_bytes raw, code, elsewhere;
  std::vector<code_piece> pieces;

  bed(const exp4_coder& coder, std::size_t piece_bytes, std::size_t count)
      : raw((piece_bytes + 15) / 16 * 16 * count), code(coder.code_bytes() * count), elsewhere(raw.size())
  {
    const std::size_t step = raw.size() / count;
    for (std::size_t i = 0; i < count; ++i) {
      pieces.push_back(
          {raw.data() + i * step, code.data() + i * coder.code_bytes(), elsewhere.data() + i * step, true});
    }
  }
  bed(const bed& other) : raw(other.raw), code(other.code), elsewhere(other.elsewhere), pieces(other.pieces)
  {
    for (code_piece& piece : pieces) {
      piece.raw = raw.data() + (piece.raw - other.raw.data());
      piece.code = code.data() + (piece.code - other.code.data());
      if (piece.elsewhere) piece.elsewhere = elsewhere.data() + (piece.elsewhere - other.elsewhere.data());
    }
  }

  void watch()
  {
    block_accesses = {};
    block_accesses.allowed = {
        {raw.data(), raw.size()}, {code.data(), code.size()}, {elsewhere.data(), elsewhere.size()}};
  }
  [[nodiscard]] bool is_intact() const { return raw.is_intact() && code.is_intact() && elsewhere.is_intact(); }
  friend bool operator==(const bed& a, const bed& b)
  {
    return a.raw == b.raw && a.code == b.code && a.elsewhere == b.elsewhere;
  }
};

/// Pieces with few escapes, with too many, with none; some not whole, some without an elsewhere.
bed drawn(const exp4_coder& coder, const piece_shape& piece, unsigned seed)
{
  constexpr std::size_t count = 7;
  bed out(coder, piece.bytes(), count);
  std::mt19937 draw(seed);
  draw_silu(out.raw, piece.element, 2, seed);
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* const raw = out.pieces[i].raw;
    const std::size_t noise = i % 3 == 0 ? 0 : i % 3 == 1 ? 4 : piece.values() / 4;
    for (std::size_t n = 0; n < noise; ++n) {
      const std::size_t at = draw() % piece.values() * bytes_of(piece.element) + bytes_of(piece.element) - 1;
      raw[at] = static_cast<std::byte>(draw());
    }
  }
  out.pieces[3].whole = false;
  out.pieces[4].whole = false;
  out.pieces[4].elsewhere = nullptr;
  out.pieces[5].elsewhere = nullptr;
  return out;
}

const std::vector<std::array<std::uint32_t, 3>> sizes = {{1, 1, 1},  {3, 1, 5},   {16, 2, 16}, {33, 1, 16},
                                                         {57, 1, 9}, {16, 4, 64}, {20, 4, 64}, {43, 3, 67}};

}  // namespace

TEST_CASE("exp4 by blocks is exp4 by the host")
{
  for (const auto& [tokens, heads, dim] : sizes) {
    for (const element_type element : {element_type::bf16, element_type::f32}) {
      for (const double share : {exp4::default_escape_share, 0.125}) {
        const piece_shape piece{tokens, heads, dim, element};
        const exp4_coder coder = exp4::coder(piece, {.table = {}, .escape_share = share});
        CAPTURE(piece.values(), name_of(element), share);
        for (unsigned seed = 1; seed <= 3; ++seed) {
          bed host = drawn(coder, piece, seed);
          bed blocks = host;
          const code_counts expected = encode_pieces(coder, host.pieces);
          blocks.watch();
          CHECK(emulated_blocks<encoder, exp4_coder>(coder, seed)(blocks.pieces, seed * 2 - 1) == expected);
          CHECK(blocks == host);

          for (bed* b : {&host, &blocks}) {
            b->raw.fill(std::byte{0x5C});
            b->code.data()[seed * 7 % coder.code_bytes()] ^= std::byte{0x40};  // and one of the codes is malformed
          }
          const code_counts found = decode_pieces(coder, host.pieces);
          blocks.watch();
          CHECK(emulated_blocks<decoder, exp4_coder>(coder, seed)(blocks.pieces, seed * 2 - 1) == found);
          CHECK(blocks == host);
          CHECK(blocks.is_intact());
        }
      }
    }
  }
}

TEST_CASE("exp4 by blocks finds out what is malformed, as the host does")
{
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    const piece_shape piece{33, 1, 16, element};
    const exp4_coder coder = exp4::coder(piece, {});
    bed host(coder, piece.bytes(), 1);
    draw_silu(host.raw, element, 2, 1);
    host.raw.data()[1001] = host.raw.data()[2003] = std::byte{0x70};
    REQUIRE(encode_pieces(coder, host.pieces) == code_counts{});
    unsigned seed = 0;
    each_spoilt_code(host.code, [&](const guarded_bytes& code) {
      if (++seed % 5 != 0 && seed > 400) return;
      std::memcpy(host.code.data(), code.data(), code.size());
      host.raw.fill(std::byte{0x5C});
      bed blocks = host;
      blocks.watch();
      const code_counts expected = decode_pieces(coder, host.pieces);
      if (emulated_blocks<decoder, exp4_coder>(coder, seed)(blocks.pieces, 1) != expected || !(blocks == host)) {
        FAIL("another verdict on spoilt code " << seed);
      }
    });
  }
}

TEST_CASE("exp4 by blocks moves every byte once, 16 at a time")
{
  const piece_shape piece{16, 4, 64, element_type::bf16};
  const exp4_coder coder = exp4::coder(piece, {});
  bed unit(coder, piece.bytes(), 1);
  draw_silu(unit.raw, piece.element, 2, 1);
  unit.watch();
  emulated_blocks<encoder, exp4_coder>(coder, 1)(unit.pieces, 1);
  const std::size_t escapes = coder.unit(0).escapes_of(codec::exp4_portable::load<std::uint64_t>(unit.code.data()));
  REQUIRE(escapes <= 29);
  CHECK(block_accesses.loads[16] == 1024);  // 16 KiB
  CHECK(block_accesses.loads[2] == escapes);
  CHECK(block_accesses.stores[16] == 768);  // 12 KiB
  CHECK(block_accesses.stores[8] == 3);     // head and table
  CHECK(block_accesses.stores[2] == 29);
  CHECK(block_accesses.stores[1] == 30);  // an exponent each, and a byte of nothing

  unit.watch();
  emulated_blocks<decoder, exp4_coder>(coder, 1)(unit.pieces, 1);
  CHECK(block_accesses.loads[16] == 768);
  CHECK(block_accesses.stores[16] == 1024);
  CHECK(block_accesses.stores[2] == escapes);
}

TEST_CASE("Pieces that do not fit one launch go in several")
{
  std::vector<std::byte> there(3000);
  std::vector<code_piece> pieces(3000);
  for (std::size_t i = 0; i < pieces.size(); ++i) pieces[i].raw = there.data() + i;
  for (const std::size_t count : {0U, 1U, 64U, 65U, 880U, 945U, 3000U}) {
    for (const std::uint32_t units : {1U, 3U, 1U << 28}) {
      std::size_t seen = 0;
      cuda::each_code_table(std::span(pieces).first(count), units, [&](const auto& table) {
        REQUIRE(table.count != 0);
        REQUIRE(table.count <= table.capacity);
        REQUIRE(table.units == table.count * units);
        REQUIRE(std::uint64_t{table.count} * units <= std::uint64_t{1} << 31);
        for (std::uint32_t i = 0; i < table.count; ++i) REQUIRE(table.pieces[i].raw == there.data() + seen++);
      });
      CHECK(seen == count);
    }
  }

  // Blocks have stretches of units, each unit once.
  cuda::small_code_table table;
  table.count = 5;
  table.units = 15;
  for (const std::uint32_t blocks : {1U, 2U, 7U, 15U, 40U}) {
    std::vector<int> seen(15);
    for (std::uint32_t block = 0; block < blocks; ++block) {
      cuda::each_unit_of_block(table, block, blocks, 3, [&](std::uint32_t unit, const code_piece& piece) {
        REQUIRE(unit < 3);
        ++seen[static_cast<std::size_t>(&piece - table.pieces.data()) * 3 + unit];
      });
    }
    CHECK(seen == std::vector<int>(15, 1));
  }
}
