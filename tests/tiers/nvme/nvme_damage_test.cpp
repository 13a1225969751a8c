// A store's file that has been damaged, exchanged or taken for another: it is refused with a sentence and left as it is, or
// what it has lost is a miss. Never a wrong byte, never a hang.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"
#include "tiers/nvme/damage_bed.hpp"
#include "tiers/nvme/scratch_files.hpp"

#include <kvstrata/tiers/nvme/format/superblock.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata_test;
using kvstrata::emulated_device;
using kvstrata::nvme_file_config;
using store = kvstrata::nvme_file<>::on<emulated_device>;
using file_bytes = std::vector<char>;

constexpr std::uint64_t region_bytes = damaged_region_bytes;
constexpr std::uint64_t least_bytes = damaged_file_bytes;

nvme_file_config config_of(std::vector<std::string> paths) { return damaged_config(std::move(paths)); }
void fill(const nvme_file_config& c, crash_oracle& known, std::uint64_t seed, std::size_t steps)
{
  fill_to_damage<store>(c, known, seed, steps);
}
void look(const nvme_file_config& c, const crash_oracle& known, damage_report& out, const std::string& what)
{
  look_at_damage<store>(c, known, out, what);
}

file_bytes read_file(const std::string& path)
{
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write_file(const std::string& path, const file_bytes& bytes)
{
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
void flip(const std::string& path, std::uint64_t offset, unsigned bit)
{
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const int was = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(was ^ (1 << bit)));
}

std::string refusal(const nvme_file_config& c)
{
  return sentence_of<kvstrata::error>([&] {
    emulated_device d({.time = kvstrata::time_mode::virtual_time});
    store s(d, c);
  });
}

bool says(const std::string& sentence, const std::string& part)
{
  INFO(sentence);
  CHECK(sentence.find(part) != std::string::npos);
  return sentence.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("nvme_file, a bit flipped at any byte: a miss, or the right bytes")
{
  const auto disk = std::make_shared<memory_disk>(least_bytes);
  nvme_file_config c = config_of({"disk"});
  c.engine = engine_on(disk);
  crash_oracle known(4);
  fill(c, known, 3, 60);
  known = known.behind_cut(1);
  const disk_image whole = disk->image();
  damage_report all;
  std::uint64_t flips = 0;
  // Every byte of what heads, tables and superblocks fill; of bodies, which a checksum covers as a whole, and of what was
  // never written, some.
  constexpr std::uint64_t head_bytes = effort == 6 ? 256 : 1;
  constexpr std::uint64_t stride = effort == 6 ? 7 : 61;
  for (std::uint64_t offset = 0; offset < whole.bytes(); ++offset) {
    const std::uint64_t in_block = offset % disk_image::block;
    const bool is_zero = whole.at(offset) == std::byte{0};
    const bool at_edge = in_block < head_bytes || in_block + 4 >= disk_image::block;
    if (offset % (is_zero ? 8 * stride : at_edge ? 1 : stride) != 0) continue;
    disk_image damaged = whole;
    damaged.flip(offset, static_cast<unsigned>(offset % 8));
    c.engine = engine_on(std::make_shared<memory_disk>(std::move(damaged)));
    look(c, known, all, "byte " + std::to_string(offset) + ": ");
    ++flips;
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.opened == flips);  // each superblock has a copy
  CHECK(all.lost != 0);
  CHECK(all.got > flips);
}

TEST_CASE("nvme_file on a real file with bits flipped: a miss, or the right bytes")
{
  const scratch_files folder;
  const nvme_file_config c = config_of({folder.path("kv")});
  crash_oracle known(4);
  fill(c, known, 4, 60);
  known = known.behind_cut(1);
  const file_bytes whole = read_file(c.paths[0]);
  damage_report all;
  for (std::uint64_t offset = 5; offset < whole.size(); offset += 1201) {
    write_file(c.paths[0], whole);
    flip(c.paths[0], offset, static_cast<unsigned>(offset % 8));
    look(c, known, all, "byte " + std::to_string(offset) + ": ");
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.refused == 0);
  CHECK(all.got != 0);
}

TEST_CASE("nvme_file on a disk that brings old bytes at a read: a miss, or the right bytes")
{
  damage_report all;
  for (std::uint64_t n = 0; n < 20U * effort; ++n) {
    const auto disk = std::make_shared<memory_disk>(least_bytes);
    nvme_file_config c = config_of({"disk"});
    c.engine = engine_on(disk);
    crash_oracle known(4);
    fill(c, known, 5 + n % 4, 150);  // regions are used again
    known = known.behind_cut(1);
    const std::uint64_t before = disk->figures().reads;
    disk->plan_faults([=](disk_event::kind, bool is_read, std::uint64_t number) {
      return io_fault{0, is_read && number == before + n};
    });
    look(c, known, all, "read " + std::to_string(n) + ": ");
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.got != 0);
}

TEST_CASE("nvme_file that has been truncated is refused, or has lost what is gone")
{
  const scratch_files folder;
  const nvme_file_config c = config_of({folder.path("kv")});
  crash_oracle known(4);
  fill(c, known, 6, 60);
  known = known.behind_cut(1);
  const file_bytes whole = read_file(c.paths[0]);
  REQUIRE(whole.size() == least_bytes);
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{4096}, region_bytes - 1, 3 * region_bytes + 100,
                                   least_bytes - region_bytes, least_bytes - 1}) {
    for (const std::uint64_t asked : {std::uint64_t{0}, least_bytes}) {
      CAPTURE(size, asked);
      file_bytes part = whole;
      part.resize(size);
      write_file(c.paths[0], part);
      nvme_file_config now = c;
      now.bytes = asked;
      CHECK(refusal(now) != "nothing was thrown");
      CHECK((read_file(c.paths[0]) == part));
    }
  }
  file_bytes longer = whole;
  longer.resize(whole.size() + region_bytes);
  write_file(c.paths[0], longer);
  damage_report all;
  look(c, known, all, "longer: ");
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
}

