// What a block of a region's log is, for whoever walks through a region that has no table.
#pragma once

#include <kvstrata/tiers/nvme/format/erasures.hpp>
#include <kvstrata/tiers/nvme/format/record_head.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

enum class log_block : std::uint8_t {
  nothing,   ///< part of a body, never written, of an older generation, torn: go on with the next block
  record,    ///< decode_record_head takes it: go on behind its body
  erasures,  ///< decode_erasure_block takes it
};

/// O(1).
[[nodiscard]] inline log_block what_is(const_block_span block, const store_id& id, const block_place& place) noexcept
{
  if (load(block.data(), at_head::magic) != block_magic) return log_block::nothing;  // most are
  if (decode_record_head(block, id, place)) return log_block::record;
  if (decode_erasure_block(block, id, place)) return log_block::erasures;
  return log_block::nothing;
}

}  // namespace kvstrata::nvme
