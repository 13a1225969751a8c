// The oldest region makes room: what of it is in use is written again, the rest is evicted.
#pragma once

#include <kvstrata/tiers/nvme/calls/ask.hpp>
#include <kvstrata/tiers/nvme/calls/get.hpp>
#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/format/region_head.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::nvme {

/// Regions whose heads are written ahead, so that nobody waits for one.
inline constexpr std::size_t clean_regions = 3;

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
  block_buffer table(static_cast<std::size_t>(table_blocks_for(foot->rows)) * block_bytes);
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

/// Writes heads of a new generation, and makes them durable. False: the medium refuses.
[[nodiscard]] inline bool make_clean_sync(store_core& core, const std::vector<std::uint32_t>& numbers)
{
  std::vector<std::uint64_t> generations;
  block_buffer heads(numbers.size() * block_bytes);
  std::vector<memory_piece> pieces(numbers.size());
  std::vector<block_io> ios(numbers.size());
  {
    const std::lock_guard lock(core.mutex);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      generations.push_back(core.books.regions.next_generation());
      encode(region_head{.store = core.id, .generation = generations[i], .durable_order = core.books.durable_order},
             heads.block(i));
      pieces[i] = {heads.block(i).data(), block_bytes};
      ios[i] = {.what = block_io::kind::write,
                .offset = core.offset_of(record_place{.region = numbers[i], .block = 0}),
                .pieces = {&pieces[i], 1}};
    }
  }
  core.engine->run_sync(ios);
  const bool well = std::all_of(ios.begin(), ios.end(), [](const block_io& io) { return io.error == 0; });
  if (!well || !flush_through_sync(core).flushed) return false;
  const std::lock_guard lock(core.mutex);
  for (std::size_t i = 0; i < numbers.size(); ++i) core.books.regions.add_clean(numbers[i], generations[i]);
  return true;
}

/// Empties a region. False: the medium refuses, and it stays as it is.
[[nodiscard]] inline bool evict_sync(store_core& core, std::uint32_t number)
{
  const auto rows = rows_of_sync(core, number);
  std::vector<sequence_key> hot;
  if (rows) {
    const std::lock_guard lock(core.mutex);
    for (const table_row& row : *rows) {
      if (row.what != table_row::kind::record) continue;
      const block_number block = core.books.regions.block_of({.region = number, .block = row.block});
      const std::uint32_t hits = core.config.reinserted_hits;
      const index_entry* const found = core.books.index.find(row.key, block);
      if (hits != 0 && found != nullptr && found->hits >= hits) {
        hot.push_back(row.key);
      } else if (core.books.index.remove(row.key, block)) {
        ++core.books.counts.evicted_records;
      }
    }
  }
  const auto by_key = [](const sequence_key& a, const sequence_key& b) {
    return std::pair(a.space, a.id) < std::pair(b.space, b.id);
  };
  std::sort(hot.begin(), hot.end(), by_key);
  hot.erase(std::unique(hot.begin(), hot.end()), hot.end());
  std::vector<reinserted> again;
  std::uint64_t blocks = core.books.regions.blocks() / 2;  // so that more goes than comes
  for (const sequence_key& key : hot) {
    if (auto done = reinsert_sync(core, key, blocks)) again.push_back(std::move(*done));
  }
  const bool well = flush_through_sync(core).flushed;  // copies first, for what they are copies of goes now
  std::unique_lock lock(core.mutex);
  if (!well) {
    core.books.regions.set_sealed(number);
    if (rows) core.books.regions.at(number).rows = *rows;
    return false;
  }
  for (const reinserted& r : again) {
    for (const chain_link& old : r.before) {  // those in younger regions would be found when the store is opened again
      const record_place where = core.books.regions.place_of(old.block);
      if (core.books.index.remove(r.key, old.block) && where.region != number) core.books.disown(r.key, where);
    }
  }
  const auto is_here = [&](const index_entry& e) noexcept { return core.books.regions.region_of(e.block) == number; };
  if (rows) {
    for (const table_row& row : *rows) {
      const block_number block = core.books.regions.block_of({.region = number, .block = row.block});
      if (row.what == table_row::kind::record && core.books.index.remove(row.key, block)) {
        ++core.books.counts.evicted_records;
      }
    }
  } else {
    core.books.counts.evicted_records += core.books.index.remove_all_if(is_here);
  }
  core.reader_gone.wait(lock, [&] { return core.books.regions.at(number).readers == 0; });
  ++core.books.counts.reclaimed_regions;
  return true;
}

/// Makes a region that can be filled, where fewer than clean_regions are left. False: there is nothing to do, or nothing that
/// can be done.
[[nodiscard]] inline bool reclaim_one_sync(store_core& core)
{
  std::vector<std::uint32_t> numbers;
  bool used = false;
  {
    const std::lock_guard lock(core.mutex);
    region_book& regions = core.books.regions;
    const bool enough = regions.clean() >= clean_regions;
    if (enough && !core.books.wants_records) return false;
    if (!enough) numbers = regions.unused(clean_regions - regions.clean());
    if (numbers.empty()) {
      const auto victim = regions.victim();
      if (!victim) {
        if (core.books.wants_records) regions.close_open();  // all that there is lies in it, or before it
        return core.books.wants_records && regions.to_seal().has_value();
      }
      core.books.wants_records = false;
      numbers.push_back(*victim);
      regions.at(*victim).is = region::state::leaving;
      used = true;
    }
  }
  try {
    if (used && !evict_sync(core, numbers.front())) return false;
    if (make_clean_sync(core, numbers)) return true;
  } catch (const std::exception&) {  // no memory
  }
  const std::lock_guard lock(core.mutex);
  if (used) core.books.regions.set_sealed(numbers.front());  // and tried again
  ++core.books.counts.lost_io;
  return false;
}

}  // namespace kvstrata::nvme
