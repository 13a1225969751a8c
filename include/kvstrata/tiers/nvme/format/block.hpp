// What all blocks of a store begin and end with, so that each tells what it is, whose, and whether it is whole.
#pragma once

#include <kvstrata/tiers/nvme/format/bytes.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Drawn at random when a store is made: blocks of another one, or of one that was here before, are nobody's.
struct store_id
{
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  friend constexpr bool operator==(const store_id&, const store_id&) = default;
};

/// Where a block lies: the region by its generation, and the block's number within it.
struct block_place
{
  std::uint64_t generation = 0;
  std::uint32_t block = 0;

  friend constexpr bool operator==(const block_place&, const block_place&) = default;
};

inline constexpr std::uint64_t block_magic = 0x617461727473766bULL;  // "kvstrata", as its bytes lie
inline constexpr std::uint32_t format_version = 2;                   // whoever finds another keeps off, ...
inline constexpr std::uint32_t coded_version = 3;   // ... but for these: blocks that say what 2 cannot,
inline constexpr std::uint32_t newest_version = 4;  // and heads of records that say what 3 cannot

enum class block_kind : std::uint32_t {
  superblock = 1,
  region = 2,
  record = 3,
  erasures = 4,
  foot = 5,
  coded_record = 6
};

/// At the begin of every block but a foot's, and at the begin of a foot.
namespace at_head {
inline constexpr field64 magic{0};
inline constexpr field32 version{8};
inline constexpr field32 kind{12};
inline constexpr field64 store_first{16};
inline constexpr field64 store_second{24};
inline constexpr std::size_t end = 32;
static_assert(apart(0, end, magic, version, kind, store_first, store_second));
}  // namespace at_head

/// The checksum of a whole block, of all bytes before it.
inline constexpr field32 block_crc{block_bytes - 4};

namespace format_detail {

inline void put_head(std::byte* to, block_kind kind, const store_id& id,
                     std::uint32_t version = format_version) noexcept
{
  store(to, at_head::magic, block_magic);
  store(to, at_head::version, version);
  store(to, at_head::kind, static_cast<std::uint32_t>(kind));
  store(to, at_head::store_first, id.first);
  store(to, at_head::store_second, id.second);
}

[[nodiscard]] inline store_id store_of(const std::byte* from) noexcept
{
  return {load(from, at_head::store_first), load(from, at_head::store_second)};
}

[[nodiscard]] constexpr bool is_known(std::uint32_t version) noexcept
{
  return version == format_version || version == coded_version || version == newest_version;
}

[[nodiscard]] inline bool has_head(const std::byte* from, block_kind kind) noexcept
{
  return load(from, at_head::magic) == block_magic && is_known(load(from, at_head::version)) &&
         load(from, at_head::kind) == static_cast<std::uint32_t>(kind);
}

/// Zeros, and the head.
inline void begin_block(block_span out, block_kind kind, const store_id& id,
                        std::uint32_t version = format_version) noexcept
{
  std::fill(out.begin(), out.end(), std::byte{0});
  put_head(out.data(), kind, id, version);
}

inline void end_block(block_span out) noexcept { store(out.data(), block_crc, crc32c(out.first(block_crc.at))); }

[[nodiscard]] inline bool is_whole(const_block_span block) noexcept
{
  return load(block.data(), block_crc) == crc32c(block.first(block_crc.at));
}

}  // namespace format_detail
}  // namespace kvstrata::nvme
