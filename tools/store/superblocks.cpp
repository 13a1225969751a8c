#include "store/superblocks.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

namespace store_tool {

namespace nvme = kvstrata::nvme;

namespace {

[[noreturn]] void refuse(const read_file& file, const std::string& why)
{
  throw kvstrata::data_error(file.path(), 0, why);
}

[[nodiscard]] std::string words_of(const nvme::superblock_reading& reading)
{
  std::string out(name_of(reading.fault));
  if (reading.fault == nvme::superblock_fault::other_version) {
    out += " (" + std::to_string(reading.version) + ", this program knows " + std::to_string(nvme::format_version) +
           " to " + std::to_string(nvme::newest_version) + ")";
  }
  return out;
}

[[nodiscard]] nvme::superblock superblock_of(const read_file& file, fault_list& faults)
{
  nvme::block_buffer blocks(2 * nvme::block_bytes);
  if (file.bytes() < blocks.size()) {
    refuse(file, "it has " + std::to_string(file.bytes()) + " bytes, so that it is no store");
  }
  if (const int fault = file.read_sync(0, blocks.all())) {
    refuse(file, std::string("its superblock cannot be read: ") + std::strerror(fault));
  }
  const nvme::superblock_reading first = nvme::decode_superblock(blocks.block(0));
  const nvme::superblock_reading copy = nvme::decode_superblock(blocks.block(1));
  if (first.is && copy.is && *first.is != *copy.is) refuse(file, "its superblock and the copy contradict each other");
  if (!first.is && !copy.is) {
    const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
    if (std::all_of(blocks.data(), blocks.data() + blocks.size(), is_zero)) {
      refuse(file, "it begins with zeros: no store was made in it");
    }
    refuse(file, "it begins with " + words_of(first));
  }
  if (!first.is) faults.add("'" + file.path() + "' begins with " + words_of(first) + "; its copy is whole");
  if (!copy.is) faults.add("'" + file.path() + "': in place of its superblock's copy there is " + words_of(copy));
  return first.is ? *first.is : *copy.is;
}

/// What region_book and its numbers can hold.
void check_geometry(const read_file& file, const nvme::superblock& is)
{
  constexpr std::uint64_t least_blocks = 8;
  const std::uint64_t blocks = is.region_bytes / nvme::block_bytes;
  constexpr std::uint64_t most = (std::numeric_limits<std::uint32_t>::max)();
  if (blocks < least_blocks || blocks > most || is.regions > most / blocks) {
    refuse(file, "its superblock tells of " + std::to_string(is.regions) + " regions of " +
                     std::to_string(is.region_bytes) + " bytes, which is no store that this program can have made");
  }
}

}  // namespace

read_paths read_superblocks(const std::vector<std::string>& paths, fault_list& faults)
{
  struct one
  {
    read_file file;
    nvme::superblock is;
  };
  std::vector<one> all;
  for (const std::string& path : paths) {
    read_file file(path);
    const nvme::superblock is = superblock_of(file, faults);
    check_geometry(file, is);
    all.push_back({std::move(file), is});
  }
  std::stable_sort(all.begin(), all.end(), [](const one& a, const one& b) { return a.is.path < b.is.path; });
  const nvme::superblock& first = all.front().is;
  read_paths out{.first = first};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const nvme::superblock& is = all[i].is;
    const read_file& file = all[i].file;
    nvme::superblock wanted = first;
    wanted.path = is.path;
    if (is.store != first.store) refuse(file, "it is of another store than '" + all.front().file.path() + "'");
    if (is != wanted) refuse(file, "it tells of another geometry than '" + all.front().file.path() + "', of one store");
    if (i != 0 && is.path == all[i - 1].is.path) {
      refuse(file, "it is path " + std::to_string(is.path) + " of its store, as '" + all[i - 1].file.path() + "' is");
    }
    const std::uint64_t mine = (is.regions - is.path + is.paths - 1) / is.paths * is.region_bytes;
    if (file.bytes() < mine) {
      faults.add("'" + file.path() + "' has been cut: it has " + std::to_string(file.bytes()) + " bytes of " +
                 std::to_string(mine));
    }
  }
  if (all.size() != first.paths) {
    refuse(all.front().file, "it is path " + std::to_string(first.path) + " of a store of " +
                                 std::to_string(first.paths) + " paths, of which " + std::to_string(all.size()) +
                                 " are given");
  }
  for (one& each : all) out.files.push_back(std::move(each.file));
  return out;
}

}  // namespace store_tool
