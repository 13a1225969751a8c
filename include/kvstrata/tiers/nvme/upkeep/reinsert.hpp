// What is in use is written again before its region goes.
#pragma once

#include <kvstrata/tiers/nvme/calls/ask.hpp>
#include <kvstrata/tiers/nvme/calls/get.hpp>
#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>
#include <kvstrata/tiers/nvme/upkeep/reinsert_codes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// The rows of a region that is being evicted: from memory, or from its table. Empty: neither can be had.
[[nodiscard]] inline std::optional<std::vector<table_row>> rows_of_sync(store_core& core, std::uint32_t number)
{
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(core.mutex);
    region& r = core.books.regions.at(number);
    if (!r.rows.empty()) return std::move(r.rows);
    generation = r.generation;
  }
  const std::uint32_t blocks = core.books.regions.blocks();
  block_buffer last(block_bytes);
  const auto at = [&](std::uint32_t block) { return core.offset_of(record_place{.region = number, .block = block}); };
  if (move_sync(*core.engine, block_io::kind::read, at(blocks - 1), last.all()) != 0) return std::nullopt;
  const auto foot = decode_foot(last.block(0), core.id, generation, blocks);
  if (!foot) return std::nullopt;
  block_buffer table(table_blocks_for(foot->rows) * block_bytes);
  const auto table_blocks = static_cast<std::uint32_t>(table.size() / block_bytes);
  if (move_sync(*core.engine, block_io::kind::read, at(blocks - table_blocks), table.all()) != 0) return std::nullopt;
  if (!decode_table({table.data(), table.size()}, core.id, generation, blocks)) return std::nullopt;
  std::vector<table_row> rows;
  rows.reserve(foot->rows);
  for (std::uint32_t i = 0; i < foot->rows; ++i) rows.push_back(row_at({table.data(), table.size()}, i));
  return rows;
}

/// A sequence that was written again.
struct reinserted
{
  sequence_key key;
  std::vector<chain_link> before{};  ///< its records until then
};

/// Writes all of a sequence again, as one, where it takes at most `blocks`, which become fewer. Empty: it was not done.
[[nodiscard]] inline std::optional<reinserted> reinsert_sync(store_core& core, const sequence_key& key,
                                                             std::uint64_t& blocks)
{
  loss lost = loss::none;
  const auto head = read_head_sync(core, key, lost);
  if (!head) return std::nullopt;
  reinserted out{.key = key};
  if (core.config.code) {
    if (!reinsert_codes_sync(core, *head, blocks, out.before)) return std::nullopt;
    return out;
  }
  nvme_io copy;
  std::vector<record_read> reads;
  block_buffer body;
  {
    const std::lock_guard lock(core.mutex);
    if (core.books.is_put(key)) return std::nullopt;  // what is put now comes behind what is there
    core.books.links_of(key, out.before);
    if (out.before.empty() || out.before.front().life != store_books::short_life(head->header)) return std::nullopt;
    copy.what = nvme_io::kind::put;
    copy.key = key;
    copy.header = head->header;
    copy.header.tokens = chain_of(out.before, head->header.page_tokens).tokens;
    copy.page_bytes = head->page_bytes;
    const std::size_t bytes = copy.page_bytes * copy.header.pages().size();
    std::uint64_t needed = 0;
    for (const chunk& c : chunks_of(copy.header, copy.page_bytes, core.config.chunk_bytes)) {
      needed += 1 + body_blocks(c.pages.size(), head->page_bytes, core.config.layers);
    }
    if (needed > blocks) return std::nullopt;
    body = block_buffer(bytes);
    copy.pieces.push_back({body.data(), bytes});
    reads = begin_reading(core, key, copy.header, copy.header.tokens);
    if (reads.empty()) return std::nullopt;
    try {
      if (!place(core, copy, 0)) {
        end_reading(core, reads);
        return std::nullopt;
      }
    } catch (...) {
      end_reading(core, reads);
      throw;
    }
    core.books.begun(copy);
    blocks -= needed;
  }
  bool well = true;
  try {
    const page_memory pages(copy.pieces, copy.page_bytes, core.config.layers);
    read_records_sync(core, key, copy.header, pages, reads);
    well = std::all_of(reads.begin(), reads.end(), [](const record_read& r) { return r.good; });
  } catch (const std::exception&) {  // no memory
    well = false;
  }
  {
    const std::lock_guard lock(core.mutex);
    end_reading(core, reads);
    if (!well) {
      for (const chunk& c : copy.chunks) core.books.regions.written(c.place);
    }
  }
  well = well && put_sync(core, copy);
  const std::lock_guard lock(core.mutex);
  core.books.ended(copy);
  if (!well || copy.erased) return std::nullopt;
  core.books.counts.reinserted_bytes += copy.pieces.front().bytes;
  return out;
}

}  // namespace kvstrata::nvme
