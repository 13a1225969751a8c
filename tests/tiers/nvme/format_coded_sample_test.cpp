// A store with a codec that was written once and lies here as text, as format_sample_test.cpp has one without: whoever changes
// what lies on disk, or what the codec is known by, changes this test, and the version.
#include "command_line/source_dir.hpp"
#include "support/catch.hpp"
#include "support/toy_body.hpp"
#include "tiers/nvme/format_bed.hpp"
#include "tiers/nvme/sample_image.hpp"

#include <kvstrata/tiers/nvme/format/life.hpp>
#include <kvstrata/tiers/stores/codes/body_code.hpp>
#include <kvstrata/tiers/stores/codes/coded_part.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata::nvme;
using image = kvstrata_test::sample_image;

constexpr std::uint32_t region_blocks = 8;
constexpr std::uint64_t generation = 41;
constexpr store_id store_of_sample{0x0f1e2d3c4b5a6978U, 0x8796a5b4c3d2e1f0U};
constexpr piece_shape piece{.tokens = 16, .kv_heads = 1, .head_dim = 1};  // 64 bytes
constexpr std::uint32_t layers = 2;
constexpr std::uint32_t pages = 2;
constexpr std::size_t rows_of_piece = piece.bytes() / 8;
constexpr std::uint64_t fingerprint = 0x924a815ce441211cU;

superblock super_of_sample()
{
  superblock out{.store = store_of_sample,
                 .region_bytes = region_blocks * block_bytes,
                 .regions = 2,
                 .layers = layers,
                 .code = {.fingerprint = fingerprint, .piece = piece}};
  out.code.call("toy body");
  return out;
}

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
                                        .stretch_hash = 0xe1e2e3e4e5e6e7e8U,
                                        .inexact_from = 21},
                             .put = {16, 72},
                             .page_bytes = layers * piece.bytes(),
                             .layers = layers,
                             .code = fingerprint,
                             .coded_blocks = layers};
constexpr table_foot foot{store_of_sample, generation, 101, 1};

std::vector<table_row> rows_of_table()
{
  return {{.order = record.order,
           .key = record.key,
           .life = life_of(record.header),
           .block = 1,
           .body_blocks = layers,
           .tokens = record.header.tokens,
           .what = table_row::kind::record}};
}

/// Of the page's bytes in a layer. The last page of the last layer has none that the codec could shorten.
std::array<std::uint64_t, rows_of_piece> raw_rows(std::uint32_t layer, std::uint32_t page)
{
  std::array<std::uint64_t, rows_of_piece> out{};
  for (std::size_t row = 0; row != rows_of_piece; ++row) {
    const std::uint64_t number = 0x0102030405U * (1 + row + 8 * page + 16 * layer);
    out[row] = layer + 1 == layers && page + 1 == pages ? ~number : kvstrata_test::toy_top | number;
  }
  return out;
}

/// A page's place in its layer's part, as the format has it.
struct place_in_part
{
  std::size_t at = 0;
  std::size_t bytes = 0;
  bool as_it_is = false;
};
constexpr std::size_t code_bytes = 1 + 5 * rows_of_piece;
constexpr place_in_part place_of(std::uint32_t layer, std::uint32_t page)
{
  const std::size_t first = pages * at_page_row::end;
  if (page == 0) return {first, code_bytes, false};
  return {first + code_bytes, layer == 0 ? code_bytes : piece.bytes(), layer != 0};
}

