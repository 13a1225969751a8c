// What lies in a region that has no table: found by walking from head to head.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/erasure_row.hpp>
#include <kvstrata/tiers/nvme/format/life.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/format/walk.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

struct walked_region
{
  std::vector<table_row> rows;  ///< in the order of their places
  std::uint64_t durable_order = 0;
  bool readable = true;
};

/// Bodies are skipped: what is read of them lies in the window that their head was read with. O(blocks).
[[nodiscard]] inline walked_region walk_region_sync(store_core& core, std::uint32_t number, std::uint64_t generation)
{
  constexpr std::uint32_t window = 64;
  walked_region out;
  const std::uint32_t blocks = core.books.regions.blocks();
  block_buffer buffer(window * block_bytes);
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  for (std::uint32_t at = 1; at < blocks;) {
    if (at >= end) {
      begin = at;
      end = (std::min)(at + window, blocks);
      const memory_piece some{buffer.data(), (end - begin) * block_bytes};
      if (move_sync(*core.engine, block_io::kind::read, core.offset_of(record_place{.region = number, .block = at}),
                    some) != 0) {
        out.readable = false;
        at = end;
        continue;
      }
    }
    const block_span block = buffer.block(at - begin);
    const block_place place{generation, at};
    switch (what_is(block, core.id, place)) {
      case log_block::nothing: ++at; break;
      case log_block::record: {
        const record_head head = *decode_record_head(block, core.id, place);
        const std::uint64_t body = head.body_blocks();
        if (at + 1 + body > blocks) {
          ++at;
          break;
        }
        out.durable_order = (std::max)(out.durable_order, head.durable_order);
        out.rows.push_back({.order = head.order,
                            .key = head.key,
                            .life = life_of(head.header),
                            .block = at,
                            .body_blocks = static_cast<std::uint32_t>(body),
                            .tokens = head.header.tokens});
        at += 1 + static_cast<std::uint32_t>(body);
        break;
      }
      case log_block::erasures: {
        const erasure_block head = *decode_erasure_block(block, core.id, place);
        out.durable_order = (std::max)(out.durable_order, head.durable_order);
        for (std::uint32_t i = 0; i < head.count; ++i) {
          out.rows.push_back(row_of(erasure_at(block, i)));
        }
        ++at;
        break;
      }
    }
  }
  return out;
}

}  // namespace kvstrata::nvme
