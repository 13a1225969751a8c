// kvstrata-sim machine: serves a trace of users on described machines, in virtual time, and tells latencies; or searches for
// the boxes and the memory that keep a target.
#include "sim/commands.hpp"
#include "sim/machine_codes.hpp"
#include "sim/machine_grid.hpp"
#include "sim/machine_output.hpp"
#include "sim/machine_search.hpp"
#include "sim/option_adder.hpp"
#include "sim/policy_names.hpp"
#include "sim/subcommand.hpp"
#include "sim/trace_inputs.hpp"
#include "sim/traces.hpp"

#include "command_line/json_text.hpp"
#include "command_line/machine_files.hpp"
#include "command_line/output_paths.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/fetch_worth.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/output_file.hpp>
#include <kvstrata/simulate/printable_text.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
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
    "a model that take their time in virtual time. No GPU is needed, nothing is computed. With --target-p99 it "
    "searches "
    "for the boxes of GPUs and the memory that keep a target.";

constexpr std::string_view examples = R"(
Saturated: an open loop whose queue grows. When the last request had come, those that waited took more than 1 % of the
time over which all came, and longer than four of the longest batches. Its latencies say how long the run was, no more.

Examples:
  kvstrata-sim machine --machine h200_pcie5
  kvstrata-sim machine --machine h200_pcie5 --machine l20_pcie4 --caches default,mtserve
  kvstrata-sim machine --machine h200_pcie5 --host-gib 64,128,256 --batch 1,8 --rate 0,100 --seeds 5 --csv g.csv
  kvstrata-sim machine --machine h200_pcie5 --caches default --slab-policies lru,locality --arena-policies lru,gdsf
  kvstrata-sim machine --machine h200_pcie5 --caches default --codec identity,exp4,int8 --exact-share 0.1
  kvstrata-sim machine --machine h200_pcie5 --caches default --static-tokens 1000 --recent-tokens 100 --cut daily
  kvstrata-sim machine --machine h200_pcie5 --target-p99 50ms --rate 2000 --users 5000000 --device-gib 100
)";

struct machine_options
{
  trace_arguments traces;
  std::vector<std::string> machines;
  machine_lists lists;
  machine_load load;
  search_options search;
  std::uint32_t threads = 0;
  std::string csv;
  std::string requests_csv;
  std::string json;
};

void add_options(CLI::App& app, machine_options& o)
{
  add_trace_options(app, o.traces);
  const option_adder add{app};
  add.number("trace", "--seed", o.traces.seed, "of the synthetic workload, and of the sample of a search");
  app.add_option("--machine", o.machines, std::string(tools::machine_rule) + "; may be given several times")
      ->group("machine")
      ->type_name("FILE")
      ->check(&replay::text_fault, "")
      ->required()
      ->allow_extra_args(false);
  add.list("machine", "--caches", o.lists.caches, "device_only,mtserve,default", "device_only, mtserve, default");
  add.list("machine", "--slab-policies", o.lists.slab_policies, "lru",
           "who leaves the slab first, for device_only and default, and in a search: " + policy_names());
  add.list("machine", "--arena-policies", o.lists.arena_policies, "lru",
           "who leaves the arena first, for default, and in a search; the same names");
  add.numbers("machine", "--device-gib", o.lists.device_gib, "0",
              "device memory for the slab; 0: as the machine file says");
  add.numbers(
      "machine", "--host-gib", o.lists.host_gib, "0",
      "pinned memory for the arena; 0: as the machine file says. Of a box, in a search: 256,512,1024,2048,4096");
  add.list("machine", "--codec", o.lists.codecs, "identity",
           "in what form the arena of default keeps its pages, in as many bytes: " + codec_names() +
               ". Nothing is encoded; a page that a history fills in part is kept as it is");
  add.list("machine", "--codes", o.lists.codes, "direct",
           "how codes travel: direct (a kernel decodes over the link) or staged (copied, and decoded beside it)");
  add.number("machine", "--exact-share", o.lists.exact_share,
             "of the requests, with a lossy codec, that want nothing that came through it: that is computed again");
  add.number(
      "machine", "--raw-share", o.lists.raw_share,
      "of the arena's bytes, with a codec, for pages that are filled in part and for those on their way: what a batch "
      "computes and finds no room there is written down later, or dropped where it is evicted before");
  app.add_flag("--int4", o.lists.int4, "lets --codec name int4, whose errors show in answers")->group("machine");
  add.numbers("load", "--rate", o.lists.rate, "0",
              "requests a second, on average: they come as in the trace, faster or slower. 0: the next batch is always "
              "there");
  add.numbers("load", "--batch", o.lists.batch, "8",
              "requests a batch; those of one user become one. In a search, where nothing is gained by it: 1");
  add.numbers(
      "load", "--streams", o.lists.streams, "1",
      "compute streams on one GPU and one cache, whose kernels take turns: a batch goes to the first that is free");
  add.number("load", "--prefetch", o.load.prefetch,
             "what the arena has of so many that wait behind a batch is brought up meanwhile");
  add.number("load", "--event-tokens", o.load.event_tokens, "tokens that an event of the history is");
  add.number("load", "--longest", o.load.longest, "tokens of a history; of a longer one only so many are asked for");
  add.number("load", "--requests", o.load.requests, "of the trace, from its beginning; 0: all");
  add.number("load", "--warmup", o.load.warm_up, "so many of them are served, but not reported");
  app.add_flag("--warm-start", o.load.warm_start,
               "of the warm-up, serve only each user's last request, as many as fill the cache: what LRU is left with")
      ->group("load");
  add.number(
      "load", "--requests-a-day", o.load.requests_a_day,
      "of a user, on average: --users who come in sessions, by the hour, instead of a trace. In a search they follow "
      "from --rate and --users");
  add.number("load", "--session-requests", o.load.session_requests, "of a session, on average");
  add.number("load", "--session-gap", o.load.gap_seconds, "seconds between requests of a session, on average");
  add_part_options(app, o.load.parts);
  add.number("load", "--seeds", o.lists.seeds,
             "run so many synthetic workloads, and say the 95 % interval of their mean. In a search: 3");
  app.add_option("--target-p99", o.search.target,
                 "a time such as 50ms: searches for the fewest boxes that keep it in the worst hour of a day, for each "
                 "--host-gib. Wants --rate, of all boxes together, and --users")
      ->group("search")
      ->type_name("TIME")
      ->check(&replay::text_fault, "");
  add.number("search", "--gpus", o.search.gpus, "of a box, which share its host memory");
  add.number("search", "--gpus-a-link", o.search.gpus_a_link, "of a box, which share a link");
  add.number("search", "--most-boxes", o.search.most_boxes, "that are tried");
  app.add_option("--routing", o.search.routing,
                 "hash: each user has a GPU; affinity: the GPU or the box that has them, while it is not busier")
      ->group("search")
      ->type_name("NAME")
      ->capture_default_str();
  add.number("results", "--threads", o.threads, "0: one for each core");
  add.text("results", "--csv", o.csv, "PATH", "a row for each combination");
  add.text("results", "--requests-csv", o.requests_csv, "PATH", "a row for each request of each run");
  add.text("results", "--json", o.json, "PATH", "everything, with all settings");
}

