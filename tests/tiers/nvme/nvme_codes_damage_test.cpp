// A file of a store with a codec that has been damaged: a miss, or the right bytes, also where the checksums were made to fit, so
// that nothing but decoding and the checksums of pages tells. Never a wrong byte, never a hang.
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/toy_body.hpp"
#include "tiers/nvme/damage_bed.hpp"
#include "tiers/nvme/scratch_files.hpp"

#include <kvstrata/tiers/nvme/format/record_head.hpp>
#include <kvstrata/tiers/stores/codes/coded_part.hpp>

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace nvme = kvstrata::nvme;
using kvstrata_test::crash_oracle;
using kvstrata_test::damage_report;
using kvstrata_test::disk_image;
using kvstrata_test::effort;
using kvstrata_test::memory_disk;
using coded_store = kvstrata::nvme_file<kvstrata_test::toy_body>::on<kvstrata::emulated_device>;

/// Two layers of 512 bytes a page.
kvstrata::nvme_file_config coded_config(std::vector<std::string> paths)
{
  kvstrata::nvme_file_config c = kvstrata_test::damaged_config(std::move(paths));
  c.piece = {.tokens = kvstrata_test::damaged_walk(1).shape.page_tokens, .kv_heads = 1, .head_dim = 32};
  return c;
}

/// A disk that was filled, and what is known of it.
struct filled
{
  kvstrata::nvme_file_config config = coded_config({"disk"});
  crash_oracle known{4};
  disk_image whole{0};

  explicit filled(std::uint64_t seed)
  {
    const auto disk = std::make_shared<memory_disk>(kvstrata_test::damaged_file_bytes);
    config.engine = kvstrata_test::engine_on(disk);
    kvstrata_test::fill_to_damage<coded_store>(config, known, seed, 60);
    known = known.behind_cut(1);
    whole = disk->image();
  }
  void look(disk_image damaged, damage_report& out, const std::string& what)
  {
    config.engine = kvstrata_test::engine_on(std::make_shared<memory_disk>(std::move(damaged)));
    kvstrata_test::look_at_damage<coded_store>(config, known, out, what);
  }
};

using block_bytes = std::array<std::byte, disk_image::block>;

block_bytes block_at(const disk_image& from, std::uint64_t offset)
{
  block_bytes out{};
  from.read(offset, out);
  return out;
}

/// Where heads of records with codes are.
std::vector<std::uint64_t> coded_heads(const disk_image& from)
{
  std::vector<std::uint64_t> out;
  for (std::uint64_t at = 0; at < from.bytes(); at += disk_image::block) {
    const block_bytes block = block_at(from, at);
    if (nvme::load(block.data(), nvme::at_head::magic) != nvme::block_magic) continue;
    if (nvme::load(block.data(), nvme::at_head::kind) == 6) out.push_back(at);
  }
  return out;
}

/// Makes the checksums of a record fit what its parts are now.
void make_fit(disk_image& disk, std::uint64_t head_at)
{
  block_bytes head = block_at(disk, head_at);
  std::uint64_t at = head_at + disk_image::block;
  for (std::uint32_t layer = 0; layer != nvme::load(head.data(), nvme::at_record::layers); ++layer) {
    std::vector<std::byte> part(nvme::load(head.data(), nvme::at_record::part_blocks(layer)) * disk_image::block);
    disk.read(at, part);
    nvme::store(head.data(), nvme::at_record::part_crc(layer), nvme::crc32c(part));
    at += part.size();
  }
  nvme::format_detail::end_block(head);
  disk.write(head_at, head);
}

}  // namespace

TEST_CASE("nvme_file with a codec, a bit flipped at any byte: a miss, or the right bytes")
{
  filled bed(3);
  REQUIRE(coded_heads(bed.whole).size() > 10);
  damage_report all;
  std::uint64_t flips = 0;
  // As of files without a codec, but of what codes fill every byte of some.
  constexpr std::uint64_t head_bytes = effort == 6 ? 256 : 1;
  constexpr std::uint64_t stride = effort == 6 ? 5 : 61;
  for (std::uint64_t offset = 0; offset < bed.whole.bytes(); ++offset) {
    const std::uint64_t in_block = offset % disk_image::block;
    const bool is_zero = bed.whole.at(offset) == std::byte{0};
    const bool at_edge = in_block < head_bytes || in_block + 4 >= disk_image::block;
    if (offset % (is_zero ? 8 * stride : at_edge ? 1 : stride) != 0) continue;
    disk_image damaged = bed.whole;
    damaged.flip(offset, static_cast<unsigned>(offset % 8));
    bed.look(std::move(damaged), all, "byte " + std::to_string(offset) + ": ");
    ++flips;
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.opened == flips);  // each superblock has a copy
  CHECK(all.lost != 0);
  CHECK(all.got > flips);
}

TEST_CASE("nvme_file with a codec, codes changed and checksums made to fit: a miss, or the right bytes")
{
  filled bed(4);
  damage_report all;
  damage_report none;
  bed.look(bed.whole, none, "as it was: ");
  REQUIRE(none.lost == 0);
  std::uint64_t changed = 0;
  std::uint64_t number = 0;
  for (const std::uint64_t head_at : coded_heads(bed.whole)) {
    const block_bytes head = block_at(bed.whole, head_at);
    const std::uint64_t blocks = nvme::load(head.data(), nvme::at_log::body_blocks);
    for (std::uint64_t i = 0; i < blocks * disk_image::block; ++i) {
      const std::uint64_t offset = head_at + disk_image::block + i;
      // Rows of pages byte by byte, of codes some, of zeros behind them few.
      const bool in_rows = i % disk_image::block < 8 * nvme::at_page_row::end;
      const bool is_zero = bed.whole.at(offset) == std::byte{0};
      if (++number % (is_zero ? 997 : in_rows ? (effort == 6 ? 3 : 41) : (effort == 6 ? 19 : 211)) != 0) continue;
      disk_image damaged = bed.whole;
      damaged.flip(offset, static_cast<unsigned>(number / 7 % 8));
      make_fit(damaged, head_at);
      bed.look(std::move(damaged), all, "byte " + std::to_string(offset) + ": ");
      ++changed;
    }
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.opened == changed);
  CHECK(all.lost != 0);  // decoding, or a page's own checksum, told
  CHECK(all.got > changed);
}

TEST_CASE("nvme_file with a codec on a real file with bits flipped: a miss, or the right bytes")
{
  const kvstrata_test::scratch_files folder;
  const kvstrata::nvme_file_config c = coded_config({folder.path("kv")});
  crash_oracle known(4);
  kvstrata_test::fill_to_damage<coded_store>(c, known, 5, 60);
  known = known.behind_cut(1);
  std::vector<char> whole;
  {
    std::ifstream in(c.paths[0], std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(in), {});
  }
  REQUIRE(whole.size() == kvstrata_test::damaged_file_bytes);
  damage_report all;
  for (std::uint64_t offset = 5; offset < whole.size(); offset += 1201) {
    std::vector<char> damaged = whole;
    damaged[offset] = static_cast<char>(damaged[offset] ^ (1 << offset % 8));
    std::ofstream(c.paths[0], std::ios::binary | std::ios::trunc)
        .write(damaged.data(), static_cast<std::streamsize>(damaged.size()));
    kvstrata_test::look_at_damage<coded_store>(c, known, all, "byte " + std::to_string(offset) + ": ");
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.refused == 0);
  CHECK(all.got != 0);
}
