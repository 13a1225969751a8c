// Results of kvstrata-sim cluster as text, CSV, JSON and a page. All of them say that they are a simulation's.
#pragma once

#include "sim/cluster_run.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sim {

/// A row for each curve and load.
[[nodiscard]] std::string cluster_table(const cluster_question& asked, const cluster_answer& a);
/// The same, below a header.
[[nodiscard]] std::string cluster_csv(const cluster_answer& a);
/// What was assumed, every figure, and those of every node.
[[nodiscard]] nlohmann::ordered_json cluster_json(const cluster_question& asked, const cluster_answer& a);
/// One HTML file: time to first token against load, and of each node hits, work and bytes. Nothing in it is fetched, and there is no script.
[[nodiscard]] std::string cluster_page(const cluster_question& asked, const cluster_answer& a);

/// What the figures stand on, in sentences.
[[nodiscard]] std::vector<std::string> cluster_remarks(const cluster_question& asked, const cluster_answer& a);

/// How many times quicker a percentile is than that of as many prefix caches under the same load; nothing where one of the two is saturated,
/// and for the prefix cache itself.
[[nodiscard]] std::optional<double> gain_over_prefix(const cluster_answer& a, const cluster_curve& curve,
                                                     std::size_t point, double percentile);

}  // namespace sim
