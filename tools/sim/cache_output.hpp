// What kvstrata-sim cache shows of a point.
#pragma once

#include "sim/cache_run.hpp"

#include <kvstrata/simulate/machine.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace sim {

/// The table: its head, and a row for each point.
void cache_table_head(std::ostream& out, std::size_t seeds);
void cache_table_row(std::ostream& out, const kvstrata::machine_description& m, const cache_cell& cell);

/// With the line's end.
[[nodiscard]] std::string cache_csv_head();
[[nodiscard]] std::string cache_csv_row(const std::string& trace, const kvstrata::machine_description& m,
                                        const cache_lists& lists, const cache_cell& cell);

/// Shares are of the requests' tokens.
[[nodiscard]] nlohmann::ordered_json cache_json(const std::string& trace, const kvstrata::machine_description& m,
                                                const machine_load& load, const cache_lists& lists,
                                                std::uint64_t first_seed, const cache_cell& cell);

}  // namespace sim
