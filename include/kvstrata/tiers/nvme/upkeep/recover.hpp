// Opening a store: the tables of its regions say what there is; those that have none are walked through. Bodies are not read.
#pragma once

#include <kvstrata/tiers/nvme/format/region_head.hpp>
#include <kvstrata/tiers/nvme/upkeep/read_tables.hpp>
#include <kvstrata/tiers/nvme/upkeep/region_ends.hpp>
#include <kvstrata/tiers/nvme/upkeep/superblocks.hpp>
#include <kvstrata/tiers/nvme/upkeep/walk_region.hpp>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

namespace detail {

/// Takes rows in, newest first: so whatever kills one has been seen before it.
class row_reader
{
 public:
  row_reader(store_core& core, std::uint64_t durable_order) : core_(&core), durable_order_(durable_order) {}

  void take(const found_region& in, const table_row& row)
  {
    core_->books.has_seen(row.order);
    switch (row.what) {
      case table_row::kind::erased_sequence: {
        std::uint64_t& order = erased_[row.key];
        order = (std::max)(order, row.order);
        ++core_->recovery.erasures;
        return;
      }
      case table_row::kind::erased_record:
        gone_.insert(place_number(row.life, row.block));
        ++core_->recovery.erasures;
        return;
      case table_row::kind::erased_older:
        if (row.order < oldest_order_) return;
        oldest_order_ = row.order;
        oldest_ = row.life;
        return;
      case table_row::kind::record: break;
    }
    const auto erased = erased_.find(row.key);
    if (in.generation < oldest_ || (erased != erased_.end() && row.order < erased->second) ||
        gone_.contains(place_number(in.generation, row.block)) || is_replaced(row)) {
      ++core_->recovery.outdated;
      return;
    }
    const block_number block = core_->books.regions.block_of({.region = in.number, .block = row.block});
    const bool durable = row.order <= durable_order_;
    const bool room = core_->books.index.insert(
        row.key,
        {.life = static_cast<std::uint32_t>(row.life), .block = block, .tokens = row.tokens, .durable = durable},
        [this](block_number a, block_number b) { return core_->books.regions.newer(a, b); });
    if (!room) {
      ++core_->recovery.left_out;
      return;
    }
    ++core_->recovery.records;
    if (!durable) core_->books.unverified.push_back({row.key, block, in.generation, row.order});
  }

 private:
  /// Generations and blocks are far smaller than their types.
  [[nodiscard]] static std::uint64_t place_number(std::uint64_t generation, std::uint32_t block) noexcept
  {
    return generation * 0x100000000U + block;
  }

  [[nodiscard]] bool is_replaced(const table_row& row) const noexcept
  {
    bool out = false;
    core_->books.index.for_each_of(row.key, [&](const index_entry& newer) noexcept {
      const bool covers = newer.life != static_cast<std::uint32_t>(row.life) || newer.tokens.contains(row.tokens);
      out = newer.durable && covers;
      return !out;
    });
    return out;
  }

