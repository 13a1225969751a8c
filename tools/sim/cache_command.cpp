// kvstrata-sim cache: what each level of a cache serves of a trace of users, by policy and by codec, in as many bytes.
#include "sim/cache_output.hpp"
#include "sim/cache_run.hpp"
#include "sim/commands.hpp"
#include "sim/machine_codes.hpp"
#include "sim/option_adder.hpp"
#include "sim/policy_names.hpp"
#include "sim/subcommand.hpp"
#include "sim/trace_inputs.hpp"
#include "sim/traces.hpp"

#include "command_line/json_text.hpp"
#include "command_line/machine_files.hpp"
#include "command_line/output_paths.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/output_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace sim {
namespace {

constexpr std::string_view about =
    "Serves a trace of users from the cache as it is in production, without data and without time, and counts what "
    "each level served: by policy, and by the codec of the arena, in as many bytes of each level. kvstrata-sim machine "
    "tells what that is worth in time.";

constexpr std::string_view examples = R"(
Examples:
  kvstrata-sim cache --machine h200_pcie5
  kvstrata-sim cache --machine h200_pcie5 --policies lru,s3_fifo,locality --codec identity,exp4,int8
  kvstrata-sim cache --machine h200_pcie5 --trace KuaiRand-Pure --host-gib 4,8,16 --codec identity,exp4 --csv c.csv
  kvstrata-sim cache --machine h200_pcie5 --policies lru --static-tokens 1000 --recent-tokens 100 --cut weekly
)";

struct cache_options
{
  trace_arguments traces;
  std::string machine;
  cache_lists lists;
  machine_load load{.requests = 20'000};
  std::string csv;
  std::string json;
};

void add_options(CLI::App& app, cache_options& o)
{
  add_trace_options(app, o.traces);
  const option_adder add{app};
  add.number("trace", "--seed", o.traces.seed, "of the synthetic workload");
  add.text("cache", "--machine", o.machine, "FILE",
           std::string(tools::machine_rule) + ": the shape of the model, and sizes")
      ->required();
  add.list("cache", "--policies", o.lists.policies, "lru,s3_fifo,locality",
           "who leaves first, of both tiers: " + policy_names());
  add.list("cache", "--codec", o.lists.codecs, "identity",
           "in what form the arena keeps its pages, in as many bytes: " + codec_names() +
               ". Nothing is encoded: a code has its size. A page that a history fills in part is kept as it is");
  const std::string gib_fault = "0: as the machine file says";
  add.numbers("cache", "--device-gib", o.lists.device_gib, "0", "device memory for the slab; " + gib_fault);
  add.numbers("cache", "--host-gib", o.lists.host_gib, "0", "pinned memory for the arena; " + gib_fault);
  add.number(
      "cache", "--raw-share", o.lists.raw_share,
      "of the arena's bytes, with a codec, for pages that are filled in part and for those that a batch writes down");
  app.add_flag("--int4", o.lists.int4, "lets --codec name int4, whose errors show in answers")->group("cache");
  add.number("load", "--batch", o.lists.batch, "requests a batch; those of one user become one");
  add.number("load", "--event-tokens", o.load.event_tokens, "tokens that an event of the history is");
  add.number("load", "--longest", o.load.longest, "tokens of a history; of a longer one only so many are asked for");
  add.number("load", "--requests", o.load.requests, "of the trace, from its beginning; 0: all");
  add.number("load", "--warmup", o.load.warm_up, "so many of them are served, but not counted");
  add_part_options(app, o.load.parts);
  add.number("load", "--seeds", o.lists.seeds,
             "run so many synthetic workloads, and say the 95 % interval of their mean");
  add.text("results", "--csv", o.csv, "PATH", "a row for each combination");
  add.text("results", "--json", o.json, "PATH", "everything");
}

void run(const cache_options& o, const std::vector<cache_point>& points, std::ostream& out)
{
  const std::vector<tools::named_path> outputs{{"--csv", o.csv}, {"--json", o.json}};
  tools::require_outputs(outputs, with_traces({{"--machine", o.machine}}, o.traces));
  const kvstrata::machine_description m = kvstrata::read_machine(o.machine);
  auto results = nlohmann::ordered_json::array();
  std::string rows = cache_csv_head();
  for (const named_trace& one : list_traces(o.traces)) {
    std::vector<cache_cell> cells;
    for (const cache_point& point : points) cells.push_back({point, {}});
    std::size_t requests = 0;
    kvstrata::trace_notes notes;
    kept_parts kept;
    for (std::uint32_t seed = 0; seed < o.lists.seeds; ++seed) {
      trace_arguments its = o.traces;
      its.seed += seed;
      kvstrata::any_source source = open(one, its);
      std::vector<kvstrata::arrival> asked = read_arrivals(source, o.load);
      cut_into_parts(asked, o.load.parts, trace_zone_ms, kept);
      if (seed == 0) requests = asked.size(), notes = source.notes();
      for (cache_cell& cell : cells) cell.runs.push_back(count(m, asked, o.load, o.lists, cell.point));
    }
    out << kvstrata::printable(one.name) << ": " << requests << " requests";
    if (o.lists.seeds > 1) out << " of each of " << o.lists.seeds << " seeds";
    out << ", batches of " << o.lists.batch << "; shares are of their tokens\n";
    tell_notes(out, notes);
    cache_table_head(out, o.lists.seeds);
    for (const cache_cell& cell : cells) {
      cache_table_row(out, m, cell);
      if (o.load.parts.any()) out << part_lines(cell.parts());
      rows += cache_csv_row(one.name, m, o.lists, cell);
      results.push_back(cache_json(one.name, m, o.load, o.lists, o.traces.seed, cell));
    }
    out << '\n';
  }
  if (!o.csv.empty()) kvstrata::write_file(o.csv, rows);
  if (!o.json.empty()) {
    kvstrata::write_file(o.json, tools::json_text(results) + "\n");
  }
}

std::vector<cache_point> checked(const cache_options& o, const CLI::App& app)
{
  check(o.traces);
  check(o.load);
  check(o.load.parts, app);
  check_seeds(o.lists.seeds, o.traces);
  return points_of(o.lists);
}

}  // namespace

int cache_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  cache_options o;
  const subcommand cache{"kvstrata-sim cache", about, examples, "these caches; ask for fewer requests or users"};
  return cache(
      count, arguments, out, err, [&o](CLI::App& app) { add_options(app, o); },
      [&](const CLI::App& app) {
        o.machine = tools::machine_path(o.machine);
        run(o, checked(o, app), out);
      });
}

}  // namespace sim
