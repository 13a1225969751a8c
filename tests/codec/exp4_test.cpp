// exp4: not a bit is lost, whatever the values, the table and the path; and what a table of other weights costs.
#include "codec/codec_conformance.hpp"
#include "codec/kv_values.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/codec/exp4.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;
using codec::exp4;
using codec::exp4_unit;
using codec::exponent_counts;
using codec::exponent_table;

namespace {

constexpr double most_share = 0.125;

piece_shape shape(std::uint32_t tokens, std::uint32_t heads, std::uint32_t dim, element_type element)
{
  return {tokens, heads, dim, element};
}

/// One value, one tile less and more a value, whole units and parts of them.
const std::vector<std::array<std::uint32_t, 3>> sizes = {{1, 1, 1},   {3, 1, 5},  {17, 1, 1},  {16, 2, 16},
                                                         {33, 1, 16}, {57, 1, 9}, {16, 4, 64}, {20, 4, 64},
                                                         {32, 4, 64}, {43, 3, 67}};

std::uint16_t top_at(const guarded_bytes& raw, std::uint32_t width, std::size_t value)
{
  std::uint16_t top = 0;
  std::memcpy(&top, raw.data() + value * width + width - 2, sizeof(top));
  return top;
}
void put_top(guarded_bytes& raw, std::uint32_t width, std::size_t value, std::size_t top)
{
  const auto half = static_cast<std::uint16_t>(top);
  std::memcpy(raw.data() + value * width + width - 2, &half, sizeof(half));
}

/// A piece in which `escapes` values of the first unit have none of the table's exponents, wherever they are.
guarded_bytes with_escapes(std::size_t values, std::uint32_t width, std::uint32_t escapes, unsigned seed)
{
  guarded_bytes raw(values * width);
  raw.fill_with_noise(seed);
  std::mt19937 draw(seed);
  for (std::size_t i = 0; i < values; ++i) {
    put_top(raw, width, i, (top_at(raw, width, i) & 0x807FU) | (116 + draw() % 15) << 7);
  }
  for (std::uint32_t done = 0; done < escapes;) {
    const std::size_t at = draw() % (std::min)(values, std::size_t{exp4_unit::most_values});
    const std::uint32_t top = top_at(raw, width, at);
    if (!exponent_table().has(top >> 7 & 0xFF)) continue;
    const std::size_t exponent = draw() % (256 - 15);
    put_top(raw, width, at, (top & 0x807F) | (exponent < 116 ? exponent : exponent + 15) << 7);
    ++done;
  }
  return raw;
}

unit_kind first_unit(const codec::exp4_coder& coder, const guarded_bytes& raw, guarded_bytes& code)
{
  return coder.encode(0, raw.data(), code.data());
}

}  // namespace

TEST_CASE("exp4: pieces cost what is promised")
{
  const auto ratio = [](const piece_shape& piece) {
    const auto coder = exp4::coder(piece, {});
    CHECK(coder.code_bytes() % 16 == 0);
    return static_cast<double>(piece.bytes()) / static_cast<double>(coder.code_bytes());
  };
  CHECK(ratio(shape(16, 4, 64, element_type::bf16)) >= 1.32);   // 16 KiB
  CHECK(ratio(shape(32, 4, 64, element_type::bf16)) >= 1.32);   // 32 KiB
  CHECK(ratio(shape(128, 4, 64, element_type::bf16)) >= 1.32);  // 128 KiB
  CHECK(ratio(shape(32, 4, 64, element_type::f32)) == Approx(1.138).margin(0.001));
  CHECK(exp4::coder(shape(32, 4, 64, element_type::bf16), {}).units() == 2);
}