  store_core* core_;
  std::uint64_t durable_order_;
  std::uint64_t oldest_ = 0;  // what lies in regions of smaller generations is dead; by the newest row that says so
  std::uint64_t oldest_order_ = 0;
  boost::unordered_flat_map<sequence_key, std::uint64_t, sequence_hash> erased_;
  boost::unordered_flat_set<std::uint64_t> gone_;
};

/// Heads and feet of all regions, and rows of those without a table.
[[nodiscard]] inline std::vector<found_region> find_regions_sync(store_core& core, std::uint64_t& durable_order)
{
  region_book& regions = core.books.regions;
  std::vector<found_region> out;
  constexpr std::uint32_t at_a_time = 512;
  constexpr std::uint32_t most_kept = 16384;  // tables of a block, so that they are not read twice: 64 MiB
  std::uint32_t kept = 0;
  block_buffer buffer(std::size_t{2} * (std::min)(at_a_time, regions.size() - regions.first()) * block_bytes);
  for (std::uint32_t begin = regions.first(); begin < regions.size(); begin += at_a_time) {
    const std::uint32_t count = (std::min)(at_a_time, regions.size() - begin);
    const std::vector<int> errors = read_ends_sync(core, begin, count, buffer);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (errors[2 * i] != 0) {
        ++core.recovery.unreadable;
        continue;
      }
      const auto head = decode_region_head(buffer.block(2 * i));
      if (!head || head->store != core.id) continue;
      durable_order = (std::max)(durable_order, head->durable_order);
      regions.has_seen(head->generation);
      found_region& found = out.emplace_back();
      found.number = begin + i;
      found.generation = head->generation;
      regions.at(begin + i).generation = head->generation;
      if (errors[2 * i + 1] != 0) continue;
      found.foot = decode_foot(buffer.block(2 * i + 1), core.id, head->generation, regions.blocks());
      if (!found.foot) continue;
      durable_order = (std::max)(durable_order, found.foot->durable_order);
      if (kept != most_kept && table_blocks_for(found.foot->rows) == 1) {
        const block_span last = buffer.block(2 * i + 1);
        found.table.assign(last.begin(), last.end());
        ++kept;
      }
    }
  }
  for (found_region& found : out) {
    if (found.foot) continue;
    found.walked = walk_region_sync(core, found.number, found.generation);
    durable_order = (std::max)(durable_order, found.walked.durable_order);
  }
  return out;
}

/// The rows of a sealed region, as they lie; of one whose table is bad it walks through.
[[nodiscard]] inline std::vector<table_row> rows_of_found_sync(store_core& core, found_region& found,
                                                               std::span<const std::byte> table)
{
  if (!found.foot) return found.walked.rows;
  if (!decode_table(table, core.id, found.generation, core.books.regions.blocks())) {
    found.foot.reset();
    found.walked = walk_region_sync(core, found.number, found.generation);
    return found.walked.rows;
  }
  std::vector<table_row> rows;
  rows.reserve(found.foot->rows);
  for (std::uint32_t i = 0; i < found.foot->rows; ++i) rows.push_back(row_at(table, i));
  return rows;
}

}  // namespace detail

/// Reads what is there. Nothing is written; what a crash left half done is done by whoever tidies up. O(records).
/// visit(region, rows): each region that was ever opened, newest first, and what is in it, as its table has it.
template <class Visit>
void recover_sync(store_core& core, Visit&& visit)
{
  std::uint64_t durable_order = 0;
  std::vector<detail::found_region> found = detail::find_regions_sync(core, durable_order);
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.generation > b.generation; });
  detail::row_reader reader(core, durable_order);
  detail::table_reader tables(core, found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    detail::found_region& each = found[i];
    std::vector<table_row> rows = detail::rows_of_found_sync(core, each, tables.table_of_sync(i));
    visit(std::as_const(each), std::as_const(rows));
    // Rows lie as writes ended. What an erasure kills lies before it, and its order says what that is.
    const auto is_record = [](const table_row& row) { return row.what == table_row::kind::record; };
    const auto records =
        std::partition(rows.begin(), rows.end(), [&](const table_row& row) { return !is_record(row); });
    std::sort(records, rows.end(), [](const table_row& a, const table_row& b) { return a.block > b.block; });
    for (const table_row& row : rows) reader.take(each, row);
    region& r = core.books.regions.at(each.number);
    if (each.foot) {
      core.books.regions.set_sealed(each.number);
      ++core.recovery.tables;
    } else if (!rows.empty() || !each.walked.readable) {
      r.rows = std::move(rows);
      core.books.regions.set_closing(each.number);
      ++core.recovery.walked;
      if (!each.walked.readable) ++core.recovery.unreadable;
    }  // else it was clean, and is made so again
  }
  core.books.has_seen(durable_order);
  core.books.durable_order = durable_order;
}
inline void recover_sync(store_core& core)
{
  recover_sync(core, [](const auto&, const auto&) {});
}

}  // namespace kvstrata::nvme