[[nodiscard]] bool searches(const machine_options& o) { return !o.search.target.empty(); }

/// Takes over what both ways share. Throws kvstrata::config_error naming the option.
void settle_search(machine_options& o, const CLI::App& app)
{
  const auto refuse = [](const char* option, const char* why) { throw kvstrata::config_error(option, "given", why); };
  for (const char* option : {"--trace", "--caches", "--warmup", "--warm-start", "--requests", "--requests-a-day",
                             "--days", "--prefetch", "--streams", "--requests-csv", "--codec", "--codes",
                             "--exact-share", "--raw-share", "--int4", "--static-tokens"}) {
    if (app.count(option) != 0) refuse(option, "a search (--target-p99) makes its own traffic and takes none of it");
  }
  for (const char* option : {"--rate", "--users"}) {
    if (app.count(option) == 0) throw kvstrata::config_error(option, "absent", "--target-p99 wants it");
  }
  if (o.lists.rate.size() != 1) refuse("--rate", "a search takes one");
  if (o.lists.batch.size() != 1) refuse("--batch", "a search takes one");
  if (o.lists.device_gib.size() != 1) refuse("--device-gib", "a search takes one");
  if (o.machines.size() != 1) refuse("--machine", "a search takes one");
  if (o.lists.slab_policies.size() != 1) refuse("--slab-policies", "a search takes one");
  if (o.lists.arena_policies.size() != 1) refuse("--arena-policies", "a search takes one");
  o.search.slab_policy = o.lists.slab_policies[0];
  o.search.arena_policy = o.lists.arena_policies[0];
  o.search.rate = o.lists.rate[0];
  o.search.users = o.traces.users;
  o.search.history_scale = o.traces.history_scale;
  o.search.event_tokens = o.load.event_tokens;
  o.search.longest = o.load.longest;
  o.search.session_requests = o.load.session_requests;
  o.search.gap_seconds = o.load.gap_seconds;
  o.search.seed = o.traces.seed;
  o.search.threads = o.threads;
  if (app.count("--host-gib") != 0) o.search.host_gib = o.lists.host_gib;
  if (app.count("--batch") != 0) o.search.batch = o.lists.batch[0];
  if (app.count("--seeds") != 0) o.search.seeds = o.lists.seeds;
  check(o.load);
  check(machine_point{.device_gib = o.lists.device_gib[0]});
  check(o.search);
}

void settle_grid(machine_options& o, const CLI::App& app)
{
  for (const char* option : {"--gpus", "--gpus-a-link", "--most-boxes", "--routing"}) {
    if (app.count(option) != 0) throw kvstrata::config_error(option, "given", "it goes with --target-p99");
  }
  const bool sessions = o.load.requests_a_day > 0;
  for (const char* option : {"--session-requests", "--session-gap"}) {
    if (!sessions && app.count(option) != 0) {
      throw kvstrata::config_error(option, "given", "it goes with --requests-a-day or --target-p99");
    }
  }
  for (const char* option : {"--trace", "--days"}) {
    if (sessions && app.count(option) != 0) {
      throw kvstrata::config_error(option, "given", "--requests-a-day makes traffic of its own");
    }
  }
  check(o.traces);
  check(o.load);
  check(o.load.parts, app);
  check_seeds(o.lists.seeds, o.traces);
}

