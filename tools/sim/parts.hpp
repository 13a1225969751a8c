// Requests of parts in the simulations: their options, how requests of histories become such, and what is shown of them.
#pragma once

#include <kvstrata/simulate/part_counts.hpp>
#include <kvstrata/simulate/part_cutter.hpp>
#include <kvstrata/simulate/serving_report.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sim {

struct part_arguments
{
  std::uint32_t statics = 0;  ///< tokens of S; 0: requests are histories
  std::uint32_t recents = 100;
  std::uint32_t candidates = 100;
  std::string cut = "daily";

  [[nodiscard]] bool any() const noexcept { return statics != 0; }
};

/// Adds the options that make requests of parts.
void add_part_options(CLI::App& app, part_arguments& p);
/// What was given goes together, of all the command's options. Throws kvstrata::config_error naming the option.
void check(const part_arguments& p, const CLI::App& app);

/// Days of KuaiRand, and of the synthetic workload, are China's.
inline constexpr std::int64_t trace_zone_ms = 8 * 3600 * 1000;

/// Parts that requests point to.
using kept_parts = std::deque<std::array<kvstrata::part, kvstrata::part_cutter::most>>;

/// Makes requests of histories, in the order of their times, requests of parts, which `kept` keeps. `zone_ms`: as
/// part_options.
void cut_into_parts(std::vector<kvstrata::arrival>& requests, const part_arguments& p, std::int64_t zone_ms,
                    kept_parts& kept);

/// Lines under a row of a table.
[[nodiscard]] std::string part_lines(const kvstrata::part_counts& of);
/// Columns of a CSV, each with a comma in front of it, by mode; histories are append parts.
[[nodiscard]] std::string part_csv_head();
[[nodiscard]] std::string part_csv(const kvstrata::part_counts& of);
[[nodiscard]] nlohmann::ordered_json part_json(const kvstrata::part_counts& of);
[[nodiscard]] nlohmann::ordered_json settings_json(const part_arguments& p);

}  // namespace sim
