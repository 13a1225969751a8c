// RocksDB with blob files, opened after a kill: rocks.cpp where librocksdb-dev is there, else rocks_missing.cpp.
#pragma once

#include <string>

namespace nvme_bench {

/// Writes, kills, opens and prints, or says why not. The folder must not be there.
void print_rocks(const std::string& folder);

}  // namespace nvme_bench
