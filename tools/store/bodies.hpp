// Heads and bodies of records, read and checked one by one.
#pragma once

#include "store/store_file.hpp"

#include <kvstrata/tiers/nvme/format/record_head.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace store_tool {

/// A record's head, where it is the one that its region's table tells of; else the sentence's end that says what is wrong.
struct read_head
{
  std::optional<kvstrata::nvme::record_head> head;
  std::string fault;
};

/// What was looked at, and of records that are not durable what a crash left. Faults of durable ones are the store's.
struct check_counts
{
  std::uint64_t heads = 0;   ///< read
  std::uint64_t bodies = 0;  ///< read, layer by layer
  std::uint64_t bytes = 0;   ///< of bodies
  std::uint64_t torn = 0;    ///< records of puts that are not durable and not whole: opening the store drops them
};

[[nodiscard]] read_head read_head_of(store_file& in, const kept_record& r);

/// Reads all heads, and bodies if it is to; what is wrong with durable records is added to the store's faults. Records that
/// are not whole leave store.records. O(bytes), and the memory of one record.
[[nodiscard]] check_counts check_records(store_file& in, bool with_bodies);

}  // namespace store_tool
