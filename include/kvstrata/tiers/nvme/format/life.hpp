// A number for the life that a record is of: what the table on disk and the index in memory keep instead of its header.
#pragma once

#include <kvstrata/tiers/stores/record.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Equal where same_life() says so, else as good as never. Never 0. It lies on disk, so it is part of the format.
[[nodiscard]] constexpr std::uint64_t life_of(const record_header& header) noexcept
{
  std::uint64_t x = 0x6c696665U;
  for (const std::uint64_t part : {to_number(header.incarnation), to_number(header.epoch),
                                   static_cast<std::uint64_t>(header.format), std::uint64_t{header.page_tokens}}) {
    x = (x ^ part) + 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30U) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27U) * 0x94d049bb133111ebU;
    x ^= x >> 31U;
  }
  return x != 0 ? x : 1;
}

}  // namespace kvstrata::nvme