void check(machine_options& o, const CLI::App& app)
{
  if (o.threads > 1024) throw kvstrata::config_error("--threads", o.threads, "it may be at most 1024");
  if (searches(o)) return settle_search(o, app);
  settle_grid(o, app);
  static_cast<void>(points_of(o.lists));
}

std::string rates_text(const std::vector<double>& rates)
{
  std::string out;
  for (const double rate : rates) {
    std::array<char, 64> one{};
    if (rate > 0) std::snprintf(one.data(), one.size(), "open loop, %g a second", rate);
    else std::snprintf(one.data(), one.size(), "closed loop");
    out += (out.empty() ? "" : "; ") + std::string(one.data());
  }
  return out;
}

/// " 2 compute streams;", where it is not one.
std::string streams_text(const std::vector<std::uint32_t>& streams)
{
  if (streams.size() != 1 || streams[0] == 1) return {};
  return ' ' + std::to_string(streams[0]) + " compute streams;";
}

void run(const machine_options& o, const std::vector<kvstrata::machine_description>& machines, std::ostream& out)
{
  const machine_grid grid{.machines = machines,
                          .points = points_of(o.lists),
                          .seeds = o.lists.seeds,
                          .threads = o.threads,
                          .rows = !o.requests_csv.empty()};
  const machine_table table(o.lists);
  for (const kvstrata::machine_description& m : machines) {
    out << m.name << ": ";
    const char* before = "";
    for (const kvstrata::fetch_worth& worth : kvstrata::worth_of_fetches(m)) {
      out << std::exchange(before, "; ") << sentence_of(worth, o.load.longest);
    }
    out << ".\n" << break_even_lines(o.lists, m, o.load.longest);
  }
  auto results = nlohmann::ordered_json::array();
  std::string csv = machine_csv_head();
  std::string rows = "cell,seed," + std::string(request_columns);
  for (const named_trace& one : list_traces(o.traces)) {
    run_grid(
        grid, one, o.traces, o.load,
        [&](std::size_t requests, const kvstrata::trace_notes& notes) {
          out << (o.load.requests_a_day > 0 ? "sessions" : kvstrata::printable(one.name)) << ": " << requests
              << " requests";
          if (grid.seeds > 1) out << " of each of " << grid.seeds << " seeds";
          out << ", " << rates_text(o.lists.rate) << ';' << streams_text(o.lists.streams) << " virtual time\n";
          tell_notes(out, notes);
          table.head(out);
        },
        [&](machine_cell& cell) {
          table.row(out, cell);
          if (o.load.parts.any()) out << part_lines(cell.parts());
          for (const std::string& each : cell.runs.front().warnings) out << "  warning: " << each << '\n';
          out.flush();
          if (!o.csv.empty()) csv += machine_csv_row(cell);
          if (!o.json.empty()) results.push_back(machine_json(cell, o.load, o.traces));
          for (const machine_result& each : cell.runs) rows += each.rows;
        });
    out << '\n';
  }
  if (!o.csv.empty()) kvstrata::write_file(o.csv, csv);
  if (!o.requests_csv.empty()) kvstrata::write_file(o.requests_csv, rows);
  if (!o.json.empty()) kvstrata::write_file(o.json, tools::json_text(results) + "\n");
}

void run_search(const machine_options& o, kvstrata::machine_description m, std::ostream& out)
{
  m.device_bytes = bytes_of({.device_gib = o.lists.device_gib[0]}, m).device;
  const search_result found = search(m, o.search);
  print(out, m, o.search, found);
  if (!o.csv.empty()) kvstrata::write_file(o.csv, search_csv(m, found));
  if (!o.json.empty()) kvstrata::write_file(o.json, tools::json_text(search_json(m, o.search, found)) + "\n");
}

}  // namespace

int machine_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  machine_options o;
  const subcommand machine{"kvstrata-sim machine", about, examples,
                           "these runs; ask for fewer requests, users or threads"};
  return machine(
      count, arguments, out, err, [&o](CLI::App& app) { add_options(app, o); },
      [&](const CLI::App& app) {
        for (std::string& one : o.machines) one = tools::machine_path(one);
        check(o, app);
        const std::vector<tools::named_path> outputs{
            {"--csv", o.csv}, {"--requests-csv", o.requests_csv}, {"--json", o.json}};
        std::vector<tools::named_path> inputs;
        for (const std::string& path : o.machines) inputs.push_back({"--machine", path});
        tools::require_outputs(outputs, with_traces(inputs, o.traces));
        std::vector<kvstrata::machine_description> machines;
        for (const std::string& path : o.machines) machines.push_back(kvstrata::read_machine(path));
        if (searches(o)) run_search(o, machines.front(), out);
        else run(o, machines, out);
      });
}

}  // namespace sim
