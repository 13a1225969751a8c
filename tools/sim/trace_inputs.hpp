// Traces among what a command reads.
#pragma once

#include "sim/traces.hpp"

#include "command_line/limits.hpp"
#include "command_line/output_paths.hpp"

#include <kvstrata/core/error.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

/// `others`, and the traces behind them.
[[nodiscard]] inline std::vector<tools::named_path> with_traces(std::vector<tools::named_path> others,
                                                                const trace_arguments& t)
{
  for (const std::string& path : t.paths) others.push_back({"--trace", path});
  return others;
}

/// Throws kvstrata::config_error for a number of seeds that makes no sense of these.
inline void check_seeds(std::uint32_t seeds, const trace_arguments& t)
{
  tools::within("--seeds", seeds, 1, 1000);
  if (seeds > 1 && !t.paths.empty()) {
    throw kvstrata::config_error("--seeds", seeds, "a trace is what it is: seeds are of the synthetic workload");
  }
}

}  // namespace sim
