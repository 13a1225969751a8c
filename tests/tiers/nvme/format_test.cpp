// What lies in the blocks of a store: it comes back as it was, where it belongs, and not when a bit of it is another.
#include "support/catch.hpp"
#include "tiers/nvme/format_bed.hpp"

#include <kvstrata/tiers/nvme/format/life.hpp>

#include <set>

namespace {

using namespace kvstrata;
using namespace kvstrata::nvme;
using kvstrata_test::flip_each_bit;
using kvstrata_test::format_bed;
using kvstrata_test::nvme_block;

constexpr int rounds = 300;

/// As left by something else: encoding must write all of it.
nvme_block used_block()
{
  nvme_block out{};
  out.fill(std::byte{0xa5});
  return out;
}

}  // namespace

TEST_CASE("a superblock comes back as it was written")
{
  format_bed bed(1);
  nvme_block block = used_block();
  for (int i = 0; i != rounds; ++i) {
    const superblock written = bed.superblock();
    encode(written, block);
    const superblock_reading read = decode_superblock(block);
    REQUIRE(read.fault == superblock_fault::none);
    REQUIRE(read.version == format_version);
    REQUIRE(read.is == written);
  }
}

TEST_CASE("what is no superblock says why")
{
  format_bed bed(2);
  nvme_block block{};
  CHECK(decode_superblock(block).fault == superblock_fault::not_ours);  // never written

  encode(bed.region(), block);
  CHECK(decode_superblock(block).fault == superblock_fault::not_ours);

  encode(bed.superblock(), block);
  store(block.data(), at_head::version, std::uint32_t{7});
  const superblock_reading other = decode_superblock(block);
  CHECK(other.fault == superblock_fault::other_version);
  CHECK(other.version == 7);
  CHECK(!other.is);

  encode(bed.superblock(), block);
  block[at_superblock::regions.at] ^= std::byte{1};
  CHECK(decode_superblock(block).fault == superblock_fault::bad_checksum);

  const auto contradicts = [&](auto change) {
    superblock nonsense = bed.superblock();
    change(nonsense);
    encode(nonsense, block);
    return decode_superblock(block).fault == superblock_fault::contradictory;
  };
  CHECK(contradicts([](superblock& s) { s.region_bytes = 0; }));
  CHECK(contradicts([](superblock& s) { s.region_bytes += 1; }));
  CHECK(contradicts([](superblock& s) { s.layers = 0; }));
  CHECK(contradicts([](superblock& s) { s.layers = most_layers + 1; }));
  CHECK(contradicts([](superblock& s) { s.path = s.paths; }));
  CHECK(contradicts([](superblock& s) { s.regions = s.paths; }));
  CHECK(contradicts([](superblock& s) { s.paths = 0; }));

  encode(bed.superblock(), block);
  store(block.data(), at_superblock::block_size, std::uint32_t{512});
  format_detail::end_block(block);
  CHECK(decode_superblock(block).fault == superblock_fault::contradictory);
}

TEST_CASE("a region's head comes back as it was written")
{
  format_bed bed(3);
  nvme_block block = used_block();
  for (int i = 0; i != rounds; ++i) {
    const region_head written = bed.region();
    encode(written, block);
    REQUIRE(decode_region_head(block) == written);
    REQUIRE(what_is(block, written.store, {written.generation, 0}) == log_block::nothing);
  }
  block.fill(std::byte{0});
  CHECK(!decode_region_head(block));
}

