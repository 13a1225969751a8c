// The copy kernel's body on the CPU, over all ranks, against memcpy.
#include "kernels/watched_memory.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda/copy_pieces.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <type_traits>
#include <vector>

using namespace kvstrata;
using namespace kvstrata::cuda;
using namespace kvstrata_test;

namespace {

/// Bytes to copy from and to, 256-byte aligned, the source full of noise and the destination of something else.
struct two_ends
{
  explicit two_ends(std::size_t bytes) : from_(bytes + 256), to_(bytes + 256), bytes_(bytes)
  {
    std::mt19937 draw(7);
    for (std::byte& b : from_) b = static_cast<std::byte>(draw());
    std::fill(to_.begin(), to_.end(), std::byte{0xA5});
  }
  [[nodiscard]] const std::byte* from() const { return from_.data() + lost(from_); }
  [[nodiscard]] std::byte* to() { return to_.data() + lost(to_); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] static std::size_t lost(const std::vector<std::byte>& in)
  {
    return (256 - host_memory::address(in.data()) % 256) % 256;
  }
  std::vector<std::byte> from_, to_;
  std::size_t bytes_;
};

struct table_numbers
{
  std::uint32_t capacity, count, units;
};

/// Every rank of every table of the list, in an order of its own.
std::vector<table_numbers> run(std::span<const copy_piece> pieces, std::uint32_t blocks, unsigned seed = 0)
{
  std::vector<table_numbers> tables;
  std::mt19937 draw(seed);
  each_piece_table(pieces, [&](const auto& table) {
    using table_type = std::remove_cvref_t<decltype(table)>;
    tables.push_back({table_type::capacity, table.count, table.units});
    const std::uint32_t busy = busy_blocks(table.units, blocks);
    std::vector<std::uint32_t> ranks(busy * copy_threads);
    std::iota(ranks.begin(), ranks.end(), 0U);
    if (seed != 0) std::shuffle(ranks.begin(), ranks.end(), draw);
    for (const std::uint32_t rank : ranks) {
      accesses.begin_rank();
      copy_pieces<table_type, watched_memory>{table}(rank / copy_threads, busy, rank % copy_threads);
    }
  });
  return tables;
}

/// Runs the list and holds it against memcpy: every byte of a destination is written once, and no other.
std::vector<table_numbers> copy_and_compare(two_ends& ends, std::span<const copy_piece> pieces, std::uint32_t blocks,
                                            unsigned seed = 0)
{
  std::vector<std::byte> expected(ends.to(), ends.to() + ends.bytes());
  std::vector<std::uint32_t> writes(ends.bytes());
  for (const copy_piece& p : pieces) {
    if (p.bytes == 0) continue;
    const auto at = static_cast<std::size_t>(p.dst - ends.to());
    std::memcpy(expected.data() + at, p.src, p.bytes);
    for (std::size_t i = 0; i < p.bytes; ++i) ++writes[at + i];
  }
  watch(ends.from(), ends.bytes(), ends.to(), ends.bytes());
  const auto tables = run(pieces, blocks, seed);
  REQUIRE(std::memcmp(ends.to(), expected.data(), ends.bytes()) == 0);
  REQUIRE(accesses.writes == writes);
  return tables;
}

}  // namespace

TEST_CASE("copy_pieces: every misalignment of both ends, sizes 0 to 33")
{
  constexpr std::size_t step = 64;
  two_ends ends(16 * 16 * 34 * step);
  std::vector<copy_piece> pieces;
  std::size_t at = 0;
  for (std::size_t dst = 0; dst < 16; ++dst) {
    for (std::size_t src = 0; src < 16; ++src) {
      for (std::size_t bytes = 0; bytes <= 33; ++bytes, at += step) {
        pieces.push_back({ends.to() + at + dst, ends.from() + at + src, bytes});
      }
    }
  }
  copy_and_compare(ends, pieces, 5, 1);
}