TEST_CASE("exp4 conforms, for every size and share")
{
  for (const auto& [tokens, heads, dim] : sizes) {
    for (const element_type element : {element_type::bf16, element_type::f32}) {
      for (const double share : {0.0, exp4::default_escape_share, most_share}) {
        const piece_shape piece = shape(tokens, heads, dim, element);
        CAPTURE(piece.values(), name_of(element), share);
        const auto coder = exp4::coder(piece, {.table = {}, .escape_share = share});
        const auto width = static_cast<std::uint32_t>(bytes_of(element));
        codec_values values;
        values.draw = [&](guarded_bytes& raw, unsigned seed) {
          // As many escapes as have room in the first unit, all that room would hold of what is drawn after the first time.
          const std::uint32_t escapes = seed == 1 ? 0 : coder.unit(0).room;
          const guarded_bytes drawn = with_escapes(piece.values(), width, escapes, seed);
          std::copy_n(drawn.data(), drawn.size(), raw.data());
        };
        check_page_coder(coder, piece.bytes(), values);
      }
    }
  }
}

TEST_CASE("exp4: one escape too many, and the unit is raw")
{
  for (const auto& [tokens, heads, dim] : sizes) {
    for (const element_type element : {element_type::bf16, element_type::f32}) {
      const piece_shape piece = shape(tokens, heads, dim, element);
      const auto coder = exp4::coder(piece, {});
      const std::uint32_t room = coder.unit(0).room;
      const auto width = static_cast<std::uint32_t>(bytes_of(element));
      CAPTURE(piece.values(), name_of(element), room);
      guarded_bytes code(coder.code_bytes(), std::byte{0x3C});
      CHECK(first_unit(coder, with_escapes(piece.values(), width, room, 5), code) == unit_kind::coded);
      if (room == coder.unit(0).values) continue;
      guarded_bytes marked(coder.code_bytes(), std::byte{0x3C});
      coder.mark_raw(0, marked.data());
      code.fill(std::byte{0x3C});
      CHECK(first_unit(coder, with_escapes(piece.values(), width, room + 1, 5), code) == unit_kind::raw);
      CHECK(code == marked);  // the head, and nothing else
    }
  }
}

TEST_CASE("exp4: every exponent, and every sign and mantissa, in every place")
{
  // A value's code is of its exponent and of its other bits, apart; so all patterns everywhere are these.
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    const piece_shape piece = shape(17, 4, 64, element);  // a unit, and half a tile
    const auto coder = exp4::coder(piece, {.table = {}, .escape_share = most_share});
    const auto width = static_cast<std::uint32_t>(bytes_of(element));
    const std::size_t values = piece.values();
    const bool is_quick = effort == 1 && element == element_type::f32;
    guarded_bytes raw(piece.bytes()), code(coder.code_bytes()), back(piece.bytes());
    raw.fill_with_noise(1);
    for (std::uint32_t round = 0; round < 256 * 9; round += is_quick ? 23 : 1) {
      // A ninth of the values, others every time, has any exponent, the others one of the table's.
      for (std::size_t i = 0; i < values; ++i) {
        const std::size_t rest = i * 37 + round / 9;
        const std::size_t any = (i * 11 + round / 9) % 256;
        const std::size_t exponent = (i + round) % 9 == 0 ? any : 116 + (i + round / 9) % 15;
        put_top(raw, width, i, (rest & 0x80) << 8 | exponent << 7 | (rest & 0x7F));
      }
      for (const codec::exp4_path& path : codec::exp4_paths()) {
        back.fill(std::byte{0});
        for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
          if (coder.encode(path, unit, raw.data(), code.data()) != unit_kind::coded) FAIL("no room in round " << round);
          if (coder.decode(path, unit, code.data(), back.data()) != unit_kind::coded) FAIL("malformed " << round);
        }
        if (!(back == raw)) FAIL(path.name << " loses bits in round " << round);
      }
    }
  }
}

