// The names that kvstrata-sim cache and machine know policies by.
#pragma once

#include "sim/machine_run.hpp"

#include <string>
#include <string_view>

namespace sim {

/// Of all machine_policies(), for --help.
[[nodiscard]] inline std::string policy_names()
{
  std::string out;
  for (const std::string_view name : machine_policies()) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace sim
