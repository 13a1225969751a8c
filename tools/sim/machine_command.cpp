// kvstrata-sim machine: serves a trace of users on described machines, in virtual time, and tells latencies.
#include "sim/commands.hpp"
#include "sim/machine_run.hpp"
#include "sim/traces.hpp"

#include "command_line/output_paths.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/output_file.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sim {
namespace {

constexpr std::string_view about =
    "Predicts what a described machine would do with a trace of users: the cache as it is in production, on links and "
    "a "
    "model that take their time in virtual time. No GPU is needed, nothing is computed.";

constexpr std::string_view examples = R"(
Examples:
  kvstrata-sim machine --machine tools/sim/machines/h200_pcie5.machine
  kvstrata-sim machine --machine h200_pcie5.machine --machine l20_pcie4.machine --caches default,mtserve
  kvstrata-sim machine --machine h200_pcie5.machine --rate 200        requests come 200 a second, on average
)";

struct machine_options
{
  trace_arguments traces;
  std::vector<std::string> machines;
  std::vector<std::string> caches{"device_only", "mtserve", "default"};
  machine_load load;
  std::string json;
};

void add_options(CLI::App& app, machine_options& o)
{
  add_trace_options(app, o.traces);
  const auto number = [&app](const char* group, const char* name, auto& value, const char* meaning) {
    using value_type = std::remove_reference_t<decltype(value)>;
    app.add_option(name, value, meaning)
        ->group(group)
        ->check(&replay::number_fault<value_type>, "")
        ->type_name("N")
        ->capture_default_str();
  };
  app.add_option("--machine", o.machines,
                 "a machine file, such as those in tools/sim/machines; may be given several times")
      ->group("machine")
      ->type_name("FILE")
      ->check(&replay::text_fault, "")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--caches", o.caches, "device_only, mtserve, default")
      ->group("machine")
      ->delimiter(',')
      ->type_name("LIST")
      ->allow_extra_args(false)
      ->default_str("device_only,mtserve,default");
  number("machine", "--device-gib", o.load.device_gib, "device memory for the slab; 0: as the machine file says");
  number("machine", "--host-gib", o.load.host_gib, "pinned memory for the arena; 0: as the machine file says");
  number(
      "load", "--rate", o.load.rate,
      "requests a second, on average: they come as in the trace, faster or slower. 0: the next batch is always there");
  number("load", "--batch", o.load.batch, "requests a batch; those of one user become one");
  number("load", "--event-tokens", o.load.event_tokens, "tokens that an event of the history is");
  number("load", "--longest", o.load.longest, "tokens of a history; of a longer one only so many are asked for");
  number("load", "--requests", o.load.requests, "of the trace, from its beginning; 0: all");
  number("load", "--warmup", o.load.warm_up, "so many of them are served, but not reported");
  app.add_option("--json", o.json, "write the results to a file")
      ->group("results")
      ->type_name("PATH")
      ->check(&replay::text_fault, "");
}

void check(const machine_options& o)
{
  check(o.traces);
  check(o.load);
  for (const std::string& name : o.caches) {
    if (!std::any_of(machine_caches().begin(), machine_caches().end(),
                     [&](const machine_cache& c) { return c.name == name; })) {
      throw kvstrata::config_error("--caches", "'" + name + "'", "it must be device_only, mtserve or default");
    }
  }
}

std::string text(const char* format, auto... values)
{
  std::string out(static_cast<std::size_t>(std::snprintf(nullptr, 0, format, values...)), '\0');
  std::snprintf(out.data(), out.size() + 1, format, values...);
  return out;
}

void print_head(std::ostream& out)
{
  out << text("%-16s %-12s %9s %9s %9s %9s %9s %9s %8s %8s %8s %10s %8s\n", "machine", "cache", "requests", "merged",
              "req/s", "p50 ms", "p90 ms", "p99 ms", "stalled", "slab", "arena", "dropped", "GB up");
}

void print_row(std::ostream& out, const std::string& machine, std::string_view cache, const kvstrata::serving_report& r)
{
  const kvstrata::by_level<std::uint64_t>& served = r.served_tokens;
  const auto share = [](double part, double whole) { return whole > 0 ? 100 * part / whole : 0; };
  const auto tokens = static_cast<double>(std::accumulate(served.begin(), served.end(), r.computed_tokens));
  out << text("%-16s %-12s %9llu %9llu %9.1f %9.2f %9.2f %9.2f %6.1f %% %6.1f %% %6.1f %% %10llu %8.1f\n",
              machine.c_str(), std::string(cache).c_str(), static_cast<unsigned long long>(r.requests),
              static_cast<unsigned long long>(r.merged), r.requests_per_second(), 1e3 * r.percentile(0.5),
              1e3 * r.percentile(0.9), 1e3 * r.percentile(0.99), share(r.stalled_seconds, r.seconds),
              share(static_cast<double>(served[0]), tokens), share(static_cast<double>(served[1]), tokens),
              static_cast<unsigned long long>(r.dropped_tokens), static_cast<double>(r.onload_bytes) / 1e9);
}

