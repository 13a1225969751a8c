// The command line of kvstrata-sim sweep.
#pragma once

#include "sim/capacity.hpp"
#include "sim/sweep.hpp"
#include "sim/traces.hpp"

#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/policy_menu.hpp>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace sim {

struct options
{
  explicit options(const kvstrata::policy_menu& from) : menu(from) {}

  const kvstrata::policy_menu& menu;
  // what is replayed
  trace_arguments traces;
  // which caches
  std::vector<std::string> policies{"all"};
  std::vector<std::string> admissions{"always"};
  std::vector<std::string> capacities{"0.5%", "1%", "2%", "5%", "10%", "20%", "50%"};
  std::string sizes = "unit";
  std::string write_rate;  ///< bytes a second of admission write_rate; empty: the cache once a day
  std::string machine;     ///< a machine file: misses are weighed by the time they cost
  // how
  std::string warmup;    ///< requests, or a share of the trace
  std::string interval;  ///< requests or time
  double sample = 1;
  std::uint64_t seed = 1;
  std::uint32_t threads = 0;
  // results
  std::string csv;
  std::string series;
  std::string json;
  std::string html;
  std::string svg;
  bool quiet = false;

  [[nodiscard]] kvstrata::object_size object_sizes() const;
};

/// The policies of the menu that are asked for, each once, in the menu's order. Throws kvstrata::config_error.
[[nodiscard]] std::vector<const kvstrata::menu_policy*> chosen_policies(const options& o);

/// Throws kvstrata::config_error naming the option, its value and the limit it breaks.
void check(const options& o);

/// Reads the command line into `o`. Returns nothing when the run should go on, else the exit code: 0 after --help or
/// --list (printed to `out`), 2 after a bad argument (a sentence to `err`). Throws kvstrata::config_error where what they say
/// makes no sense.
[[nodiscard]] std::optional<int> parse(const sweep_program& program, int count, const char* const* arguments,
                                       options& o, std::ostream& out, std::ostream& err);

}  // namespace sim