image written()
{
  image out(2 * region_blocks);
  encode(super_of_sample(), out.block(0));
  encode(super_of_sample(), out.block(1));
  encode(region, out.block(region_blocks));
  const auto coder = kvstrata_test::toy_body::coder(piece, {});
  std::vector<coded_part_mark> marks;
  for (std::uint32_t layer = 0; layer != layers; ++layer) {
    const block_span part = out.block(region_blocks + 2 + layer);
    for (std::uint32_t page = 0; page != pages; ++page) {
      const auto rows = raw_rows(layer, page);
      const std::span<const std::byte> raw = std::as_bytes(std::span(rows));
      const place_in_part there = place_of(layer, page);
      std::vector<std::byte> code(coder.most_bytes());
      code.resize(coder.encode(raw, code));
      if (there.as_it_is) code.assign(raw.begin(), raw.end());
      REQUIRE(code.size() == there.bytes);
      std::byte* const row = part.data() + page * at_page_row::end;
      store(row, at_page_row::code_bytes,
            static_cast<std::uint32_t>(there.bytes) | (there.as_it_is ? at_page_row::as_it_is : 0));
      store(row, at_page_row::raw_crc, crc32c(raw));
      std::memcpy(part.data() + there.at, code.data(), code.size());
    }
    marks.push_back({crc32c(part), 1});
  }
  encode(record, marks, out.block(region_blocks + 1));
  encode_table(rows_of_table(), foot, out.block(2 * region_blocks - 1));
  return out;
}

std::filesystem::path path_of_sample() { return tools::source_dir() / "tests/tiers/nvme/sample_coded_store.hex"; }

}  // namespace

TEST_CASE("a store with a codec that was written once is read for ever")
{
  CHECK(super_of_sample().code == mark_of<kvstrata_test::toy_body>(piece));
  image store = image::read(path_of_sample(), 2 * region_blocks);
  for (const std::size_t copy : {0U, 1U}) {
    const superblock_reading read = decode_superblock(store.block(copy));
    CHECK(read.is == super_of_sample());
    CHECK(read.version == 3);
    REQUIRE(read.is);
    CHECK(read.is->code.name() == "toy body");
  }
  CHECK(decode_region_head(store.block(region_blocks)) == region);

  std::vector<log_block> kinds;
  for (std::uint32_t block = 1; block != region_blocks; ++block) {
    kinds.push_back(what_is(store.block(region_blocks + block), store_of_sample, {generation, block}));
  }
  const auto nothing = log_block::nothing;
  CHECK(kinds == std::vector{log_block::record, nothing, nothing, nothing, nothing, nothing, nothing});

  CHECK(decode_record_head(store.block(region_blocks + 1), store_of_sample, {generation, 1}) == record);
  const auto coder = kvstrata_test::toy_body::coder(piece, {});
  for (std::uint32_t layer = 0; layer != layers; ++layer) {
    const block_span part = store.block(region_blocks + 2 + layer);
    const coded_part_mark mark = coded_part_of(store.block(region_blocks + 1), layer);
    CHECK(mark.crc == crc32c(part));
    CHECK(mark.blocks == 1);
    part_reader reader(part, pages);
    nvme::page_code code;
    for (std::uint32_t page = 0; page != pages; ++page) {
      CAPTURE(layer, page);
      const auto rows = raw_rows(layer, page);
      const std::span<const std::byte> raw = std::as_bytes(std::span(rows));
      REQUIRE(reader.next(code));
      const place_in_part there = place_of(layer, page);
      CHECK(code.code.data() == part.data() + there.at);
      REQUIRE(code.code.size() == there.bytes);
      CHECK(code.as_it_is == there.as_it_is);
      CHECK(code.raw_crc == crc32c(raw));
      std::vector<std::byte> back(piece.bytes());
      if (code.as_it_is) std::memcpy(back.data(), code.code.data(), back.size());
      else REQUIRE(coder.decode(code.code, back));
      CHECK(std::memcmp(back.data(), raw.data(), back.size()) == 0);
    }
    CHECK_FALSE(reader.next(code));
    for (std::size_t at = place_of(layer, 1).at + place_of(layer, 1).bytes; at != block_bytes; ++at) {
      REQUIRE(part[at] == std::byte{0});
    }
  }

  const block_span table = store.block(2 * region_blocks - 1);
  CHECK(decode_table(table, store_of_sample, generation, region_blocks) == foot);
  CHECK(row_at(table, 0) == rows_of_table()[0]);
}

TEST_CASE("a store with a codec is written as it was once")
{
  CHECK(written().bytes() == image::read(path_of_sample(), 2 * region_blocks).bytes());
}

TEST_CASE("prints what sample_coded_store.hex is", "[.sample_coded_store]") { std::cout << written().text(); }
