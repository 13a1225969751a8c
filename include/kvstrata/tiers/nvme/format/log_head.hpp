// What the blocks of a region's log begin with: heads of records, and erasures.
#pragma once

#include <kvstrata/tiers/nvme/format/block.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

namespace at_log {
inline constexpr field64 generation{at_head::end};
inline constexpr field32 block{40};
inline constexpr field32 body_blocks{44};
inline constexpr field64 order{48};
inline constexpr field64 durable_order{56};
inline constexpr std::size_t end = 64;
static_assert(apart(at_head::end, end, generation, block, body_blocks, order, durable_order));
}  // namespace at_log

namespace format_detail {

inline void begin_log_block(block_span out, block_kind kind, const store_id& id, const block_place& place,
                            std::uint64_t order, std::uint64_t durable_order,
                            std::uint32_t version = format_version) noexcept
{
  begin_block(out, kind, id, version);
  store(out.data(), at_log::generation, place.generation);
  store(out.data(), at_log::block, place.block);
  store(out.data(), at_log::order, order);
  store(out.data(), at_log::durable_order, durable_order);
}

/// Is it of this kind and store, and does it belong where it lies?
[[nodiscard]] inline bool is_log_block(const_block_span block, block_kind kind, const store_id& id,
                                       const block_place& place) noexcept
{
  const std::byte* const from = block.data();
  return has_head(from, kind) && store_of(from) == id && load(from, at_log::generation) == place.generation &&
         load(from, at_log::block) == place.block && is_whole(block);
}

}  // namespace format_detail
}  // namespace kvstrata::nvme
