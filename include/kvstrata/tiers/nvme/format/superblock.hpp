// The superblock: what a store is. Each of its paths begins with one, and has a copy in the block behind it.
#pragma once

#include <kvstrata/tiers/nvme/format/block.hpp>
#include <kvstrata/tiers/nvme/format/body.hpp>
#include <kvstrata/tiers/stores/codes/code_mark.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct superblock
{
  store_id store{};
  std::uint64_t region_bytes = 0;
  std::uint64_t regions = 0;  ///< of all paths together, those with superblocks among them
  std::uint32_t layers = 1;   ///< of a page
  std::uint32_t path = 0;     ///< which of the paths this is
  std::uint32_t paths = 1;
  code_mark code{};  ///< how it keeps the bytes of pages

  friend constexpr bool operator==(const superblock&, const superblock&) = default;
};

/// Why a block is no superblock of ours.
enum class superblock_fault : std::uint8_t {
  none,
  not_ours,       ///< no store, or none that can be told
  other_version,  ///< a store, of a format that this program does not know
  bad_checksum,   ///< a store's, and not as it was written
  contradictory,  ///< whole, and nonsense: blocks of another size, no regions
};

[[nodiscard]] constexpr std::string_view name_of(superblock_fault why) noexcept
{
  switch (why) {
    case superblock_fault::none: return "none";
    case superblock_fault::not_ours: return "no superblock of kvstrata";
    case superblock_fault::other_version: return "a superblock of another version";
    case superblock_fault::bad_checksum: return "a superblock with a wrong checksum";
    case superblock_fault::contradictory: return "a superblock that contradicts itself";
  }
  return "unknown";
}

struct superblock_reading
{
  std::optional<superblock> is;
  superblock_fault fault = superblock_fault::none;
  std::uint32_t version = 0;  ///< that was found, if it is a store's
};

namespace at_superblock {
inline constexpr field32 block_size{at_head::end};
inline constexpr field32 layers{36};
inline constexpr field64 region_bytes{40};
inline constexpr field64 regions{48};
inline constexpr field32 path{56};
inline constexpr field32 paths{60};
inline constexpr field64 code{64};  // from here on in version 3 only
inline constexpr field32 piece_tokens{72};
inline constexpr field32 piece_heads{76};
inline constexpr field32 piece_dim{80};
inline constexpr field32 piece_element{84};
inline constexpr std::size_t code_name = 88;
static_assert(apart(at_head::end, code_name, block_size, layers, region_bytes, regions, path, paths, code, piece_tokens,
                    piece_heads, piece_dim, piece_element));
static_assert(code_name + code_mark::name_bytes <= block_crc.at);
}  // namespace at_superblock

inline void encode(const superblock& from, block_span out) noexcept
{
  format_detail::begin_block(out, block_kind::superblock, from.store,
                             from.code.is_none() ? format_version : coded_version);
  std::byte* const to = out.data();
  store(to, at_superblock::block_size, std::uint32_t{block_bytes});
  store(to, at_superblock::layers, from.layers);
  store(to, at_superblock::region_bytes, from.region_bytes);
  store(to, at_superblock::regions, from.regions);
  store(to, at_superblock::path, from.path);
  store(to, at_superblock::paths, from.paths);
  if (!from.code.is_none()) {
    store(to, at_superblock::code, from.code.fingerprint);
    store(to, at_superblock::piece_tokens, from.code.piece.tokens);
    store(to, at_superblock::piece_heads, from.code.piece.kv_heads);
    store(to, at_superblock::piece_dim, from.code.piece.head_dim);
    store(to, at_superblock::piece_element, static_cast<std::uint32_t>(from.code.piece.element));
    std::memcpy(to + at_superblock::code_name, from.code.letters.data(), code_mark::name_bytes);
  }
  format_detail::end_block(out);
}

namespace format_detail {

/// What a superblock of version 3 says of its store's codec.
[[nodiscard]] inline code_mark code_mark_of(const std::byte* from) noexcept
{
  code_mark out{.fingerprint = load(from, at_superblock::code),
                .piece = {.tokens = load(from, at_superblock::piece_tokens),
                          .kv_heads = load(from, at_superblock::piece_heads),
                          .head_dim = load(from, at_superblock::piece_dim),
                          .element = static_cast<element_type>(load(from, at_superblock::piece_element) & 0xffU)}};
  std::memcpy(out.letters.data(), from + at_superblock::code_name, code_mark::name_bytes);
  return out;
}

}  // namespace format_detail

/// Is it a superblock of any store? And if not, why.
[[nodiscard]] inline superblock_reading decode_superblock(const_block_span block) noexcept
{
  const std::byte* const from = block.data();
  // Magic and version lie where they lie in all versions; the rest is this version's.
  if (load(from, at_head::magic) != block_magic) return {{}, superblock_fault::not_ours, 0};
  const std::uint32_t version = load(from, at_head::version);
  if (version != format_version && version != coded_version) return {{}, superblock_fault::other_version, version};
  if (!format_detail::is_whole(block)) return {{}, superblock_fault::bad_checksum, version};
  if (!format_detail::has_head(from, block_kind::superblock)) return {{}, superblock_fault::not_ours, version};
  superblock is{.store = format_detail::store_of(from),
                .region_bytes = load(from, at_superblock::region_bytes),
                .regions = load(from, at_superblock::regions),
                .layers = load(from, at_superblock::layers),
                .path = load(from, at_superblock::path),
                .paths = load(from, at_superblock::paths)};
  if (version == coded_version) is.code = format_detail::code_mark_of(from);
  const bool good = load(from, at_superblock::block_size) == block_bytes && is.region_bytes != 0 &&
                    is.region_bytes % block_bytes == 0 && is.layers != 0 && is.layers <= most_layers &&
                    is.path < is.paths && is.regions > is.paths && (version == coded_version) == is.code.is_whole();
  if (!good) return {{}, superblock_fault::contradictory, version};
  return {is, superblock_fault::none, version};
}

}  // namespace kvstrata::nvme
