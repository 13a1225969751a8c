// The first block of a region that has been opened.
#pragma once

#include <kvstrata/tiers/nvme/format/block.hpp>

#include <cstdint>
#include <optional>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct region_head
{
  store_id store{};
  std::uint64_t generation = 0;     ///< grows with every opening of any region
  std::uint64_t durable_order = 0;  ///< orders up to it were durable when this was written

  friend constexpr bool operator==(const region_head&, const region_head&) = default;
};

namespace at_region {
inline constexpr field64 generation{at_head::end};
inline constexpr field64 durable_order{40};
static_assert(apart(at_head::end, block_crc.at, generation, durable_order));
}  // namespace at_region

inline void encode(const region_head& from, block_span out) noexcept
{
  format_detail::begin_block(out, block_kind::region, from.store);
  store(out.data(), at_region::generation, from.generation);
  store(out.data(), at_region::durable_order, from.durable_order);
  format_detail::end_block(out);
}

/// Empty: it is none, of whatever store. Whose it is, the caller compares.
[[nodiscard]] inline std::optional<region_head> decode_region_head(const_block_span block) noexcept
{
  const std::byte* const from = block.data();
  if (!format_detail::has_head(from, block_kind::region) || !format_detail::is_whole(block)) return std::nullopt;
  return region_head{format_detail::store_of(from), load(from, at_region::generation),
                     load(from, at_region::durable_order)};
}

}  // namespace kvstrata::nvme
