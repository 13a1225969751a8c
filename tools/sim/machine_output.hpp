// What a grid of machines found: a table as it comes, CSV, JSON.
#pragma once

#include "sim/machine_grid.hpp"

#include <nlohmann/json_fwd.hpp>

#include <iosfwd>
#include <string>

namespace sim {

/// A table's columns: what is the same in all rows is left out.
struct machine_table
{
  bool policies = false;
  bool memory = false;
  bool batch = false;
  bool rate = false;
  bool streams = false;
  bool codecs = false;
  bool intervals = false;

  explicit machine_table(const machine_lists& lists);
  void head(std::ostream& out) const;
  void row(std::ostream& out, const machine_cell& cell) const;
};

[[nodiscard]] std::string machine_csv_head();
[[nodiscard]] std::string machine_csv_row(const machine_cell& cell);

/// Figures are means over the seeds, counts are sums; all that was set stands in "settings".
[[nodiscard]] nlohmann::ordered_json machine_json(const machine_cell& cell, const machine_load& load,
                                                  const trace_arguments& traces);

}  // namespace sim