TEST_CASE("exp4: every path writes the same codes, and reads those of all")
{
  const auto paths = codec::exp4_paths();
  REQUIRE(paths.back().name == "portable");
  if (paths.size() == 1) SKIP_TEST("this CPU has neither AVX2 nor AVX-512BW");
  // Exponents one after the other, in one row of 16 and in two, the first ones and the last ones; and in as many rows as
  // there can be, or in two with a gap.
  std::vector<exponent_table> tables(6);
  for (std::size_t i = 0; i < 15; ++i) {
    tables[1].exponents[i] = static_cast<std::uint8_t>(i);
    tables[2].exponents[i] = static_cast<std::uint8_t>(255 - i);
    tables[3].exponents[i] = static_cast<std::uint8_t>(112 + i);
    tables[4].exponents[i] = static_cast<std::uint8_t>(255 - i * 17);
    tables[5].exponents[i] = static_cast<std::uint8_t>(i < 9 ? 115 + i : 116 + i);
  }
  for (const auto& [tokens, heads, dim] : sizes) {
    for (const element_type element : {element_type::bf16, element_type::f32}) {
      for (const exponent_table& table : tables) {
        const piece_shape piece = shape(tokens, heads, dim, element);
        const auto width = static_cast<std::uint32_t>(bytes_of(element));
        const auto coder = exp4::coder(piece, {.table = table, .escape_share = most_share});
        CAPTURE(piece.values(), name_of(element));
        for (unsigned seed = 1; seed <= 4; ++seed) {
          guarded_bytes raw(piece.bytes());
          raw.fill_with_noise(seed);
          for (std::size_t i = 0; i < piece.values(); ++i) {
            if ((i * 2654435761U + seed) % 16 == 0) continue;  // any exponent
            put_top(raw, width, i,
                    (top_at(raw, width, i) & 0x807FU) | std::size_t{table.exponents[(i + seed) % 15]} << 7);
          }
          std::optional<guarded_bytes> expected;
          for (std::size_t p = paths.size(); p-- > 0;) {
            guarded_bytes code(coder.code_bytes());
            for (std::uint32_t unit = 0; unit < coder.units(); ++unit)
              coder.encode(paths[p], unit, raw.data(), code.data());
            if (!expected) expected.emplace(code);
            if (!(code == *expected)) FAIL(paths[p].name << " writes another code");
            guarded_bytes back(piece.bytes());
            for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
              if (coder.decode(paths[p], unit, code.data(), back.data()) == unit_kind::raw) {
                coder.copy_raw(unit, raw.data(), back.data());
              }
            }
            if (!(back == raw)) FAIL(paths[p].name << " reads another piece");
          }
        }
      }
    }
  }
}

TEST_CASE("exp4: a code is decoded whichever table serves")
{
  const piece_shape piece = shape(16, 4, 64, element_type::bf16);
  const auto before = exp4::coder(piece, {});
  exponent_table counted;
  counted.exponents = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255};
  const auto after = exp4::coder(piece, {.table = counted});
  const guarded_bytes raw = with_escapes(piece.values(), 2, 9, 1);
  guarded_bytes code(before.code_bytes()), back(piece.bytes());
  REQUIRE(first_unit(before, raw, code) == unit_kind::coded);
  CHECK(after.decode(0, code.data(), back.data()) == unit_kind::coded);
  CHECK(back == raw);
}

