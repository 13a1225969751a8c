// The table a replay prints: a row per metric, a column per case, and what it means below.
#pragma once

#include "replay/results.hpp"

#include <string>

namespace replay {

/// The table alone. Lines of at most 120 columns for up to five cases.
[[nodiscard]] std::string table(const results& r);

/// The table, and below it the workload, the machine, L*, what was scaled, and how verification came out.
[[nodiscard]] std::string summary(const results& r);

}  // namespace replay
