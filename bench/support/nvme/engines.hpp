// What this build knows of io_uring: engines_uring.cpp where liburing is there, else engines_plain.cpp.
#pragma once

#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <string>

namespace nvme_bench {

struct ring_engine
{
  kvstrata::nvme::engine_maker make;  ///< empty: there is none
  std::string why_not;
};

/// Whether the system has a ring for us is tried on a file of that name.
[[nodiscard]] ring_engine find_ring_engine(const std::string& path);

}  // namespace nvme_bench