TEST_CASE("exp4: what lies is found out before anything is written")
{
  const piece_shape piece = shape(16, 4, 64, element_type::bf16);
  const auto coder = exp4::coder(piece, {});
  const exp4_unit how = coder.unit(0);
  const guarded_bytes raw = with_escapes(piece.values(), 2, 5, 3);
  guarded_bytes sound(coder.code_bytes());
  REQUIRE(first_unit(coder, raw, sound) == unit_kind::coded);
  const auto spoilt = [&](const char* what, auto&& spoil) {
    guarded_bytes code = sound;
    spoil(code.data());
    guarded_bytes back(piece.bytes(), std::byte{0x5C});
    CAPTURE(what);
    for (const codec::exp4_path& path : codec::exp4_paths()) {
      CHECK(coder.decode(path, 0, code.data(), back.data()) == unit_kind::malformed);
      CHECK(back.is_all(std::byte{0x5C}));
    }
  };
  const auto set = [](std::byte* at, int value) { *at = static_cast<std::byte>(value); };
  const std::uint32_t places = exp4_unit::places_at;
  spoilt("another kind", [&](std::byte* code) { set(code + 3, 'x'); });
  spoilt("another element", [&](std::byte* code) { set(code + 2, 'f'); });
  spoilt("an escape more", [&](std::byte* code) { set(code + 4, 6); });
  spoilt("an escape less", [&](std::byte* code) { set(code + 4, 4); });
  spoilt("more than have room", [&](std::byte* code) { set(code + 4, static_cast<int>(how.room) + 1); });
  spoilt("more than there are values", [&](std::byte* code) { set(code + 5, 0xFF); });
  spoilt("other room", [&](std::byte* code) { set(code + 6, static_cast<int>(how.room) + 1); });
  spoilt("an exponent of escapes in the table", [&](std::byte* code) { set(code + 8, 1); });
  spoilt("a table that does not ascend", [&](std::byte* code) { std::swap(code[10], code[11]); });
  spoilt("an exponent twice", [&](std::byte* code) { code[11] = code[12]; });
  spoilt("places that do not ascend", [&](std::byte* code) {
    std::swap(code[places], code[places + 2]);
    std::swap(code[places + 1], code[places + 3]);
  });
  spoilt("a place twice", [&](std::byte* code) { std::copy_n(code + places, 2, code + places + 2); });
  spoilt("a place behind the unit", [&](std::byte* code) { set(code + places + 9, 0xFF); });
  spoilt("an escape's exponent that has a code", [&](std::byte* code) { set(code + how.exponents_at(), 120); });
  spoilt("something where escapes have room", [&](std::byte* code) { set(code + how.exponents_at() + 5, 1); });
  spoilt("a place where none is listed", [&](std::byte* code) { set(code + places + 10, 1); });
  spoilt("a code 0 that is not listed", [&](std::byte* code) {
    std::byte* at = code + how.plane_at(0, 0);
    while ((*at & std::byte{0x0F}) == std::byte{0}) ++at;
    *at &= std::byte{0xF0};
  });
  spoilt("an escape whose code is not 0", [&](std::byte* code) {
    const auto place = codec::exp4_portable::load<std::uint16_t>(code + places);
    code[how.code_at(place)] |= std::byte{0x11};
  });
}

TEST_CASE("exp4 says what it does not take")
{
  const auto sentence = [](const piece_shape& piece, const exp4::config& told) {
    return sentence_of<config_error>([&] { return exp4::coder(piece, told); });
  };
  const piece_shape fine = shape(32, 4, 64, element_type::bf16);
  for (const element_type element :
       {element_type::f16, element_type::fp8_e4m3, element_type::fp8_e5m2, element_type::int8}) {
    CHECK(sentence(shape(32, 4, 64, element), {}) ==
          "piece.element is " + std::string(name_of(element)) +
              ", but exp4 codes exponents of 8 bits: those of bf16, and of f32, where it gains less");
  }
  CHECK(sentence(shape(0, 4, 64, element_type::bf16), {}) ==
        "piece.values() is 0, but exp4 encodes 1 to 17592186044415 values at a time");
  CHECK(sentence(fine, {.table = {}, .escape_share = 0.2}) ==
        "exp4::config.escape_share is 0.200000, but it must be 0 to 0.125");
  CHECK(sentence(fine, {.table = {}, .escape_share = -0.1}) ==
        "exp4::config.escape_share is -0.100000, but it must be 0 to 0.125");
  CHECK(sentence(fine, {.table = {}, .escape_share = std::nan("")}) != "");
  exponent_table twice;
  twice.exponents[3] = 130;
  CHECK(sentence(fine, {.table = twice}) ==
        "exp4::config.table.exponents is 130, but each exponent may be there once only");
}