TEST_CASE("copy_pieces: sizes around a unit, for every width of words")
{
  for (const std::size_t dst : {0U, 1U, 5U, 16U}) {
    for (const std::size_t askew : {0U, 8U, 4U, 12U, 2U, 6U, 1U, 3U, 15U}) {
      two_ends ends(200'000);
      std::vector<copy_piece> pieces;
      std::size_t at = 0;
      for (const std::size_t bytes : {4095U, 4096U, 4097U, 4111U, 4112U, 8191U, 12'288U, 12'289U, 40'000U}) {
        pieces.push_back({ends.to() + at + dst, ends.from() + at + dst + askew, bytes});
        at += bytes + 96;
      }
      CAPTURE(dst, askew);
      copy_and_compare(ends, pieces, 2, 2);
    }
  }
}

TEST_CASE("copy_pieces: random lists, whatever the number of blocks")
{
  for (unsigned seed = 1; seed <= 60; ++seed) {
    std::mt19937 draw(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(draw() % n); };
    two_ends ends(400'000);
    std::vector<copy_piece> pieces;
    const std::size_t largest = std::size_t{1} << below(17);
    for (std::size_t to = below(300); pieces.size() < 400;) {
      const std::size_t bytes = below(largest + 1);
      const std::size_t from = below(ends.bytes() - bytes);
      if (to + bytes > ends.bytes()) break;
      pieces.push_back({ends.to() + to, ends.from() + from, bytes});
      to += bytes + (below(2) == 0 ? 0 : below(40));
    }
    std::shuffle(pieces.begin(), pieces.end(), draw);
    CAPTURE(seed);
    copy_and_compare(ends, pieces, static_cast<std::uint32_t>(1 + below(20)), seed);
  }
}

TEST_CASE("copy_pieces: a page travels in words of 16 bytes, and a lane loads eight before it stores")
{
  constexpr std::size_t page = 64 << 10;
  two_ends ends(3 * page);
  const copy_piece pieces[] = {{ends.to() + page, ends.from(), page}, {ends.to(), ends.from() + 2 * page, page}};
  copy_and_compare(ends, pieces, 4);
  CHECK(accesses.loads_of[16] == 2 * page / 16);
  CHECK(accesses.stores_of[16] == 2 * page / 16);
  CHECK(std::accumulate(accesses.loads_of.begin(), accesses.loads_of.end(), 0U) == 2 * page / 16);

  const copy_piece one_unit[] = {{ends.to(), ends.from(), unit_bytes}};
  watch(ends.from(), ends.bytes(), ends.to(), ends.bytes());
  each_piece_table(one_unit, [](const auto& table) {
    for (std::uint32_t thread = 0; thread < copy_threads; ++thread) {
      accesses.begin_rank();
      copy_pieces<std::remove_cvref_t<decltype(table)>, watched_memory>{table}(0, 1, thread);
      CHECK(accesses.first_loads == (thread < 32 ? 8 : 0));
    }
  });
}

TEST_CASE("copy_pieces: words are as wide as both ends agree")
{
  for (const std::uint32_t width : {8U, 4U, 2U, 1U}) {
    two_ends ends(10'000);
    const copy_piece piece[] = {{ends.to() + 16, ends.from() + 16 + width, 4096}};
    CAPTURE(width);
    copy_and_compare(ends, piece, 1);
    CHECK(accesses.stores_of[width] == 4096 / width);
  }
  two_ends ends(10'000);
  const copy_piece alike[] = {{ends.to() + 3, ends.from() + 16 + 3, 4096}};  // 13 bytes, 255 words, 3 bytes
  copy_and_compare(ends, alike, 1);
  CHECK(accesses.stores_of[16] == 255);
  CHECK(accesses.stores_of[1] == 16);
}

TEST_CASE("piece_table: as few and as small tables as hold the list, none of them empty")
{
  using list = std::vector<std::vector<std::uint32_t>>;  // {capacity, count} of each
  const auto tables_of = [](std::size_t pieces) {
    two_ends ends(pieces * 3 + 1);
    std::vector<copy_piece> all;
    for (std::size_t i = 0; i < pieces; ++i) all.push_back({ends.to() + 3 * i, ends.from() + 3 * i, 1 + i % 3});
    list out;
    for (const table_numbers& t : copy_and_compare(ends, all, 3)) {
      CHECK(t.units == t.count);
      out.push_back({t.capacity, t.count});
    }
    return out;
  };
  CHECK(tables_of(0) == list{});
  CHECK(tables_of(1) == list{{170, 1}});
  CHECK(tables_of(170) == list{{170, 170}});
  CHECK(tables_of(171) == list{{1364, 171}});
  CHECK(tables_of(1364) == list{{1364, 1364}});
  CHECK(tables_of(1365) == list{{1364, 1364}, {170, 1}});
  CHECK(tables_of(3000) == list{{1364, 1364}, {1364, 1364}, {1364, 272}});

  std::byte place[2] = {};
  const std::vector<copy_piece> nothing(2000, copy_piece{place, place + 1, 0});
  each_piece_table(nothing, [](const auto&) { FAIL("a table without pieces"); });
}

TEST_CASE("piece_table: a piece that 32 bits cannot count is several")
{
  // Addresses only: nothing is read.
  auto* const to = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 40U);
  const auto* const from = reinterpret_cast<const std::byte*>(std::uintptr_t{1} << 41U);
  constexpr std::size_t huge = (std::size_t{5} << 30U) + 7;
  std::vector<copy_piece> pieces(300, copy_piece{to, from, huge});
  std::size_t seen = 0;
  each_piece_table(pieces, [&](const auto& table) {
    std::uint64_t units = 0;
    for (std::uint32_t i = 0; i < table.count; ++i) {
      const table_piece& p = table.pieces[i];
      REQUIRE(p.dst == to + seen % huge);
      REQUIRE(p.src == from + seen % huge);
      REQUIRE(p.first_unit == units);
      units += (p.bytes + unit_bytes - 1) / unit_bytes;
      seen += p.bytes;
    }
    REQUIRE(table.units == units);
  });
  CHECK(seen == 300 * huge);
}

TEST_CASE("copy_blocks: a budget is never passed, and blocks share the work evenly")
{
  CHECK(copy_blocks(8, 132) == 8);
  CHECK(copy_blocks(131, 132) == 131);
  CHECK(copy_blocks(0, 132) == 264);
  CHECK(copy_blocks(132, 132) == 264);
  CHECK(copy_blocks(500, 132) == 264);
  CHECK(busy_blocks(1, 8) == 1);
  CHECK(busy_blocks(16, 8) == 1);
  CHECK(busy_blocks(17, 8) == 2);
  CHECK(busy_blocks(1000, 8) == 8);
  CHECK(busy_blocks(5, 0) == 1);

  constexpr std::size_t bytes = 1000 * unit_bytes;
  two_ends ends(bytes);
  const copy_piece piece[] = {{ends.to(), ends.from(), bytes}};
  each_piece_table(piece, [&](const auto& table) {
    constexpr std::uint32_t blocks = 7;
    for (std::uint32_t block = 0; block < blocks; ++block) {
      watch(ends.from(), ends.bytes(), ends.to(), ends.bytes());
      for (std::uint32_t thread = 0; thread < copy_threads; ++thread) {
        copy_pieces<std::remove_cvref_t<decltype(table)>, watched_memory>{table}(block, blocks, thread);
      }
      const std::uint32_t units = accesses.stores_of[16] * 16 / unit_bytes;
      CHECK(units >= 1000 / blocks);
      CHECK(units <= 1000 / blocks + 1);
    }
  });
}
