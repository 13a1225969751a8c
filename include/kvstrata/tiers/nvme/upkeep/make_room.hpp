// Room for puts is made ahead of them: full regions get their tables, the oldest are emptied, several at a time.
//
// One round costs two flushes, whatever it does: one makes durable what the tables tell of, what of the oldest is written
// again, and the row that says that the rest is dead; then the tables and the new heads are written, and the other flush
// makes those durable.
#pragma once

#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/format/region_head.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>
#include <kvstrata/tiers/nvme/upkeep/leaving.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// What one round works on.
struct room_round
{
  std::vector<std::uint32_t> full{};    ///< get tables
  std::vector<std::uint32_t> oldest{};  ///< are emptied, and get new heads
  std::vector<std::uint32_t> unused{};  ///< get heads

  [[nodiscard]] bool empty() const noexcept { return full.empty() && oldest.empty() && unused.empty(); }
};

/// What is to be done now; the lock is held.
[[nodiscard]] inline room_round next_round(store_core& core)
{
  region_book& regions = core.books.regions;
  room_round out{.full = regions.to_seal()};
  const std::size_t together = core.clean_regions / 2;
  const bool enough = regions.clean() + together > core.clean_regions;
  if (enough && !core.books.wants_records) return out;
  if (!enough) out.unused = regions.unused(core.clean_regions - regions.clean());
  if (!out.unused.empty()) return out;
  out.oldest = regions.victims(enough ? 1 : together);
  if (!out.oldest.empty()) {
    core.books.wants_records = false;
  } else if (core.books.wants_records && out.full.empty()) {
    regions.close_open();  // all that there is lies in it, or before it
    out.full = regions.to_seal();
  }
  return out;
}

/// The tables and heads of a round, and their writes.
class round_writes
{
 public:
  /// A table for a region that nobody writes to any more. The lock is not needed.
  void add_table(store_core& core, std::uint32_t number, std::uint64_t durable_order)
  {
    const region& r = core.books.regions.at(number);
    const table_foot foot{.store = core.id, .generation = r.generation, .durable_order = durable_order};
    block_buffer& table = memory_.emplace_back(table_blocks_for(r.rows.size()) * block_bytes);
    encode_table(r.rows, foot, {table.data(), table.size()});
    const auto blocks = static_cast<std::uint32_t>(table.size() / block_bytes);
    add(core.offset_of(record_place{.region = number, .block = core.books.regions.blocks() - blocks}), table);
  }
  void add_head(store_core& core, std::uint32_t number, std::uint64_t generation, std::uint64_t durable_order)
  {
    block_buffer& head = memory_.emplace_back(block_bytes);
    encode(region_head{.store = core.id, .generation = generation, .durable_order = durable_order}, head.block(0));
    add(core.offset_of(record_place{.region = number, .block = 0}), head);
  }
  void run_sync(store_core& core) noexcept
  {
    for (std::size_t i = 0; i < ios_.size(); ++i) ios_[i].pieces = {&pieces_[i], 1};
    if (!ios_.empty()) core.engine->run_sync(ios_);
  }
  [[nodiscard]] std::span<const block_io> ios() const noexcept { return ios_; }

 private:
  void add(std::uint64_t offset, block_buffer& from)
  {
    pieces_.push_back(from.all());
    ios_.push_back({.what = block_io::kind::write, .offset = offset});
  }

  std::deque<block_buffer> memory_;
  std::vector<memory_piece> pieces_;
  std::vector<block_io> ios_;
};

namespace detail {

/// The lock is held.
inline void end_sealing(store_core& core, std::uint32_t number, int error) noexcept
{
  core.books.regions.set_sealed(number);
  if (error == 0) {
    core.books.regions.at(number).rows = {};
    ++core.books.counts.sealed_regions;
  } else {  // it will be walked through; until then the rows stay in memory
    ++core.books.counts.unsealed_regions;
    ++core.books.counts.lost_io;
  }
}

/// Tables and heads of a round. False: the medium refuses heads, or does not make them durable.
[[nodiscard]] inline bool write_round_sync(store_core& core, const room_round& round)
{
  std::vector<std::uint32_t> fresh = round.oldest;
  fresh.insert(fresh.end(), round.unused.begin(), round.unused.end());
  std::vector<std::uint64_t> generations;
  round_writes writes;
  std::uint64_t durable_order = 0;
  {
    const std::lock_guard lock(core.mutex);
    durable_order = core.books.durable_order;
    while (generations.size() < fresh.size()) generations.push_back(core.books.regions.next_generation());
  }
  for (const std::uint32_t number : round.full) writes.add_table(core, number, durable_order);
  for (std::size_t i = 0; i < fresh.size(); ++i) writes.add_head(core, fresh[i], generations[i], durable_order);
  writes.run_sync(core);
  const std::span<const block_io> tables = writes.ios().first(round.full.size());
  const std::span<const block_io> heads = writes.ios().subspan(round.full.size());
  {
    const std::lock_guard lock(core.mutex);
    for (std::size_t i = 0; i < tables.size(); ++i) end_sealing(core, round.full[i], tables[i].error);
  }
  if (heads.empty()) return true;
  const bool well = std::all_of(heads.begin(), heads.end(), [](const block_io& io) { return io.error == 0; });
  if (!well || !flush_through_sync(core).flushed) return false;
  const std::lock_guard lock(core.mutex);
  for (std::size_t i = 0; i < fresh.size(); ++i) core.books.regions.add_clean(fresh[i], generations[i]);
  return true;
}

}  // namespace detail

/// One round. False: there is nothing to do, or nothing that can be done.
[[nodiscard]] inline bool make_room_sync(store_core& core)
{
  room_round round;
  std::optional<leaving_regions> leaving;
  {
    const std::lock_guard lock(core.mutex);
    round = next_round(core);
    if (round.empty()) return false;
    leaving.emplace(core, round.oldest);
  }
  bool went = false;
  bool wrote = false;
  try {
    leaving->begin_sync();
    flush_waiter flushed{.over = true, .flushed = true, .written = true};
    if (!round.full.empty() || !round.oldest.empty()) flushed = flush_through_sync(core);
    if (flushed.flushed) leaving->go_sync(flushed.written);
    else leaving->stay_all();
    went = true;
    round.oldest.assign(leaving->numbers().begin(), leaving->numbers().end());
    wrote = detail::write_round_sync(core, round);
    if (wrote && flushed.flushed) return true;
  } catch (const std::exception&) {  // no memory
  }
  if (!went) leaving->stay_all();
  const std::lock_guard lock(core.mutex);
  if (wrote) return !round.full.empty();
  for (const std::uint32_t number : leaving->numbers()) core.books.regions.set_sealed(number);  // and tried again
  ++core.books.counts.lost_io;
  return false;
}

}  // namespace kvstrata::nvme