TEST_CASE("Exponents are counted, of several pages and threads, and the commonest are the table")
{
  const piece_shape piece = shape(16, 4, 64, element_type::bf16);
  guarded_bytes page(piece.bytes()), wide(piece.bytes() * 2);
  draw_silu(page, element_type::bf16, 2, 1);
  exponent_counts all, first, second;
  all.count(page.span(), element_type::bf16);
  first.count(page.span().first(1000), element_type::bf16);
  second.count(page.span().subspan(1000), element_type::bf16);
  first += second;
  std::array<std::uint64_t, 256> expected = {};
  for (std::size_t i = 0; i < piece.values(); ++i) ++expected[top_at(page, 2, i) >> 7 & 0xFF];
  for (unsigned e = 0; e < 256; ++e) {
    CHECK(all.of(static_cast<std::uint8_t>(e)) == expected[e]);
    CHECK(first.of(static_cast<std::uint8_t>(e)) == expected[e]);
  }
  CHECK(all.total() == piece.values());

  const exponent_table table = all.table();
  CHECK(first.table() == table);
  CHECK(std::is_sorted(table.exponents.begin(), table.exponents.end()));
  std::uint64_t least = piece.values(), outside = 0;
  for (const std::uint8_t e : table.exponents) least = (std::min)(least, expected[e]);
  for (unsigned e = 0; e < 256; ++e) {
    if (table.has(e)) continue;
    CHECK(expected[e] <= least);
    outside += expected[e];
  }
  CHECK(all.share_outside(table) == Approx(static_cast<double>(outside) / static_cast<double>(piece.values())));

  // An f32 has the exponent of its upper half.
  for (std::size_t i = 0; i < piece.values(); ++i) put_top(wide, 4, i, top_at(page, 2, i));
  exponent_counts of_wide;
  of_wide.count(wide.span(), element_type::f32);
  CHECK(of_wide.table() == table);

  CHECK(exponent_counts().table() == exponent_table());
  CHECK(exponent_counts().share_outside(table) == 0);
  exponent_counts few;  // of one exponent only: its neighbours beside it
  guarded_bytes ones(64);
  for (std::size_t i = 0; i < 32; ++i) put_top(ones, 2, i, 127U << 7);
  few.count(ones.span(), element_type::bf16);
  CHECK(few.table().exponents ==
        std::array<std::uint8_t, 15>{120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134});
  CHECK_THROWS_AS(few.count(ones.span(), element_type::f16), config_error);
  CHECK_THROWS_AS(few.count(ones.span().first(3), element_type::bf16), config_error);
}

namespace {

/// Units of `pages` that have a code with `table`, in pieces of 32 KiB.
std::uint32_t coded_units(const guarded_bytes& pages, const exponent_table& table)
{
  const piece_shape piece = shape(32, 4, 64, element_type::bf16);
  const auto coder = exp4::coder(piece, {.table = table});
  guarded_bytes code(coder.code_bytes()), back(piece.bytes());
  std::uint32_t coded = 0;
  for (std::size_t at = 0; at < pages.size(); at += piece.bytes()) {
    for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
      if (coder.encode(unit, pages.data() + at, code.data()) != unit_kind::coded) continue;
      ++coded;
      REQUIRE(coder.decode(unit, code.data(), back.data()) == unit_kind::coded);
      REQUIRE(std::memcmp(back.data() + coder.raw_at(unit), pages.data() + at + coder.raw_at(unit), 16384) == 0);
    }
  }
  return coded;
}

exponent_counts counted(const guarded_bytes& pages)
{
  exponent_counts counts;
  counts.count(pages.span(), element_type::bf16);
  return counts;
}

}  // namespace

TEST_CASE("exp4: a table counted on random weights overflows on trained ones")
{
  guarded_bytes random(std::size_t{1} << 18), trained(std::size_t{1} << 18);
  draw_silu(random, element_type::bf16, 0.5, 1);
  draw_silu(trained, element_type::bf16, 2, 2);
  const exponent_table of_random = counted(random).table();
  const exponent_counts counts = counted(trained);
  CHECK(counts.share_outside(of_random) > 0.02);
  CHECK(counts.share_outside(counts.table()) < 0.001);
  CHECK(coded_units(trained, of_random) == 0);
  CHECK(coded_units(trained, counts.table()) == 16);
  CHECK(coded_units(random, of_random) == 16);
}

TEST_CASE("exp4: pages of a trained model have a code with the default table, and none with one of random weights")
{
  const std::optional<guarded_bytes> pages = trained_pages();
  if (!pages) SKIP_TEST("../shared/data/trained_hstu is not here");
  const exponent_counts counts = counted(*pages);
  CHECK(counts.table() == exponent_table());  // which is where it comes from
  CHECK(counts.share_outside(exponent_table()) < 0.0005);
  CHECK(coded_units(*pages, exponent_table()) == 64);
  guarded_bytes random(std::size_t{1} << 18);
  draw_silu(random, element_type::bf16, 0.5, 1);
  const exponent_table of_random = counted(random).table();
  CHECK(counts.share_outside(of_random) > 0.02);
  CHECK(coded_units(*pages, of_random) == 0);
}
