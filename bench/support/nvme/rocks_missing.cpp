// Built where RocksDB is not there.
#include "support/nvme/rocks.hpp"

#include <cstdio>

namespace nvme_bench {

void print_rocks(const std::string&)
{
  std::printf("  RocksDB is left out: it was not found when this was built (Debian: librocksdb-dev)\n");
}

}  // namespace nvme_bench