TEST_CASE("nvme_file refuses what is not its own, with a sentence, and leaves it as it is")
{
  const scratch_files folder;
  const nvme_file_config two = config_of({folder.path("a0"), folder.path("a1")});
  const nvme_file_config others = config_of({folder.path("b0"), folder.path("b1")});
  crash_oracle known(4);
  crash_oracle theirs(4);
  fill(two, known, 7, 40);
  fill(others, theirs, 8, 40);
  const file_bytes a0 = read_file(two.paths[0]);
  const file_bytes a1 = read_file(two.paths[1]);
  const auto refuses = [&](const nvme_file_config& c, const std::string& part) {
    std::vector<file_bytes> before;
    for (const std::string& path : c.paths) before.push_back(read_file(path));
    says(refusal(c), part);
    for (std::size_t i = 0; i < before.size(); ++i) CHECK((read_file(c.paths[i]) == before[i]));
  };

  nvme_file_config c = two;
  c.paths = {two.paths[0], others.paths[1]};
  refuses(c, "belongs to another store");
  c.paths = {two.paths[1], two.paths[0]};
  refuses(c, "it is the store's path number 1, not 0");
  c.paths = {two.paths[0]};
  refuses(c, "its store has paths: 2, not 1");
  c = two;
  c.layers = 4;
  refuses(c, "it was made with layers: 2, not 4");
  c = two;
  c.region_bytes = 2 * region_bytes;
  refuses(c, "is not taken as a store");

  // Another version of the format, well written.
  file_bytes newer = a0;
  for (std::size_t copy = 0; copy < 2; ++copy) {
    const kvstrata::nvme::block_span block(reinterpret_cast<std::byte*>(newer.data()) + copy * disk_image::block,
                                           disk_image::block);
    kvstrata::nvme::store(block.data(), kvstrata::nvme::at_head::version, kvstrata::nvme::newest_version + 1);
    kvstrata::nvme::format_detail::end_block(block);
  }
  write_file(two.paths[0], newer);
  refuses(two, "another version (5, this program knows 2 to 4)");

  // What is no store at all: text, noise, zeros before something else.
  file_bytes foreign(least_bytes, 'x');
  write_file(two.paths[0], foreign);
  refuses(two, "is not taken as a store");
  for (std::size_t i = 0; i < foreign.size(); ++i) foreign[i] = static_cast<char>(i * 2654435761U >> 13U);
  write_file(two.paths[0], foreign);
  refuses(two, "is not taken as a store");
  file_bytes late(least_bytes, '\0');
  std::fill(late.begin() + 32768, late.begin() + 34000, 'C');  // an ISO 9660 image begins like this
  const std::string image = folder.path("image");
  write_file(image, late);
  refuses(config_of({image}), "is not taken as a store");

  // A path that has been emptied is not filled again: the others still have what they had.
  write_file(two.paths[0], file_bytes(least_bytes, '\0'));
  refuses(two, "is not taken as a store");
  write_file(two.paths[0], a0);
  write_file(two.paths[1], file_bytes(least_bytes, '\0'));
  refuses(two, "is not taken as a store");

  // All as it was: nothing has been lost by all this.
  write_file(two.paths[1], a1);
  damage_report all;
  look(two, known.behind_cut(1), all, "as it was: ");
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.got != 0);
  CHECK(all.lost == 0);
}

