// What is done with regions that are full, and with records that a crash may have torn.
#pragma once

#include <kvstrata/tiers/nvme/calls/get.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace kvstrata::nvme {

/// Gives a region that is full its table, so that whoever opens the store need not walk through it. False: there is none.
[[nodiscard]] inline bool seal_one_sync(store_core& core)
{
  std::uint32_t number = 0;
  {
    const std::lock_guard lock(core.mutex);
    const auto next = core.books.regions.to_seal();
    if (!next) return false;
    number = *next;
  }
  static_cast<void>(commit_sync(core));  // so that the table tells how far all is durable
  std::unique_lock lock(core.mutex);
  region& r = core.books.regions.at(number);
  const std::vector<table_row>& rows = r.rows;  // nobody else touches them: nothing is written there any more
  const table_foot foot{.store = core.id, .generation = r.generation, .durable_order = core.books.durable_order};
  lock.unlock();
  block_buffer table(static_cast<std::size_t>(table_blocks_for(rows.size())) * block_bytes);
  encode_table(rows, foot, {table.data(), table.size()});
  const auto blocks = static_cast<std::uint32_t>(table.size() / block_bytes);
  const record_place where{.region = number, .block = core.books.regions.blocks() - blocks};
  const int error = move_sync(*core.engine, block_io::kind::write, core.offset_of(where), table.all());
  lock.lock();
  core.books.regions.set_sealed(number);
  if (error == 0) {
    r.rows = {};
    ++core.books.counts.sealed_regions;
  } else {  // it will be walked through; until then the rows stay in memory
    ++core.books.counts.unsealed_regions;
    ++core.books.counts.lost_io;
  }
  return true;
}

/// Reads all of a record and checks it.
[[nodiscard]] inline bool is_whole_sync(store_core& core, const undurable_record& r)
{
  block_buffer head_block(block_bytes);
  if (move_sync(*core.engine, block_io::kind::read, core.offset_of(r.block), head_block.all()) != 0) return false;
  record_read read;
  {
    const std::lock_guard lock(core.mutex);
    read.place = core.books.regions.place_of(r.block);
  }
  const auto head = decode_record_head(head_block.block(0), core.id, {read.place.generation, read.place.block});
  if (!head || head->key != r.key || head->layers != core.config.layers) return false;
  read.from = {.block = r.block, .life = store_books::short_life(head->header), .tokens = head->header.tokens};
  read.wanted = head->header.pages();
  block_buffer body(std::size_t{head->page_bytes} * read.wanted.size());
  const io_piece piece{body.data(), std::size_t{head->page_bytes} * read.wanted.size()};
  std::vector<record_read> reads{read};
  read_records_sync(core, r.key, head->header, page_memory({&piece, 1}, head->page_bytes, core.config.layers), reads);
  return reads.front().good;
}

/// Looks at the records that were not known to be durable when the store was opened: the whole ones become durable, the
/// others go, and what is older counts again. False: there are none, or the medium refuses.
[[nodiscard]] inline bool verify_all_sync(store_core& core)
{
  std::vector<undurable_record> all;
  {
    const std::lock_guard lock(core.mutex);
    all = core.books.unverified;
  }
  if (all.empty()) return false;
  std::vector<undurable_record> whole;
  std::size_t torn = 0;
  for (const undurable_record& r : all) {
    {
      const std::lock_guard lock(core.mutex);
      if (core.books.regions.place_of(r.block).generation != r.generation ||
          core.books.index.find(r.key, r.block) == nullptr) {
        continue;  // it went meanwhile
      }
    }
    if (is_whole_sync(core, r)) {
      whole.push_back(r);
      continue;
    }
    ++torn;
    const std::lock_guard lock(core.mutex);
    core.books.drop(r.key, r.block, r.generation);
  }
  if (!commit_sync(core)) return false;
  const std::lock_guard lock(core.mutex);
  for (const undurable_record& r : whole) core.books.is_durable(r);
  core.books.unverified.clear();
  core.recovery.verified += whole.size();
  core.recovery.torn += torn;
  return true;
}

}  // namespace kvstrata::nvme
