// A store's records in a new store of one file: with nothing in between, and no larger than it must be.
#pragma once

#include "store/store_file.hpp"

#include <cstdint>
#include <string>

namespace store_tool {

struct compacted
{
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  ///< of the file
};

/// The least that a file must have for these records, so that a store that is opened in it evicts none.
[[nodiscard]] std::uint64_t bytes_for(const store_file& in);

/// Writes them in their order; they were checked before. What has become bad since is added to the faults and left out.
/// `bytes`: of the file, rounded up to regions; 0: bytes_for(in). The file is there as a whole or not at all, and never in
/// the place of one that is there. Throws config_error for one that is too small, error where it cannot be written.
[[nodiscard]] compacted compact(store_file& in, const std::string& to, std::uint64_t bytes);

}  // namespace store_tool
