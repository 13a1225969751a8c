// Results as text, CSV, JSON and a page. Sizes and ratios are those of the whole trace, also where a sample was run.
#pragma once

#include "sim/results.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace sim {

/// A table a trace and way to count misses: a row per policy, the best first, a column per size.
[[nodiscard]] std::string tables(const results& r);

/// What the tables stand on, in sentences.
[[nodiscard]] std::string remarks(const results& r);

/// A row per trace, policy and size, below a header.
[[nodiscard]] std::string csv(const results& r);

/// A row per trace, policy, size and interval, below a header.
[[nodiscard]] std::string series_csv(const results& r);

[[nodiscard]] nlohmann::ordered_json to_json(const results& r);

/// One HTML file: style, script and data are inside, and nothing is fetched.
[[nodiscard]] std::string page(const results& r);

}  // namespace sim
