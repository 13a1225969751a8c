// The table a replay prints: a row per metric, a column per case, and what it means below.
#pragma once

#include "replay/results.hpp"

#include <string>

namespace replay {

/// The table alone. Lines of at most 112 columns: what has no room goes into further blocks below.
[[nodiscard]] std::string table(const results& r);

/// The table, and below it the workload, the machine, L*, what was scaled, and how verification came out.
[[nodiscard]] std::string summary(const results& r);

}  // namespace replay
