// Built where liburing is not there.
#include "support/nvme/engines.hpp"

namespace nvme_bench {

ring_engine find_ring_engine(const std::string&)
{
  return {{}, "it was built without liburing (Debian: liburing-dev)"};
}

}  // namespace nvme_bench
