#include "sim/options.hpp"

#include "sim/option_adder.hpp"

#include "command_line/machine_files.hpp"
#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/sampling.hpp>
#include <kvstrata/simulate/shipped_admissions.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <ostream>
#include <set>
#include <sstream>
#include <string_view>

namespace sim {
namespace {

constexpr std::string_view about =
    "Runs caches of many replacement policies and sizes through a trace, all in one pass, and shows how often each "
    "misses. The policies are the very types that the real cache takes.";

constexpr std::string_view examples = R"(
Examples:
  kvstrata-sim                                              all policies on a synthetic workload of users
  kvstrata-sim --trace web.oracleGeneral.bin --html curves.html
  kvstrata-sim --trace a.csv --columns ts,key,bytes --sizes bytes --capacities 64MiB,256MiB,1GiB
  kvstrata-sim --policies lru,s3_fifo,belady --capacities 1000,10000 --warmup 20% --csv out.csv
  kvstrata-sim --trace cluster.csv.zst --columns 1,2,4,6 --id-kind text --sizes bytes      of operations, the reads
  zstdcat x.zst | kvstrata-sim --trace - --format oracle_general --policies lru --capacities 1000
  kvstrata-sim --trace huge.csv --sample 0.01               1 % of the keys: a hundredth of the time and memory
  kvstrata-sim --sizes growing --machine h200_pcie5         users' histories, misses weighed by the time they cost
)";

/// The menus of policies and admissions, for people.
std::string describe(const kvstrata::policy_menu& menu)
{
  std::ostringstream out;
  out << "Policies:\n";
  for (const kvstrata::menu_policy& one : menu.entries()) {
    out << "  " << one.name << std::string(one.name.size() < 14 ? 14 - one.name.size() : 1, ' ') << one.about
        << (one.needs_future ? " (knows the future; no cache can)" : "") << '\n';
  }
  out << "Admission policies:\n"
         "  always        everybody comes in\n"
         "  second_use    who was turned away once before\n"
         "  lru_k_admission\n"
         "                who an LRU-2 cache of the size would hold\n"
         "  tiny_lfu      who a sketch finds more frequent than the victim\n"
         "  worth_writing who is expected to be read once before they go, or as --write-rate allows\n"
         "  write_rate    so many bytes a second and no more: --write-rate\n";
  return out.str();
}

/// The examples of another program are in its name.
std::string examples_of(const std::string& program)
{
  std::string out(examples);
  constexpr std::string_view usual = "kvstrata-sim";
  for (std::size_t at = out.find(usual); at != std::string::npos; at = out.find(usual, at + program.size())) {
    out.replace(at, usual.size(), program);
  }
  return out;
}

std::string joined(const std::vector<std::string>& names)
{
  std::string out;
  for (const std::string& one : names) out += (out.empty() ? "" : ",") + one;
  return out;
}

void add_options(CLI::App& app, options& o)
{
  add_trace_options(app, o.traces);
  const option_adder add{app};
  add.list("caches", "--policies", o.policies, joined(o.policies), "names from the list below, or all");
  add.list("caches", "--admission", o.admissions, joined(o.admissions),
           "who may come in: names from the list below; each with every policy");
  add.list("caches", "--capacities", o.capacities, joined(o.capacities),
           "sizes: objects (1000), bytes (64MiB), or shares of what the trace touches (5%)");
  add.text(
      "caches", "--sizes", o.sizes, "NAME",
      "what counts: unit (objects), bytes (as the trace says when an object comes in), growing (as it says at each "
      "request: users' histories)");
  add.text(
      "caches", "--write-rate", o.write_rate, "BYTES",
      "what admissions write_rate and worth_writing let in a second (objects with unit sizes); without it the cache's "
      "size a day, and as much as is worth it");
  add.text("caches", "--machine", o.machine, "FILE",
           std::string(tools::machine_rule) +
               ": policies are told what a miss costs on it, and misses "
               "are weighed by that. For traces of users");
  add.text("run", "--warmup", o.warmup, "N|P%", "requests, or a share of the trace, that are not counted");
  add.text("run", "--interval", o.interval, "N|TIME",
           "also count by intervals: of so many requests, or of the trace's time (90s, 10min, 1h, 1d)");
  add.number("run", "--sample", o.sample,
             "follow this share of the keys, in caches as much smaller, and say the error (SHARDS)");
  add.number("run", "--seed", o.seed, "of the sample and of the synthetic workload");
  add.number("run", "--threads", o.threads, "0: one for each core");
  add.text("results", "--csv", o.csv, "PATH", "a row for each policy and size");
  add.text("results", "--series", o.series, "PATH", "a CSV with a row for each policy, size and interval");
  add.text("results", "--json", o.json, "PATH", "everything");
  add.text("results", "--html", o.html, "PATH", "a page with curves; needs no network");
  add.text("results", "--svg", o.svg, "PATH", "the curves as a small picture, for documents");
  app.add_flag("--quiet", o.quiet, "print the tables only")->group("results");
}

}  // namespace

