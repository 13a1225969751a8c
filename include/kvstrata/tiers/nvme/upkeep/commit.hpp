// Group commit: what was written becomes durable, and so does what was erased; those who want that at a time share a flush.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/erasure_row.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Writes the rows that stand nowhere yet into blocks of the log. False: they still stand nowhere.
[[nodiscard]] inline bool write_erasures_sync(store_core& core)
{
  std::unique_lock lock(core.mutex);
  std::vector<erasure> rows = core.books.erasures;  // they stay until they are written: an error loses none
  if (rows.empty()) return true;
  std::vector<wanted_place> wanted;
  for (std::size_t i = 0; i < rows.size(); i += most_erasures) {
    wanted.push_back({1, static_cast<std::uint32_t>((std::min)(rows.size() - i, std::size_t{most_erasures}))});
  }
  std::vector<record_place> places;
  block_buffer blocks(wanted.size() * block_bytes);
  std::vector<memory_piece> pieces(wanted.size());
  std::vector<block_io> ios(wanted.size());
  if (!core.books.regions.reserve(wanted, 0, places)) return false;
  const std::uint64_t durable_order = core.books.durable_order;
  lock.unlock();

  std::size_t first = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::span<const erasure> mine(rows.data() + first, wanted[i].rows);
    first += mine.size();
    encode(erasure_block{.store = core.id,
                         .place = {places[i].generation, places[i].block},
                         .order = mine.back().order,
                         .durable_order = durable_order},
           mine, blocks.block(i));
    pieces[i] = {blocks.block(i).data(), block_bytes};
    ios[i] = block_io{.what = block_io::kind::write, .offset = core.offset_of(places[i]), .pieces = {&pieces[i], 1}};
  }
  core.engine->run_sync(ios);

  lock.lock();
  bool well = true;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    core.books.regions.written(places[i]);
    well = well && ios[i].error == 0;
  }
  if (!well) {
    ++core.books.counts.lost_io;
    return false;  // what did get there says it twice
  }
  first = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::vector<table_row>& table = core.books.regions.at(places[i].region).rows;
    for (std::size_t end = first + wanted[i].rows; first < end; ++first) {
      table.push_back(row_of(rows[first]));
    }
  }
  std::vector<erasure>& written = core.books.written_erasures;
  written.insert(written.end(), rows.begin(), rows.end());
  auto& all = core.books.erasures;
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rows.size()));
  return true;
}

/// Blocks until what was written before the call is durable, or is known not to be; and what was erased, where it can be
/// written. All flushes of a store are one after the other and go by here: one that fails says of all that was written since
/// the last that nobody knows whether it is there, and the kernel says so once. Then it is found no more, and erasures are
/// written again.
[[nodiscard]] inline flush_waiter flush_through_sync(store_core& core)
{
  flush_waiter me;
  std::unique_lock lock(core.mutex);
  core.waiters.push_back(&me);
  while (!me.over) {
    if (core.flushing) {
      core.flush_over.wait(lock);
      continue;
    }
    core.flushing = true;
    const std::vector<flush_waiter*> mine = std::exchange(core.waiters, {});
    lock.unlock();
    bool written = false;
    try {
      written = write_erasures_sync(core);
    } catch (const std::exception&) {  // no memory: they stay
    }
    lock.lock();
    const flush_cover cover = core.books.take_undurable();
    lock.unlock();
    const int error = core.engine->flush_sync();
    lock.lock();
    ++core.books.counts.flushes;
    if (error == 0) {
      core.books.flushed(cover);
    } else {
      ++core.books.counts.lost_io;
      core.books.not_flushed(cover);
    }
    for (flush_waiter* w : mine) {
      w->flushed = error == 0;
      w->written = written && error == 0;
      w->over = true;
    }
    core.flushing = false;
    core.flush_over.notify_all();
  }
  return me;
}

/// Blocks until all that was written and erased before the call is durable. False: not all of it is.
[[nodiscard]] inline bool commit_sync(store_core& core) { return flush_through_sync(core).written; }

/// Writes down how far all is durable, so that whoever opens the store need not look at what was written last.
inline void write_mark_sync(store_core& core)
{
  block_buffer block(block_bytes);
  std::vector<record_place> places;
  const wanted_place one{.blocks = 1, .rows = 0};
  {
    const std::lock_guard lock(core.mutex);
    if (!core.books.regions.reserve({&one, 1}, 0, places)) return;
    encode(erasure_block{.store = core.id,
                         .place = {places[0].generation, places[0].block},
                         .order = core.books.last_order(),
                         .durable_order = core.books.durable_order},
           {}, block.block(0));
  }
  static_cast<void>(move_sync(*core.engine, block_io::kind::write, core.offset_of(places[0]), block.all()));
  {
    const std::lock_guard lock(core.mutex);
    core.books.regions.written(places[0]);
  }
  static_cast<void>(flush_through_sync(core));
}

}  // namespace kvstrata::nvme