TEST_CASE("a record's head comes back as it was written, and only where it belongs")
{
  format_bed bed(4);
  nvme_block block = used_block();
  for (int i = 0; i != rounds; ++i) {
    const record_head written = bed.record();
    const auto crcs = bed.layer_crcs(written.layers);
    encode(written, crcs, block);
    const auto read = decode_record_head(block, written.store, written.place);
    REQUIRE(read.has_value());
    REQUIRE(*read == written);
    for (std::uint32_t layer = 0; layer != written.layers; ++layer) REQUIRE(layer_crc(block, layer) == crcs[layer]);
    REQUIRE(what_is(block, written.store, written.place) == log_block::record);
    REQUIRE(!decode_erasure_block(block, written.store, written.place));

    block_place elsewhere = written.place;
    elsewhere.block += 1;
    REQUIRE(what_is(block, written.store, elsewhere) == log_block::nothing);
    elsewhere = written.place;
    elsewhere.generation += 1;
    REQUIRE(what_is(block, written.store, elsewhere) == log_block::nothing);
    store_id other = written.store;
    other.second += 1;
    REQUIRE(what_is(block, other, written.place) == log_block::nothing);
    REQUIRE(!decode_record_head(block, other, written.place));
  }
}

TEST_CASE("a record of the most layers, and one at the ends of its fields")
{
  nvme_block block = used_block();
  record_head head{.layers = most_layers};
  head.page_bytes = most_layers * 3;
  head.header.tokens = head.put = {0, 1};
  const auto crcs = format_bed(5).layer_crcs(most_layers);
  encode(head, crcs, block);
  REQUIRE(decode_record_head(block, {}, {}) == head);
  CHECK(layer_crc(block, most_layers - 1) == crcs.back());

  head = {.place = {~std::uint64_t{0}, ~std::uint32_t{0}}, .page_bytes = 1, .layers = 1};
  head.header.tokens = {~token_count{0} - 1, ~token_count{0}};
  head.put = {0, ~token_count{0}};
  encode(head, crcs, block);
  CHECK(decode_record_head(block, {}, head.place) == head);
}

TEST_CASE("a record whose geometry does not hold together is none")
{
  format_bed bed(6);
  nvme_block block{};
  const auto taken = [&](auto change) {
    record_head head = bed.record();
    encode(head, bed.layer_crcs(head.layers), block);
    change(block.data());
    format_detail::end_block(block);
    return decode_record_head(block, head.store, head.place).has_value();
  };
  CHECK(taken([](std::byte*) {}));
  CHECK(!taken([](std::byte* to) { store(to, at_record::page_tokens, std::uint32_t{0}); }));
  CHECK(!taken([](std::byte* to) { store(to, at_record::tokens_end, load(to, at_record::tokens_begin)); }));
  CHECK(!taken([](std::byte* to) { store(to, at_record::put_end, load(to, at_record::tokens_end) - 1); }));
  CHECK(!taken([](std::byte* to) { store(to, at_record::put_begin, load(to, at_record::tokens_begin) + 1); }));
  CHECK(!taken([](std::byte* to) { store(to, at_record::page_bytes, std::uint32_t{0}); }));
  CHECK(!taken([](std::byte* to) { store(to, at_record::layers, std::uint32_t{0}); }));
  CHECK(!taken([](std::byte* to) { store(to, at_record::layers, most_layers + 1); }));
  CHECK(!taken([](std::byte* to) { store(to, at_log::body_blocks, load(to, at_log::body_blocks) + 1); }));
  CHECK(!taken([](std::byte* to) { store(to, at_log::body_blocks, std::uint32_t{0}); }));
}

TEST_CASE("erasures come back as they were written, and only where they belong")
{
  format_bed bed(7);
  nvme_block block = used_block();
  for (std::uint32_t count = 0; count <= most_erasures; ++count) {
    const erasure_block written = bed.erasures(count);
    const auto rows = bed.erasure_rows(count);
    encode(written, rows, block);
    REQUIRE(decode_erasure_block(block, written.store, written.place) == written);
    for (std::uint32_t i = 0; i != count; ++i) REQUIRE(erasure_at(block, i) == rows[i]);
    REQUIRE(what_is(block, written.store, written.place) == log_block::erasures);
    const block_place elsewhere{written.place.generation, written.place.block + 1};
    REQUIRE(what_is(block, written.store, elsewhere) == log_block::nothing);
  }

  const erasure_block head = bed.erasures(3);
  encode(head, bed.erasure_rows(3), block);
  store(block.data(), at_erasures::count, most_erasures + 1);
  format_detail::end_block(block);
  CHECK(!decode_erasure_block(block, head.store, head.place));
  store(block.data(), at_erasures::count, std::uint32_t{4});  // a row of zeros is none
  format_detail::end_block(block);
  CHECK(!decode_erasure_block(block, head.store, head.place));
}

