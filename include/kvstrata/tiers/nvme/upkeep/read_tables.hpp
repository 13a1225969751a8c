// The tables of regions that opening a store has found: those of several regions are read together, so that a drive has as
// many reads at a time as it can make use of.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/walk_region.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme::detail {

struct found_region
{
  std::uint32_t number = 0;
  std::uint64_t generation = 0;
  std::optional<table_foot> foot;  ///< of a sealed one
  std::vector<std::byte> table;    ///< of one whose table is the block that the foot lies in, and was read with it
  walked_region walked;            ///< of another
};

/// Not for several threads at once. Takes about `most_bytes` of memory, or that of one table.
class table_reader
{
 public:
  table_reader(store_core& core, std::span<const found_region> all) : core_(&core), all_(all) {}

  /// The bytes of the table of one of them; they are asked for in their order. Empty: it has none, or it cannot be read.
  /// Valid until the next call. Blocks for several at a time.
  [[nodiscard]] std::span<const std::byte> table_of_sync(std::size_t which)
  {
    if (!all_[which].table.empty()) return all_[which].table;
    if (which >= end_) read_sync(which);
    const part& mine = parts_[which - begin_];
    return {buffer_.data() + mine.at, mine.bytes};
  }

 private:
  static constexpr std::size_t most_bytes = std::size_t{8} << 20U;
  static constexpr std::size_t most_tables = 1024;

  struct part
  {
    std::size_t at = 0;  // in the buffer
    std::size_t bytes = 0;
  };

  void read_sync(std::size_t from)
  {
    parts_.clear();
    begin_ = end_ = from;
    std::size_t bytes = 0;
    for (; end_ != all_.size() && parts_.size() != most_tables; ++end_) {
      const std::optional<table_foot>& foot = all_[end_].foot;
      const bool wanted = foot && all_[end_].table.empty();
      const std::size_t mine = wanted ? table_blocks_for(foot->rows) * block_bytes : 0;
      if (bytes != 0 && bytes + mine > most_bytes) break;
      parts_.push_back({bytes, mine});
      bytes += mine;
    }
    if (buffer_.size() < bytes) buffer_ = block_buffer(bytes);
    std::vector<memory_piece> pieces(parts_.size());
    std::vector<block_io> ios;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].bytes == 0) continue;
      const auto blocks = static_cast<std::uint32_t>(parts_[i].bytes / block_bytes);
      const record_place where{.region = all_[from + i].number, .block = core_->books.regions.blocks() - blocks};
      pieces[i] = {buffer_.data() + parts_[i].at, parts_[i].bytes};
      ios.push_back({.what = block_io::kind::read, .offset = core_->offset_of(where), .pieces = {&pieces[i], 1}});
    }
    core_->engine->run_sync(ios);
    std::size_t io = 0;
    for (part& each : parts_) {
      if (each.bytes != 0 && ios[io++].error != 0) each.bytes = 0;
    }
  }

  store_core* core_;
  std::span<const found_region> all_;
  std::size_t begin_ = 0, end_ = 0;  // of those that have been read
  std::vector<part> parts_;
  block_buffer buffer_;
};

}  // namespace kvstrata::nvme::detail