kvstrata::object_size options::object_sizes() const
{
  if (sizes == "unit") return kvstrata::object_size::unit;
  if (sizes == "bytes") return kvstrata::object_size::fixed;
  if (sizes == "growing") return kvstrata::object_size::growing;
  throw kvstrata::config_error("--sizes", "'" + sizes + "'", "it must be unit, bytes or growing");
}

std::vector<const kvstrata::menu_policy*> chosen_policies(const options& o)
{
  std::vector<const kvstrata::menu_policy*> wanted;
  for (const std::string& name : o.policies) {
    if (name != "all") wanted.push_back(&o.menu.find(name));
  }
  const bool all = std::find(o.policies.begin(), o.policies.end(), "all") != o.policies.end();
  std::vector<const kvstrata::menu_policy*> out;
  for (const kvstrata::menu_policy& one : o.menu.entries()) {
    if (all || std::find(wanted.begin(), wanted.end(), &one) != wanted.end()) out.push_back(&one);
  }
  return out;
}

void check(const options& o)
{
  check(o.traces);
  if (o.policies.empty()) throw kvstrata::config_error("--policies", "empty", "at least one policy must run");
  static_cast<void>(chosen_policies(o));
  if (o.admissions.empty()) throw kvstrata::config_error("--admission", "empty", "at least one must be named");
  for (const std::string& name : o.admissions) {
    static_cast<void>(kvstrata::make_admission_named(name, {.bytes = 1, .objects = 1}, 1));
  }
  if (o.capacities.empty()) throw kvstrata::config_error("--capacities", "empty", "at least one size must be given");
  for (const std::string& text : o.capacities) {
    static_cast<void>(size_of(read_capacity("--capacities", text), {}, o.object_sizes()));
  }
  if (!o.write_rate.empty()) static_cast<void>(read_bytes("--write-rate", o.write_rate));
  if (!o.interval.empty()) static_cast<void>(read_stretch("--interval", o.interval));
  if (!o.warmup.empty()) {
    if (o.warmup.back() == '%') {
      if (read_capacity("--warmup", o.warmup).amount >= 100) {
        throw kvstrata::config_error("--warmup", "'" + o.warmup + "'", "something must be left to be counted");
      }
    } else if (read_stretch("--warmup", o.warmup).ms != 0) {
      throw kvstrata::config_error("--warmup", "'" + o.warmup + "'",
                                   "it must be a number of requests or a share (20%)");
    }
  }
  if (!(o.sample > 0 && o.sample <= 1)) {
    throw kvstrata::config_error("--sample", std::to_string(o.sample), "it must be above 0 and at most 1");
  }
  if (o.sample < 1) static_cast<void>(kvstrata::spatial_sample(o.sample));
  if (o.threads > 1024) throw kvstrata::config_error("--threads", o.threads, "it may be at most 1024");
  if (!o.series.empty() && o.interval.empty()) {
    throw kvstrata::config_error("--series", "'" + o.series + "'", "it wants --interval, which says how long one is");
  }
}

std::optional<int> parse(const sweep_program& program, int count, const char* const* arguments, options& o,
                         std::ostream& out, std::ostream& err)
{
  CLI::App app{std::string(about), program.name};
  app.get_formatter()->column_width(34);
  app.footer(std::string(tools::output_rule) + "\n\n" + describe(program.menu) + examples_of(program.name) +
             program.more_help);
  add_options(app, o);
  if (const auto code =
          tools::parse_arguments(app, count, arguments, program.name + " --help lists the options.", out, err, [] {})) {
    return code;
  }
  o.traces.seed = o.seed;
  std::set<std::string> seen;
  std::erase_if(o.admissions, [&seen](const std::string& name) { return !seen.insert(name).second; });
  o.machine = tools::machine_path(o.machine);
  check(o);
  return std::nullopt;
}

}  // namespace sim