TEST_CASE("no block survives a changed bit")
{
  format_bed bed(8);
  nvme_block block{};
  std::size_t survived = 0;

  SECTION("superblock")
  {
    encode(bed.superblock(), block);
    flip_each_bit(block, [&] { survived += decode_superblock(block).is.has_value() ? 1U : 0U; });
  }
  SECTION("region head")
  {
    encode(bed.region(), block);
    flip_each_bit(block, [&] { survived += decode_region_head(block) ? 1U : 0U; });
  }
  SECTION("record head")
  {
    const record_head head = bed.record();
    encode(head, bed.layer_crcs(head.layers), block);
    flip_each_bit(block, [&] { survived += what_is(block, head.store, head.place) != log_block::nothing ? 1U : 0U; });
  }
  SECTION("erasures")
  {
    const erasure_block head = bed.erasures(20);
    encode(head, bed.erasure_rows(20), block);
    flip_each_bit(block, [&] { survived += what_is(block, head.store, head.place) != log_block::nothing ? 1U : 0U; });
  }
  CHECK(survived == 0);
}

TEST_CASE("the layers of a body lie one after the other, each in blocks of its own")
{
  CHECK(body_blocks(1, 4096, 1) == 1);
  CHECK(body_blocks(1, 4097, 1) == 2);
  CHECK(body_blocks(3, 4096, 4) == 4);  // 3 KiB each, padded
  CHECK(layer_padding(3, 4096, 4) == 1024);
  CHECK(layer_padding(4, 4096, 4) == 0);

  format_bed bed(9);
  for (int i = 0; i != rounds; ++i) {
    const record_head head = bed.record();
    const page_count pages = head.header.pages().size();
    std::uint64_t end = 0;
    for (std::uint32_t layer = 0; layer != head.layers; ++layer) {
      REQUIRE(layer_offset(layer, pages, head.page_bytes, head.layers) == end);
      end += layer_bytes(pages, head.page_bytes, head.layers) + layer_padding(pages, head.page_bytes, head.layers);
      REQUIRE(end % block_bytes == 0);
    }
    REQUIRE(head.body_blocks() * block_bytes == end);
    REQUIRE(layer_padding(pages, head.page_bytes, head.layers) < block_bytes);
  }
  // As much as the numbers can say does not wrap round.
  constexpr std::uint32_t most = ~std::uint32_t{0};
  CHECK(body_blocks(most, most, 1) == std::uint64_t{most} * most / block_bytes + 1);
}

TEST_CASE("lives that are not the same have other numbers")
{
  format_bed bed(10);
  std::set<std::uint64_t> seen;
  for (int i = 0; i != rounds; ++i) {
    const record_header header = bed.header();
    record_header other = bed.header();
    other.incarnation = header.incarnation;
    other.epoch = header.epoch;
    other.format = header.format;
    other.page_tokens = header.page_tokens;
    REQUIRE(life_of(header) == life_of(other));
    seen.insert(life_of(header));
    for (int what = 0; what != 4; ++what) {
      other = header;
      if (what == 0) other.incarnation = incarnation_id{to_number(header.incarnation) + 1};
      if (what == 1) other.epoch = epoch_id{to_number(header.epoch) + 1};
      if (what == 2) other.format = kv_format{static_cast<std::uint64_t>(header.format) + 1};
      if (what == 3) other.page_tokens += 1;
      seen.insert(life_of(other));
    }
  }
  CHECK(seen.size() == 5 * rounds);
  CHECK(!seen.contains(0));
  CHECK(life_of({}) == 0xc58cc4f509aab297U);  // it lies on disk: always this
}
