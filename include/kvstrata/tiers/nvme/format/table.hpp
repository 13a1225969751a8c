// The table at the end of a sealed region: a row for each record and erasure in it, so that opening a store reads
// tables and not regions. The rows lie one after the other from the begin of the table's first block; the foot is the
// end of its last, which is the region's.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/tiers/nvme/format/block.hpp>
#include <kvstrata/tiers/nvme/format/body.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct table_row
{
  enum class kind : std::uint16_t {
    record = 1,
    erased_sequence = 2,  ///< everything of `key` with a smaller order
    erased_record = 3,    ///< the record at generation `life`, block `block`
    erased_older = 4,     ///< all of regions whose generation is smaller than `life`; of several the newest says it
  };

  std::uint64_t order = 0;
  sequence_key key{};
  std::uint64_t life = 0;   ///< life_of the header; of what is erased by place, its generation
  std::uint32_t block = 0;  ///< of the head within the region; of an erased record, of its head within its region
  std::uint32_t body_blocks = 0;
  token_interval tokens{};
  kind what = kind::record;

  friend constexpr bool operator==(const table_row&, const table_row&) = default;
};

struct table_foot
{
  store_id store{};
  std::uint64_t generation = 0;
  std::uint64_t durable_order = 0;  ///< orders up to it were durable when this was written
  std::uint32_t rows = 0;

  friend constexpr bool operator==(const table_foot&, const table_foot&) = default;
};

namespace at_row {
inline constexpr field64 order{0};
inline constexpr field64 id{8};
inline constexpr field64 life{16};
inline constexpr field32 space{24};
inline constexpr field32 block{28};
inline constexpr field32 body_blocks{32};
inline constexpr field32 tokens_begin{36};
inline constexpr field32 tokens_end{40};
inline constexpr field16 kind{44};
inline constexpr std::size_t end = 48;
static_assert(apart(0, end, order, id, life, space, block, body_blocks, tokens_begin, tokens_end, kind));
}  // namespace at_row

namespace at_foot {  // from the begin of the foot
inline constexpr field64 generation{at_head::end};
inline constexpr field64 durable_order{40};
inline constexpr field32 rows{48};
inline constexpr field32 blocks{52};
inline constexpr field32 table_crc{56};  // of all bytes of the table before it
inline constexpr field32 foot_crc{60};   // of the foot's bytes before it
inline constexpr std::size_t end = 64;
inline constexpr std::size_t in_block = block_bytes - end;
static_assert(apart(at_head::end, end, generation, durable_order, rows, blocks, table_crc, foot_crc));
}  // namespace at_foot

/// Blocks of a table of so many rows, that with the foot among them.
[[nodiscard]] constexpr std::uint64_t table_blocks_for(std::uint64_t rows) noexcept
{
  return blocks_of(rows * at_row::end + at_foot::end);
}

/// `out` is table_blocks_for(rows.size()) blocks; foot.rows is not looked at.
inline void encode_table(std::span<const table_row> rows, const table_foot& foot, std::span<std::byte> out) noexcept
{
  std::fill(out.begin(), out.end(), std::byte{0});
  std::byte* to = out.data();
  for (const table_row& row : rows) {
    store(to, at_row::order, row.order);
    store(to, at_row::id, row.key.id);
    store(to, at_row::life, row.life);
    store(to, at_row::space, row.key.space);
    store(to, at_row::block, row.block);
    store(to, at_row::body_blocks, row.body_blocks);
    store(to, at_row::tokens_begin, row.tokens.begin);
    store(to, at_row::tokens_end, row.tokens.end);
    store(to, at_row::kind, static_cast<std::uint16_t>(row.what));
    to += at_row::end;
  }
  const std::span<std::byte> end = out.last(at_foot::end);
  format_detail::put_head(end.data(), block_kind::foot, foot.store);
  store(end.data(), at_foot::generation, foot.generation);
  store(end.data(), at_foot::durable_order, foot.durable_order);
  store(end.data(), at_foot::rows, static_cast<std::uint32_t>(rows.size()));
  store(end.data(), at_foot::blocks, static_cast<std::uint32_t>(out.size() / block_bytes));
  store(end.data(), at_foot::table_crc, crc32c(out.first(out.size() - at_foot::end + at_foot::table_crc.at)));
  store(end.data(), at_foot::foot_crc, crc32c(end.first(at_foot::foot_crc.at)));
}

/// Reads the last block of a region. Empty: this generation of it was not sealed. The table is table_blocks_for(rows)
/// blocks, and fits a region of `region_blocks` beside its head.
[[nodiscard]] inline std::optional<table_foot> decode_foot(const_block_span last, const store_id& id,
                                                           std::uint64_t generation,
                                                           std::uint32_t region_blocks) noexcept
{
  const std::span<const std::byte> end = last.last(at_foot::end);
  const std::byte* const from = end.data();
  if (!format_detail::has_head(from, block_kind::foot) || format_detail::store_of(from) != id ||
      load(from, at_foot::generation) != generation ||
      load(from, at_foot::foot_crc) != crc32c(end.first(at_foot::foot_crc.at))) {
    return std::nullopt;
  }
  const table_foot foot{id, generation, load(from, at_foot::durable_order), load(from, at_foot::rows)};
  const std::uint64_t blocks = table_blocks_for(foot.rows);
  if (blocks != load(from, at_foot::blocks) || blocks >= region_blocks) return std::nullopt;
  return foot;
}

/// A row of a table that decode_table took, below its count.
[[nodiscard]] inline table_row row_at(std::span<const std::byte> table, std::uint32_t row) noexcept
{
  const std::byte* const from = table.data() + std::size_t{row} * at_row::end;
  return {.order = load(from, at_row::order),
          .key = {.space = load(from, at_row::space), .id = load(from, at_row::id)},
          .life = load(from, at_row::life),
          .block = load(from, at_row::block),
          .body_blocks = load(from, at_row::body_blocks),
          .tokens = {load(from, at_row::tokens_begin), load(from, at_row::tokens_end)},
          .what = static_cast<table_row::kind>(load(from, at_row::kind))};
}

/// Reads a whole table, whatever bytes these are. Empty: it is none of this store and generation, or not as it was
/// written; then the region is walked. Records in its rows lie between head and table of a region of `region_blocks`.
/// O(bytes).
[[nodiscard]] inline std::optional<table_foot> decode_table(std::span<const std::byte> table, const store_id& id,
                                                            std::uint64_t generation,
                                                            std::uint32_t region_blocks) noexcept
{
  if (table.empty() || table.size() % block_bytes != 0) return std::nullopt;
  const auto foot = decode_foot(table.last<block_bytes>(), id, generation, region_blocks);
  if (!foot || table_blocks_for(foot->rows) * block_bytes != table.size()) return std::nullopt;
  const std::size_t crc_at = table.size() - at_foot::end + at_foot::table_crc.at;
  if (load(table.data(), field32{crc_at}) != crc32c(table.first(crc_at))) return std::nullopt;
  const std::uint64_t end = region_blocks - table.size() / block_bytes;
  for (std::uint32_t i = 0; i != foot->rows; ++i) {
    const table_row row = row_at(table, i);
    const bool erased = row.what >= table_row::kind::erased_sequence && row.what <= table_row::kind::erased_older;
    const bool kept = row.what == table_row::kind::record && row.block != 0 && !row.tokens.empty() &&
                      std::uint64_t{row.block} + 1 + row.body_blocks <= end;
    if (!erased && !kept) return std::nullopt;
  }
  return foot;
}

}  // namespace kvstrata::nvme
