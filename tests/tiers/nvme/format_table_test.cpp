// Tables: they come back as they were, and whatever bytes are read as one, nothing beside them is.
#include "support/catch.hpp"
#include "tiers/nvme/format_bed.hpp"

namespace {

using namespace kvstrata;
using namespace kvstrata::nvme;
using kvstrata_test::flip_each_bit;
using kvstrata_test::format_bed;

constexpr std::uint32_t region_blocks = 1000;
constexpr std::uint32_t rows_of_one_block = 84;

/// Exactly as long as it is, so that a sanitizer sees a read beside it.
struct sample
{
  std::vector<table_row> rows;
  table_foot foot;
  std::vector<std::byte> bytes;

  sample(format_bed& bed, std::uint32_t count) : rows(bed.table_rows(count, region_blocks))
  {
    foot = {bed.store(), bed.any64(), bed.any64(), count};
    bytes.assign(table_blocks_for(count) * block_bytes, std::byte{0xa5});
    encode_table(rows, foot, bytes);
  }

  [[nodiscard]] auto decode() const { return decode_table(bytes, foot.store, foot.generation, region_blocks); }
  [[nodiscard]] const_block_span last() const { return std::span(bytes).last<block_bytes>(); }
  [[nodiscard]] std::byte* end() { return bytes.data() + bytes.size() - at_foot::end; }

  void seal_again()
  {
    const std::size_t crc_at = bytes.size() - at_foot::end + at_foot::table_crc.at;
    store(end(), at_foot::table_crc, crc32c(std::span(bytes).first(crc_at)));
    seal_foot_again();
  }
  void seal_foot_again()
  {
    store(end(), at_foot::foot_crc, crc32c(std::span(bytes).last(at_foot::end).first(at_foot::foot_crc.at)));
  }
};

}  // namespace

TEST_CASE("a table comes back as it was written")
{
  CHECK(table_blocks_for(0) == 1);
  CHECK(table_blocks_for(rows_of_one_block) == 1);
  CHECK(table_blocks_for(rows_of_one_block + 1) == 2);
  format_bed bed(1);
  for (const std::uint32_t count : {0U, 1U, 2U, 83U, 84U, 85U, 169U, 170U, 1000U, 5000U}) {
    CAPTURE(count);
    sample table(bed, count);
    REQUIRE(decode_foot(table.last(), table.foot.store, table.foot.generation, region_blocks) == table.foot);
    REQUIRE(table.decode() == table.foot);
    for (std::uint32_t i = 0; i != count; ++i) REQUIRE(row_at(table.bytes, i) == table.rows[i]);

    store_id other = table.foot.store;
    other.first += 1;
    REQUIRE(!decode_table(table.bytes, other, table.foot.generation, region_blocks));
    REQUIRE(!decode_table(table.bytes, table.foot.store, table.foot.generation + 1, region_blocks));
    const auto blocks = static_cast<std::uint32_t>(table_blocks_for(count));
    REQUIRE(!decode_foot(table.last(), table.foot.store, table.foot.generation, blocks));  // no block for the head
    REQUIRE(decode_foot(table.last(), table.foot.store, table.foot.generation, blocks + 1));
  }
}

TEST_CASE("no table survives a changed bit")
{
  format_bed bed(2);
  for (const std::uint32_t count : {3U, 100U}) {
    sample table(bed, count);
    std::size_t survived = 0;
    const std::size_t step = count == 3 ? 1 : 7;  // bytes; all of the foot's are in the first
    flip_each_bit(table.bytes, [&] { survived += table.decode() ? 1U : 0U; }, step);
    CHECK(survived == 0);
  }
}

TEST_CASE("a table that is cut off is none")
{
  format_bed bed(3);
  const sample whole(bed, 200);
  for (std::size_t bytes = 0; bytes < whole.bytes.size(); bytes += bytes % block_bytes == 0 ? 1 : block_bytes - 1) {
    sample cut = whole;
    cut.bytes.resize(bytes);
    cut.bytes.shrink_to_fit();
    REQUIRE(!cut.decode());
    sample tail = whole;
    tail.bytes.erase(tail.bytes.begin(), tail.bytes.end() - static_cast<std::ptrdiff_t>(bytes));
    tail.bytes.shrink_to_fit();
    REQUIRE(!tail.decode());
  }
}

TEST_CASE("a table with another count than it has rows is none, and nothing beside it is read")
{
  format_bed bed(4);
  for (const std::uint32_t rows : {0U, 1U, 3U, 84U, 85U, 86U, 1000U, 80'000U, 0x7fffffffU, 0xffffffffU}) {
    CAPTURE(rows);
    for (const bool blocks_too : {false, true}) {
      sample table(bed, 2);
      store(table.end(), at_foot::rows, rows);
      if (blocks_too) store(table.end(), at_foot::blocks, static_cast<std::uint32_t>(table_blocks_for(rows)));
      table.seal_again();
      CHECK(table.decode().has_value() == (rows <= 1));  // beyond, the rows are zeros, and that is no kind
    }
  }
}

TEST_CASE("rows that say what cannot be are no table's")
{
  format_bed bed(5);
  const auto taken = [&](auto change) {
    sample table(bed, 10);
    table.rows[7] = {.order = 1, .block = 5, .body_blocks = 2, .tokens = {0, 4}, .what = table_row::kind::record};
    change(table.rows[7]);
    encode_table(table.rows, table.foot, table.bytes);
    return table.decode().has_value();
  };
  CHECK(taken([](table_row&) {}));
  CHECK(taken([](table_row& row) { row.block = region_blocks - 4; }));
  CHECK(!taken([](table_row& row) { row.block = region_blocks - 3; }));  // the last of its body would be the table
  CHECK(!taken([](table_row& row) { row.block = 0; }));
  CHECK(!taken([](table_row& row) { row.body_blocks = ~std::uint32_t{0}; }));
  CHECK(!taken([](table_row& row) { row.block = ~std::uint32_t{0}; }));
  CHECK(!taken([](table_row& row) { row.tokens.end = 0; }));
  CHECK(!taken([](table_row& row) { row.what = table_row::kind{0}; }));
  CHECK(!taken([](table_row& row) { row.what = table_row::kind{5}; }));
  CHECK(taken([](table_row& row) { row.what = table_row::kind::erased_record, row.block = ~std::uint32_t{0}; }));
}

TEST_CASE("garbage is no table")
{
  format_bed bed(6);
  for (int i = 0; i != 300; ++i) {
    sample table(bed, 1 + bed.below(200));
    // Some with a foot that is right, as when the blocks before it were never written.
    const std::size_t kept = bed.below(2) == 0 ? at_foot::end : 0;
    for (std::size_t at = 0; at != table.bytes.size() - kept; ++at) {
      table.bytes[at] = static_cast<std::byte>(bed.any32());
    }
    REQUIRE(!table.decode());
  }
}
