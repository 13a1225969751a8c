// Opening a medium as a store: it is one, or nothing, or somebody else's.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/superblock.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

namespace detail {

[[nodiscard]] inline bool all_zeros(const std::byte* from, std::size_t bytes) noexcept
{
  return std::all_of(from, from + bytes, [](std::byte b) { return b == std::byte{0}; });
}

/// Never written, or by a making of a store that did not come to its end: sectors of a superblock and zeros.
[[nodiscard]] inline bool is_blank(const_block_span first, const_block_span copy) noexcept
{
  constexpr std::size_t sector = 512;
  if (!all_zeros(copy.data(), copy.size())) return false;
  const bool begins = all_zeros(first.data(), sector) || load(first.data(), at_head::magic) == block_magic;
  return begins && all_zeros(first.data() + sector, block_bytes - sector - 4);
}

/// Is there nothing on a path but, perhaps, the first superblock of a making that was cut short? Other people's media begin with
/// zeros, too: so it looks where they have something (file systems within 128 KiB), and at the begin of every region.
[[nodiscard]] inline bool is_blank_sync(store_core& core, std::uint32_t path, const const_block_span first,
                                        const const_block_span copy)
{
  if (!is_blank(first, copy)) return false;
  const nvme_file_config& c = core.config;
  constexpr std::uint64_t looked_at = 128 << 10U;
  const std::uint64_t more = (std::min)(looked_at, c.region_bytes) - 2 * block_bytes;
  block_buffer begin(static_cast<std::size_t>(more));
  const auto zeros_at = [&](std::uint64_t offset, std::size_t bytes) {
    return move_sync(*core.engine, block_io::kind::read, offset, {begin.data(), bytes}) == 0 &&
           all_zeros(begin.data(), bytes);
  };
  if (!zeros_at(path * c.region_bytes + 2 * block_bytes, static_cast<std::size_t>(more))) return false;
  const std::uint64_t regions = core.engine->bytes() / c.region_bytes;
  for (std::uint64_t region = path + c.paths.size(); region < regions; region += c.paths.size()) {
    if (!zeros_at(region * c.region_bytes, block_bytes)) return false;
  }
  return true;
}

/// Did a making of this very store come to its end before it had written the first path's superblock, which is last? Nothing
/// was kept then: a region that was ever used has a head. The store keeps the id of that making. `blocks`: the superblocks
/// of all paths, and their copies.
[[nodiscard]] inline bool was_being_made_sync(store_core& core, superblock wanted, const block_buffer& blocks)
{
  if (!is_blank_sync(core, 0, blocks.block(0), blocks.block(1))) return false;
  std::optional<store_id> id;
  for (std::uint32_t i = 1; i < wanted.paths; ++i) {
    if (is_blank(blocks.block(2 * i), blocks.block(2 * i + 1))) continue;
    const superblock_reading found = decode_superblock(blocks.block(2 * i));
    if (!found.is || (id && found.is->store != *id)) return false;
    id = found.is->store;
    wanted.store = *id;
    wanted.path = i;
    if (*found.is != wanted) return false;
  }
  block_buffer head(block_bytes);
  for (std::uint32_t region = wanted.paths; region < wanted.regions; ++region) {
    if (move_sync(*core.engine, block_io::kind::read, region * wanted.region_bytes, head.all()) != 0) return false;
    if (!all_zeros(head.data(), block_bytes)) return false;
  }
  if (id) core.id = *id;  // so that what is written again is what is there, wherever that is cut short
  return true;
}

[[noreturn]] inline void refuse_store(const std::string& path, const std::string& why)
{
  throw error("nvme_file: " + path + " is not taken as a store: " + why + ". It was left as it is");
}

[[nodiscard]] inline std::string words_of(const code_mark& code)
{
  if (code.is_none()) return "no codec";
  return "codec " + code.name() + " on pages of " + std::to_string(code.piece.tokens) + " tokens, " +
         std::to_string(code.piece.kv_heads) + " heads of " + std::to_string(code.piece.head_dim) + ", " +
         std::string(name_of(code.piece.element));
}

/// Why a store with one codec is not opened with another.
[[nodiscard]] inline std::string other_code(const code_mark& has, const code_mark& asked)
{
  std::string out = "it was made with " + words_of(has) + ", not " + words_of(asked);
  if (has.name() == asked.name() && has.piece == asked.piece) out += " of another version";
  return out;
}

}  // namespace detail

