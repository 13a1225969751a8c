// A block of erasures: what stands in it is dead, and stays dead when the store is opened again.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/nvme/format/log_head.hpp>

#include <cstdint>
#include <optional>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct erasure
{
  enum class kind : std::uint8_t {
    sequence = 1,  ///< everything of `key` with a smaller order
    record = 2,    ///< the record of `key` at `place`, and no other
    older = 3,  ///< all of regions whose generation is smaller than `place.generation`; of several the newest says it
  };

  kind what = kind::sequence;
  sequence_key key{};
  std::uint64_t order = 0;
  block_place place{};

  friend constexpr bool operator==(const erasure&, const erasure&) = default;
};

struct erasure_block
{
  store_id store{};
  block_place place{};              ///< of this block
  std::uint64_t order = 0;          ///< of the newest row
  std::uint64_t durable_order = 0;  ///< orders up to it were durable when this was written
  std::uint32_t count = 0;          ///< rows

  friend constexpr bool operator==(const erasure_block&, const erasure_block&) = default;
};

namespace at_erasures {
inline constexpr field32 count{at_log::end};
inline constexpr std::size_t rows = 72;
inline constexpr std::size_t row_bytes = 40;
static_assert(apart(at_log::end, rows, count));
}  // namespace at_erasures

namespace at_erasure {  // from the begin of a row
inline constexpr field64 id{0};
inline constexpr field64 order{8};
inline constexpr field64 generation{16};
inline constexpr field32 space{24};
inline constexpr field32 block{28};
inline constexpr field8 what{32};
static_assert(apart(0, at_erasures::row_bytes, id, order, generation, space, block, what));
}  // namespace at_erasure

/// Rows of a block.
inline constexpr std::uint32_t most_erasures = (block_crc.at - at_erasures::rows) / at_erasures::row_bytes;

/// At most most_erasures rows; from.count is not looked at.
inline void encode(const erasure_block& from, std::span<const erasure> rows, block_span out) noexcept
{
  format_detail::begin_log_block(out, block_kind::erasures, from.store, from.place, from.order, from.durable_order);
  store(out.data(), at_erasures::count, static_cast<std::uint32_t>(rows.size()));
  std::byte* to = out.data() + at_erasures::rows;
  for (const erasure& row : rows) {
    store(to, at_erasure::id, row.key.id);
    store(to, at_erasure::order, row.order);
    store(to, at_erasure::generation, row.place.generation);
    store(to, at_erasure::space, row.key.space);
    store(to, at_erasure::block, row.place.block);
    store(to, at_erasure::what, static_cast<std::uint8_t>(row.what));
    to += at_erasures::row_bytes;
  }
  format_detail::end_block(out);
}

/// A row of a block that decode_erasure_block took, below its count.
[[nodiscard]] inline erasure erasure_at(const_block_span block, std::uint32_t row) noexcept
{
  const std::byte* const from = block.data() + at_erasures::rows + row * at_erasures::row_bytes;
  return {.what = static_cast<erasure::kind>(load(from, at_erasure::what)),
          .key = {.space = load(from, at_erasure::space), .id = load(from, at_erasure::id)},
          .order = load(from, at_erasure::order),
          .place = {load(from, at_erasure::generation), load(from, at_erasure::block)}};
}

/// Empty: no erasures of this store that belong to this place.
[[nodiscard]] inline std::optional<erasure_block> decode_erasure_block(const_block_span block, const store_id& id,
                                                                       const block_place& place) noexcept
{
  if (!format_detail::is_log_block(block, block_kind::erasures, id, place)) return std::nullopt;
  const std::byte* const from = block.data();
  const erasure_block head{.store = id,
                           .place = place,
                           .order = load(from, at_log::order),
                           .durable_order = load(from, at_log::durable_order),
                           .count = load(from, at_erasures::count)};
  if (head.count > most_erasures || load(from, at_log::body_blocks) != 0) return std::nullopt;
  for (std::uint32_t row = 0; row != head.count; ++row) {
    const auto what = erasure_at(block, row).what;
    if (what < erasure::kind::sequence || what > erasure::kind::older) return std::nullopt;
  }
  return head;
}

}  // namespace kvstrata::nvme
