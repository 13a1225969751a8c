// The superblocks of paths that are said to be a store's, whichever order they are given in.
#pragma once

#include "store/faults.hpp"
#include "store/read_engine.hpp"

#include <kvstrata/tiers/nvme/format/superblock.hpp>

#include <string>
#include <vector>

namespace store_tool {

/// In the order of the store.
struct read_paths
{
  std::vector<read_file> files{};
  kvstrata::nvme::superblock first;
};

/// Throws data_error where they are not exactly the paths of one store of this format. A superblock that is damaged while
/// its copy is not is a fault, and so is a file that has been cut.
[[nodiscard]] read_paths read_superblocks(const std::vector<std::string>& paths, fault_list& faults);

}  // namespace store_tool
