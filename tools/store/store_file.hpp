// A store that is opened to be looked at: its superblocks, its regions, and what opening it would find.
#pragma once

#include "store/faults.hpp"

#include <kvstrata/tiers/nvme/format/superblock.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace store_tool {

/// A record that the store would find.
struct kept_record
{
  kvstrata::nvme::table_row row;
  kvstrata::nvme::record_place place;
  bool durable = false;  ///< else a crash may have torn it, and opening the store looks
};

struct region_counts
{
  std::uint64_t sealed = 0;      ///< with a table
  std::uint64_t walked = 0;      ///< without one, and with something in them
  std::uint64_t empty = 0;       ///< made ready and not begun
  std::uint64_t unused = 0;      ///< never made ready
  std::uint64_t damaged = 0;     ///< whose head is not as it was written: what is in them is not found
  std::uint64_t unreadable = 0;  ///< whose head cannot be read
};

/// What is in it, as its superblocks, heads and tables say. Not moved: the core has a lock.
struct store_file
{
  kvstrata::nvme::superblock is;   ///< of its first path
  std::vector<std::string> paths;  ///< in the store's order, whatever order they were given in
  std::vector<std::uint64_t> path_bytes;
  std::unique_ptr<kvstrata::nvme::store_core> core;  ///< its engine only reads
  region_counts regions;
  std::vector<kept_record> records;  ///< the oldest first
  fault_list faults;                 ///< of superblocks, heads and tables

  [[nodiscard]] std::uint64_t record_bytes() const noexcept;  ///< on the medium, with heads and padding
  [[nodiscard]] std::string where(const kept_record& r) const;
};

/// Throws data_error for paths that are missing, in use, no store's, or not all of one store's. Reads tables and walks
/// regions without one; no bodies. O(records + regions).
[[nodiscard]] store_file open_store(const std::vector<std::string>& paths);

}  // namespace store_tool