/// Reads the superblocks of all paths, writes them where there are none, and knows the store's id then. Throws error with a
/// sentence for a medium that is somebody else's, or a store of another version, geometry or set of paths; then nothing has
/// been written.
inline void open_superblocks_sync(store_core& core)
{
  const nvme_file_config& c = core.config;
  const auto paths = static_cast<std::uint32_t>(c.paths.size());
  const superblock wanted{.region_bytes = c.region_bytes,
                          .regions = core.engine->bytes() / c.region_bytes,
                          .layers = c.layers,
                          .paths = paths,
                          .code = c.code ? c.code->mark() : code_mark{}};
  block_buffer blocks(std::size_t{2} * block_bytes * paths);
  const auto offset_of = [&c](std::uint32_t path) { return path * c.region_bytes; };
  std::uint32_t blank = 0;
  for (std::uint32_t i = 0; i < paths; ++i) {
    const memory_piece both{blocks.block(2 * i).data(), 2 * block_bytes};
    if (const int failed = move_sync(*core.engine, block_io::kind::read, offset_of(i), both)) {
      throw kvstrata::error("nvme_file: the superblock of " + c.paths[i] + " cannot be read: " + std::strerror(failed));
    }
    if (detail::is_blank_sync(core, i, blocks.block(2 * i), blocks.block(2 * i + 1))) ++blank;
  }
  if (blank == paths || detail::was_being_made_sync(core, wanted, blocks)) {
    std::random_device draw;
    const auto draw64 = [&draw] { return std::uint64_t{draw()} << 32U | draw(); };
    if (core.id == store_id{}) core.id = {draw64(), draw64()};
    for (std::uint32_t i = paths; i-- > 0;) {
      superblock mine = wanted;
      mine.store = core.id;
      mine.path = i;
      for (std::uint32_t copy = 0; copy < 2; ++copy) {
        encode(mine, blocks.block(0));
        int failed = move_sync(*core.engine, block_io::kind::write, offset_of(i) + copy * block_bytes,
                               {blocks.block(0).data(), block_bytes});
        if (failed == 0) failed = core.engine->flush_sync();
        if (failed != 0) {
          throw kvstrata::error("nvme_file: the superblock of " + c.paths[i] +
                                " cannot be written: " + std::strerror(failed));
        }
      }
    }
    return;
  }
  for (std::uint32_t i = 0; i < paths; ++i) {
    superblock_reading found = decode_superblock(blocks.block(2 * i));
    if (!found.is) {
      const superblock_reading copy = decode_superblock(blocks.block(2 * i + 1));
      if (copy.is) found = copy;
    }
    const auto refuse = [&](const std::string& why) { detail::refuse_store(c.paths[i], why); };
    if (!found.is) {
      refuse("it begins with " + std::string(name_of(found.fault)) +
             (found.fault == superblock_fault::other_version
                  ? " (" + std::to_string(found.version) + ", this program knows " + std::to_string(format_version) +
                        " to " + std::to_string(newest_version) + ")"
                  : ""));
    }
    const superblock& is = *found.is;
    const auto differs = [&](const char* what, std::uint64_t has, std::uint64_t asked) {
      if (has != asked) refuse(std::string(what) + " " + std::to_string(has) + ", not " + std::to_string(asked));
    };
    differs("its regions have bytes:", is.region_bytes, wanted.region_bytes);
    differs("it was made with layers:", is.layers, wanted.layers);
    if (is.code != wanted.code) refuse(detail::other_code(is.code, wanted.code));
    differs("its store has paths:", is.paths, wanted.paths);
    differs("it is the store's path number", is.path, i);
    differs("its store has regions:", is.regions, wanted.regions);
    if (i == 0) core.id = is.store;
    else if (is.store != core.id) refuse("it belongs to another store than " + c.paths[0]);
  }
}

}  // namespace kvstrata::nvme
