// The best engine that a system has. Needs liburing: link kvstrata::uring.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/io_ring.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>
#include <kvstrata/tiers/nvme/io/thread_engine.hpp>
#include <kvstrata/tiers/nvme/io/uring_engine.hpp>

#include <memory>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// io_uring, or threads where the system refuses it; the explanation says why.
[[nodiscard]] inline std::unique_ptr<block_engine> best_engine(const medium_config& config, io_filter* filter)
{
  try {
    return std::make_unique<uring_engine>(config, filter);
  } catch (const ring_refused& refusal) {
    return std::make_unique<thread_engine>(config, filter, std::string("Threads, because ") + refusal.what() + '.');
  }
}
/// An engine_maker: the best that this system has.
[[nodiscard]] inline std::unique_ptr<block_engine> make_best_engine(const medium_config& config)
{
  return best_engine(config, nullptr);
}

}  // namespace kvstrata::nvme
