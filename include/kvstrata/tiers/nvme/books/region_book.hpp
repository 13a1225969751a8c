// The regions of an nvme_file: which is being filled, which are full, which may be used next, and where the next record goes.
#pragma once

#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A block of the medium.
using block_number = std::uint32_t;

struct region
{
  enum class state : std::uint8_t {
    unused,   ///< nothing in it counts; its head must be written before it is used
    clean,    ///< its head is durable, with its generation, and nothing else is in it
    open,     ///< being filled
    closing,  ///< full, or as far as a crash let it come; writes may be under way, and it has no table yet
    sealed,   ///< with a table, unless writing that failed: then `rows` stay here
    leaving,  ///< being evicted
  };

  state is = state::unused;
  std::uint64_t generation = 0;  ///< regions are filled in the order of their generations
  std::uint32_t next_block = 1;
  std::uint32_t row_count = 0;  ///< reserved: a table has room for them
  std::uint32_t writes = 0;     ///< under way
  std::uint32_t readers = 0;
  std::vector<table_row> rows;  ///< of what has been written, until there is a table
};

/// Where a record goes.
struct record_place
{
  std::uint32_t region = 0;
  std::uint32_t block = 0;  ///< in the region
  std::uint64_t generation = 0;
};

/// What is to be placed.
struct wanted_place
{
  std::uint32_t blocks = 0;
  std::uint32_t rows = 1;  ///< of the table
};

/// Not synchronised. O(1) but where it says so.
class region_book
{
 public:
  /// Regions before `first` are not for records.
  region_book(std::uint32_t regions, std::uint32_t first, std::uint32_t blocks)
      : regions_(regions), first_(first), blocks_(blocks)
  {
  }

  [[nodiscard]] std::uint32_t first() const noexcept { return first_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(regions_.size()); }
  [[nodiscard]] std::uint32_t blocks() const noexcept { return blocks_; }  ///< of a region
  [[nodiscard]] region& at(std::uint32_t number) noexcept { return regions_[number]; }
  [[nodiscard]] const region& at(std::uint32_t number) const noexcept { return regions_[number]; }

  [[nodiscard]] std::uint32_t region_of(block_number block) const noexcept { return block / blocks_; }
  [[nodiscard]] block_number block_of(const record_place& place) const noexcept
  {
    return place.region * blocks_ + place.block;
  }
  [[nodiscard]] record_place place_of(block_number block) const noexcept
  {
    const std::uint32_t number = block / blocks_;
    return {number, block % blocks_, regions_[number].generation};
  }
  /// Was the record at `a` placed after the one at `b`?
  [[nodiscard]] bool newer(block_number a, block_number b) const noexcept
  {
    const std::uint32_t x = region_of(a);
    const std::uint32_t y = region_of(b);
    return x == y ? a > b : regions_[x].generation > regions_[y].generation;
  }

  /// Blocks that a region has for records when `rows` rows are in its table.
  [[nodiscard]] std::uint32_t room(std::uint32_t rows) const noexcept
  {
    const std::uint64_t besides = 1 + table_blocks_for(rows);  // the head, and the table with its foot
    return blocks_ > besides ? static_cast<std::uint32_t>(blocks_ - besides) : 0;
  }

  /// Blocks for records that there are now, `spared` clean regions left aside: as tables are where records are of 8 blocks.
  [[nodiscard]] std::uint64_t free_blocks(std::size_t spared) const noexcept
  {
    const std::uint64_t each = room(1 + blocks_ / 8);
    std::uint64_t out = clean_.size() > spared ? (clean_.size() - spared) * each : 0;
    if (open_ && regions_[*open_].next_block - 1 < each) out += each - (regions_[*open_].next_block - 1);
    return out;
  }

  /// Places for all of them, in order, or for none; writes that are under way from now on. `spared`: so many clean regions
  /// stay for others. O(what is wanted).
  [[nodiscard]] bool reserve(std::span<const wanted_place> wanted, std::size_t spared, std::vector<record_place>& out)
  {
    if (!fits(wanted, spared)) return false;
    out.clear();
    out.reserve(wanted.size());
    for (const wanted_place& w : wanted) {
      if (!open_ || !takes(regions_[*open_].next_block, regions_[*open_].row_count, w)) open_next();
      region& r = regions_[*open_];
      out.push_back({*open_, r.next_block, r.generation});
      r.next_block += w.blocks;
      r.row_count += w.rows;
      ++r.writes;
    }
    return true;
  }
  void written(const record_place& place) noexcept { --regions_[place.region].writes; }

