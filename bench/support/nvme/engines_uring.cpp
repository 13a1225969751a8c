// Built where liburing is there.
#include "support/nvme/engines.hpp"

#include <kvstrata/tiers/nvme/io/uring_engine.hpp>

#include <exception>

namespace nvme_bench {

ring_engine find_ring_engine(const std::string& path)
{
  try {
    static_cast<void>(
        kvstrata::nvme::make_uring_engine({.paths = {path}, .bytes = 1U << 20U, .stripe_bytes = 1U << 20U}));
    return {kvstrata::nvme::make_uring_engine, {}};
  } catch (const std::exception& refused) {
    return {{}, refused.what()};
  }
}

}  // namespace nvme_bench