nlohmann::ordered_json as_json(const std::string& machine, std::string_view cache, const std::string& trace,
                               const machine_result& result)
{
  const kvstrata::serving_report& r = result.report;
  auto levels = nlohmann::ordered_json::array();
  auto served = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < result.levels.size(); ++i) {
    levels.push_back({{"name", result.levels[i]}});
    served.push_back(r.served_tokens[i]);
  }
  return {{"trace", trace},
          {"machine", machine},
          {"cache", std::string(cache)},
          {"requests", r.requests},
          {"batches", r.batches},
          {"merged", r.merged},
          {"unserved", r.unserved},
          {"seconds", r.seconds},
          {"busy_seconds", r.busy_seconds},
          {"stalled_seconds", r.stalled_seconds},
          {"requests_per_second", r.requests_per_second()},
          {"latency_seconds",
           {{"mean", r.mean_latency()},
            {"p50", r.percentile(0.5)},
            {"p90", r.percentile(0.9)},
            {"p99", r.percentile(0.99)},
            {"max", r.percentile(1)}}},
          {"levels", std::move(levels)},
          {"tokens",
           {{"levels", std::move(served)},
            {"computed", r.computed_tokens},
            {"recomputed", r.recomputed_tokens},
            {"dropped", r.dropped_tokens}}},
          {"bytes", {{"onloaded", r.onload_bytes}, {"offloaded", r.offload_bytes}}}};
}

void run(const machine_options& o, std::ostream& out)
{
  const std::vector<tools::named_path> outputs{{"--json", o.json}};
  std::vector<tools::named_path> inputs;
  for (const std::string& path : o.machines) inputs.push_back({"--machine", path});
  for (const std::string& path : o.traces.paths) inputs.push_back({"--trace", path});
  tools::require_outputs(outputs, inputs);
  std::vector<kvstrata::machine_description> machines;
  for (const std::string& path : o.machines) machines.push_back(kvstrata::read_machine(path));
  auto results = nlohmann::ordered_json::array();
  for (const named_trace& one : list_traces(o.traces)) {
    kvstrata::any_source source = open(one, o.traces);
    const std::vector<kvstrata::arrival> requests = read_arrivals(source, o.load);
    out << one.name << ": " << requests.size() << " requests"
        << (o.load.rate > 0 ? ", open loop, " + text("%g", o.load.rate) + " a second" : ", closed loop")
        << "; virtual time\n";
    print_head(out);
    for (const auto& m : machines) {
      for (const std::string& name : o.caches) {
        for (const machine_cache& cache : machine_caches()) {
          if (cache.name != name) continue;
          const machine_result r = cache.serve(m, requests, o.load);
          print_row(out, m.name, name, r.report);
          for (const std::string& each : r.warnings) out << "  warning: " << each << '\n';
          out.flush();
          results.push_back(as_json(m.name, name, one.name, r));
        }
      }
    }
    out << '\n';
  }
  if (!o.json.empty()) kvstrata::write_file(o.json, results.dump(2) + "\n");
}

}  // namespace

int machine_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  machine_options o;
  try {
    CLI::App app{std::string(about), "kvstrata-sim machine"};
    app.get_formatter()->column_width(34);
    app.footer(std::string(tools::output_rule) + "\n" + std::string(examples));
    add_options(app, o);
    try {
      app.parse(count, arguments);
    } catch (const CLI::Success&) {
      out << app.help();
      return 0;
    } catch (const CLI::ParseError& e) {
      err << "error: " << e.what() << "\nkvstrata-sim machine --help lists the options.\n";
      return 2;
    }
    check(o);
  } catch (const kvstrata::config_error& e) {
    err << "error: " << e.what() << ".\n";
    return 2;
  }
  try {
    run(o, out);
    return 0;
  } catch (const kvstrata::config_error& e) {
    err << "error: " << e.what() << ".\n";
    return 2;
  } catch (const kvstrata::error& e) {
    err << "error: " << e.what() << '\n';
    return 1;
  }
}

}  // namespace sim
