// The first and the last block of regions: what opening a store reads of all of them.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme::detail {

/// Reads blocks 2 i and 2 i + 1 of `into`: the first and the last of region begin + i. Of each, 0 or an errno.
///
/// In one file a region's last block and the next one's first follow one another and are read as one, which halves what opening a
/// store waits for where records are large and regions many. What cannot be read so is read by itself: one bad block spoils no other.
[[nodiscard]] inline std::vector<int> read_ends_sync(store_core& core, std::uint32_t begin, std::uint32_t count,
                                                     block_buffer& into)
{
  const std::size_t blocks = std::size_t{2} * count;
  std::vector<int> errors(blocks);
  std::vector<std::size_t> first;  // of each I/O
  std::vector<memory_piece> pieces(blocks);
  std::vector<block_io> ios;
  const auto add = [&](std::size_t block, std::size_t many) {
    const record_place where{.region = begin + static_cast<std::uint32_t>(block / 2),
                             .block = block % 2 == 0 ? 0 : core.books.regions.blocks() - 1};
    memory_piece& piece = pieces[ios.size()];
    piece = {into.block(block).data(), many * block_bytes};
    first.push_back(block);
    ios.push_back({.what = block_io::kind::read, .offset = core.offset_of(where), .pieces = {&piece, 1}});
  };
  const auto run = [&] {
    core.engine->run_sync(ios);
    for (std::size_t i = 0; i < ios.size(); ++i) {
      const std::size_t many = ios[i].bytes() / block_bytes;
      for (std::size_t b = first[i]; b < first[i] + many; ++b) errors[b] = ios[i].error;
    }
  };
  const std::size_t together = core.config.paths.size() == 1 ? 2 : 1;
  add(0, 1);
  for (std::size_t block = 1; block + 1 < blocks; block += together) add(block, together);
  add(blocks - 1, 1);
  run();
  if (together == 1) return errors;
  ios.clear();
  first.clear();
  for (std::size_t block = 1; block + 1 < blocks; ++block) {
    if (errors[block] != 0) add(block, 1);
  }
  if (!ios.empty()) run();
  return errors;
}

}  // namespace kvstrata::nvme::detail
