// Group commit: what was written becomes durable, and so does what was erased; those who want that at a time share a flush.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
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

namespace kvstrata::nvme {

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
    ios[i] = {.what = block_io::kind::write, .offset = core.offset_of(places[i]), .pieces = {&pieces[i], 1}};
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
      const erasure& e = rows[first];
      const bool whole = e.what == erasure::kind::sequence;
      table.push_back({.order = e.order,
                       .key = e.key,
                       .life = whole ? 0 : e.place.generation,
                       .block = e.place.block,
                       .what = whole ? table_row::kind::erased_sequence : table_row::kind::erased_record});
    }
  }
  auto& all = core.books.erasures;
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(rows.size()));
  return true;
}

/// Blocks until all that was written and erased before the call is durable, or is known not to be: false. Then what was
/// written since the last flush is found no more.
[[nodiscard]] inline bool commit_sync(store_core& core)
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
    bool well = false;
    try {
      well = write_erasures_sync(core);
    } catch (const std::exception&) {  // no memory: they stay
    }
    lock.lock();
    const flush_cover cover = core.books.take_undurable();
    lock.unlock();
    const int error = core.engine->flush_sync();
    lock.lock();
    ++core.books.counts.flushes;
    if (error == 0) core.books.flushed(cover);
    else core.books.not_flushed(cover);
    for (flush_waiter* w : mine) {
      w->durable = well && error == 0;
      w->over = true;
    }
    core.flushing = false;
    core.flush_over.notify_all();
  }
  return me.durable;
}

}  // namespace kvstrata::nvme
