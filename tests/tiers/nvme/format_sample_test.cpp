// A store that was written once and lies here as text: whoever changes what lies on disk, changes this test, and the
// version.
#include "command_line/source_dir.hpp"
#include "support/catch.hpp"
#include "tiers/nvme/format_bed.hpp"
#include "tiers/nvme/sample_image.hpp"

#include <kvstrata/tiers/nvme/format/life.hpp>

#include <filesystem>
#include <iostream>
#include <string>

namespace {

using namespace kvstrata;
using namespace kvstrata::nvme;
using image = kvstrata_test::sample_image;

constexpr std::uint32_t region_blocks = 8;
constexpr std::uint64_t generation = 41;
constexpr store_id store_of_sample{0x0123456789abcdefU, 0xfedcba9876543210U};
constexpr superblock super{
    .store = store_of_sample, .region_bytes = region_blocks * block_bytes, .regions = 2, .layers = 2};
constexpr region_head region{store_of_sample, generation, 99};
constexpr record_head record{.store = store_of_sample,
                             .place = {generation, 1},
                             .order = 101,
                             .durable_order = 99,
                             .key = {.space = 3, .id = 0x1122334455667788U},
                             .header = {.incarnation = incarnation_id{0xa1a2a3a4a5a6a7a8U},
                                        .epoch = epoch_id{0xb1b2b3b4b5b6b7b8U},
                                        .format = kv_format{0xc1c2c3c4c5c6c7c8U},
                                        .page_tokens = 16,
                                        .tokens = {16, 40},
                                        .first_token = 5,
                                        .earlier_until = 11,
                                        .vouched_tokens = 32,
                                        .vouched_hash = 0xd1d2d3d4d5d6d7d8U,
                                        .stretch_stride = 8,
                                        .stretch_end = 24,
                                        .stretch_hash = 0xe1e2e3e4e5e6e7e8U},
                             .put = {16, 72},
                             .page_bytes = 32,
                             .layers = 2};
constexpr std::uint32_t erasures_at = 4;
constexpr erasure_block erased{store_of_sample, {generation, erasures_at}, 104, 100, 3};
constexpr erasure erased_rows[] = {
    {.what = erasure::kind::sequence, .key = {.space = 0, .id = 77}, .order = 102, .place = {}},
    {.what = erasure::kind::record, .key = {.space = 1, .id = 78}, .order = 103, .place = {40, 6}},
    {.what = erasure::kind::older, .key = {}, .order = 104, .place = {38, 0}}};
constexpr table_foot foot{store_of_sample, generation, 104, 4};

std::vector<table_row> rows_of_table()
{
  return {{.order = record.order,
           .key = record.key,
           .life = life_of(record.header),
           .block = 1,
           .body_blocks = 2,
           .tokens = record.header.tokens,
           .what = table_row::kind::record},
          {.order = 102,
           .key = {.space = 0, .id = 77},
           .life = 0,
           .block = 0,
           .body_blocks = 0,
           .tokens = {},
           .what = table_row::kind::erased_sequence},
          {.order = 103,
           .key = {.space = 1, .id = 78},
           .life = 40,
           .block = 6,
           .body_blocks = 0,
           .tokens = {},
           .what = table_row::kind::erased_record},
          {.order = 104,
           .key = {},
           .life = 38,
           .block = 0,
           .body_blocks = 0,
           .tokens = {},
           .what = table_row::kind::erased_older}};
}

/// Two pages of 32 bytes, in each 16 of layer 0 and 16 of layer 1; layer by layer that is 32 of each.
std::byte byte_of(std::uint32_t layer, std::uint32_t at) { return static_cast<std::byte>(1 + layer * 100 + at); }

image written()
{
  image out(2 * region_blocks);
  encode(super, out.block(0));
  encode(super, out.block(1));
  encode(region, out.block(region_blocks));
  std::vector<std::uint32_t> crcs;
  for (std::uint32_t layer = 0; layer != 2; ++layer) {
    const block_span part = out.block(region_blocks + 2 + layer);
    for (std::uint32_t at = 0; at != 32; ++at) part[at] = byte_of(layer, at);
    crcs.push_back(crc32c(part));
  }
  encode(record, crcs, out.block(region_blocks + 1));
  encode(erased, erased_rows, out.block(region_blocks + erasures_at));
  encode_table(rows_of_table(), foot, out.block(region_blocks + region_blocks - 1));
  return out;
}

std::filesystem::path path_of_sample() { return tools::source_dir() / "tests/tiers/nvme/sample_store.hex"; }

}  // namespace

TEST_CASE("a store that was written once is read for ever")
{
  image store = image::read(path_of_sample(), 2 * region_blocks);
  for (const std::size_t copy : {0U, 1U}) CHECK(decode_superblock(store.block(copy)).is == super);
  CHECK(decode_region_head(store.block(region_blocks)) == region);

  std::vector<log_block> kinds;
  for (std::uint32_t block = 1; block != region_blocks; ++block) {
    kinds.push_back(what_is(store.block(region_blocks + block), store_of_sample, {generation, block}));
  }
  const auto nothing = log_block::nothing;
  CHECK(kinds == std::vector{log_block::record, nothing, nothing, log_block::erasures, nothing, nothing, nothing});

  CHECK(decode_record_head(store.block(region_blocks + 1), store_of_sample, {generation, 1}) == record);
  CHECK(layer_offset(1, 2, record.page_bytes, record.layers) == block_bytes);
  for (std::uint32_t layer = 0; layer != 2; ++layer) {
    const block_span part = store.block(region_blocks + 2 + layer);
    CHECK(layer_crc(store.block(region_blocks + 1), layer) == crc32c(part));
    for (std::uint32_t at = 0; at != 32; ++at) REQUIRE(part[at] == byte_of(layer, at));
  }

  CHECK(decode_erasure_block(store.block(region_blocks + erasures_at), store_of_sample, erased.place) == erased);
  for (std::uint32_t row = 0; row != 3; ++row) {
    CHECK(erasure_at(store.block(region_blocks + erasures_at), row) == erased_rows[row]);
  }

  const block_span table = store.block(region_blocks + region_blocks - 1);
  CHECK(decode_table(table, store_of_sample, generation, region_blocks) == foot);
  const auto rows = rows_of_table();
  for (std::uint32_t row = 0; row != 4; ++row) CHECK(row_at(table, row) == rows[row]);
}

TEST_CASE("a store is written as it was once")
{
  CHECK(written().bytes() == image::read(path_of_sample(), 2 * region_blocks).bytes());
}

TEST_CASE("prints what sample_store.hex is", "[.sample_store]") { std::cout << written().text(); }