TEST_CASE("nvme_file takes no region for its own that comes from another store, or an older time")
{
  const scratch_files folder;
  const nvme_file_config mine = config_of({folder.path("mine")});
  const nvme_file_config other = config_of({folder.path("other")});
  crash_oracle known(4);
  crash_oracle theirs(4);
  fill(mine, known, 9, 60);
  const file_bytes earlier = read_file(mine.paths[0]);
  fill(other, theirs, 10, 60);
  fill(mine, known, 11, 60);
  known = known.behind_cut(1);
  const file_bytes now = read_file(mine.paths[0]);
  const file_bytes foreign = read_file(other.paths[0]);
  damage_report all;
  for (std::size_t region = 1; region < least_bytes / region_bytes; ++region) {
    for (const file_bytes* from : {&foreign, &earlier, &now}) {
      for (const std::size_t source : {region, 1 + region % 9}) {
        file_bytes mixed = now;
        std::copy_n(from->begin() + static_cast<std::ptrdiff_t>(source * region_bytes), region_bytes,
                    mixed.begin() + static_cast<std::ptrdiff_t>(region * region_bytes));
        write_file(mine.paths[0], mixed);
        look(mine, known, all, "region " + std::to_string(region) + " from " + std::to_string(source) + ": ");
      }
    }
  }
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.refused == 0);
}

TEST_CASE("nvme_file that cannot be made or is in use is refused with a sentence")
{
  const scratch_files folder;
  nvme_file_config c = config_of({folder.path("kv")});
  crash_oracle known(4);
  fill(c, known, 12, 30);
  const file_bytes whole = read_file(c.paths[0]);
  {
    emulated_device d({.time = kvstrata::time_mode::virtual_time});
    store mine(d, c);
    CHECK(refusal(c) != "nothing was thrown");  // this process has it already
    const child_end end = run_in_child([&c] { return refusal(c) != "nothing was thrown" ? 7 : 1; });
    CHECK(end.code == 7);
  }
  damage_report all;
  look(c, known.behind_cut(1), all, "behind it: ");
  INFO(text_of(all));
  CHECK(all.faults.faults() == 0);
  CHECK(all.got != 0);

  // A full disk: the file is not made.
  c.paths = {folder.path("full")};
  const child_end end = run_in_child([&c] {
    fill_disk_beyond(region_bytes);
    const std::string sentence = refusal(c);
    return sentence.find("full") != std::string::npos ? 7 : 1;
  });
  CHECK(end.code == 7);

  // A folder, and one that is not there.
  c.paths = {folder.path("")};
  CHECK(refusal(c) != "nothing was thrown");
  c.paths = {folder.path("nowhere/kv")};
  CHECK(refusal(c) != "nothing was thrown");
  if (::geteuid() != 0) {  // nothing is closed to root
    std::filesystem::permissions(folder.path("kv"), std::filesystem::perms::owner_read);
    c.paths = {folder.path("kv")};
    CHECK(refusal(c) != "nothing was thrown");
  }
}