  /// What is being filled is left as it is, and sealed.
  void close_open() noexcept
  {
    if (open_) set_closing(*open_);
    open_.reset();
  }
  void set_closing(std::uint32_t number) noexcept
  {
    regions_[number].is = region::state::closing;
    ++closing_;
  }
  void set_sealed(std::uint32_t number) noexcept
  {
    if (regions_[number].is == region::state::closing) --closing_;
    regions_[number].is = region::state::sealed;
  }

  [[nodiscard]] std::size_t clean() const noexcept { return clean_.size(); }
  /// Its head has been written, and is durable.
  void add_clean(std::uint32_t number, std::uint64_t generation)
  {
    region& r = regions_[number];
    clean_.push_back(number);
    r = region{};
    r.is = region::state::clean;
    r.generation = generation;
  }
  [[nodiscard]] std::uint64_t next_generation() noexcept { return ++generation_; }
  void has_seen(std::uint64_t generation) noexcept { generation_ = (std::max)(generation_, generation); }

  /// The next to be evicted, oldest first and at most `most`: those in which there may be records, as far as the oldest are
  /// sealed. Never others: what kills a record, an erasure or a newer life, is younger than it, and must go after it.
  /// O(regions log regions).
  [[nodiscard]] std::vector<std::uint32_t> victims(std::size_t most) const
  {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = first_; i < size(); ++i) {
      if (regions_[i].is != region::state::unused && regions_[i].is != region::state::clean) out.push_back(i);
    }
    const auto older = [this](std::uint32_t a, std::uint32_t b) {
      return regions_[a].generation < regions_[b].generation;
    };
    const std::size_t count = (std::min)(most, out.size());
    std::partial_sort(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count), out.end(), older);
    out.resize(count);
    const auto is_sealed = [this](std::uint32_t i) { return regions_[i].is == region::state::sealed; };
    out.erase(std::find_if_not(out.begin(), out.end(), is_sealed), out.end());
    return out;
  }
  /// Those that were never used, at most `most`. O(regions).
  [[nodiscard]] std::vector<std::uint32_t> unused(std::size_t most) const
  {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = first_; i < size() && out.size() < most; ++i) {
      if (regions_[i].is == region::state::unused) out.push_back(i);
    }
    return out;
  }
  /// Those that may be sealed: nothing is written to them any more. O(regions), O(1) where there are none.
  [[nodiscard]] std::vector<std::uint32_t> to_seal() const
  {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = first_; closing_ != 0 && i < size(); ++i) {
      if (regions_[i].is == region::state::closing && regions_[i].writes == 0) out.push_back(i);
    }
    return out;
  }

 private:
  [[nodiscard]] bool takes(std::uint32_t next_block, std::uint32_t rows, const wanted_place& w) const noexcept
  {
    return next_block - 1 + w.blocks <= room(rows + w.rows);
  }

  [[nodiscard]] bool fits(std::span<const wanted_place> wanted, std::size_t spared) const noexcept
  {
    std::size_t taken = 0;
    std::uint32_t next = open_ ? regions_[*open_].next_block : blocks_;
    std::uint32_t rows = open_ ? regions_[*open_].row_count : 0;
    for (const wanted_place& w : wanted) {
      if (!takes(next, rows, w)) {
        ++taken;
        next = 1;
        rows = 0;
        if (!takes(next, rows, w)) return false;
      }
      next += w.blocks;
      rows += w.rows;
    }
    return taken == 0 || taken + spared <= clean_.size();
  }

  void open_next() noexcept
  {
    close_open();
    open_ = clean_.front();
    clean_.pop_front();
    regions_[*open_].is = region::state::open;
  }

  std::vector<region> regions_;
  std::uint32_t first_;
  std::uint32_t blocks_;
  std::optional<std::uint32_t> open_;
  std::deque<std::uint32_t> clean_;  // in the order of their generations
  std::uint32_t closing_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace kvstrata::nvme
