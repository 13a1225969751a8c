#include "sim/options.hpp"

#include "sim/menu.hpp"

#include "command_line/output_paths.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/sampling.hpp>
#include <kvstrata/simulate/shipped_admissions.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <ostream>
#include <set>
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
  kvstrata-sim --sizes growing --machine h200_pcie5.machine users' histories, misses weighed by the time they cost
)";

struct number
{
  CLI::App& app;

  template <class T>
  CLI::Option* operator()(const char* group, const char* name, T& value, const std::string& meaning) const
  {
    return app.add_option(name, value, meaning)
        ->group(group)
        ->check(&replay::number_fault<T>, "")
        ->type_name("N")
        ->capture_default_str();
  }
};

void add_list(CLI::App& app, const char* name, std::vector<std::string>& value, const std::string& meaning)
{
  std::string usual;
  for (const std::string& one : value) usual += (usual.empty() ? "" : ",") + one;
  app.add_option(name, value, meaning)
      ->group("caches")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST")
      ->default_str(usual);
}

void add_text(CLI::App& app, const char* group, const char* name, std::string& value, const char* type,
              const std::string& meaning)
{
  CLI::Option* const option =
      app.add_option(name, value, meaning)->group(group)->type_name(type)->check(&replay::text_fault, "");
  if (!value.empty()) option->capture_default_str();
}

void add_options(CLI::App& app, options& o)
{
  add_trace_options(app, o.traces);
  add_list(app, "--policies", o.policies, "names from the list below, or all");
  add_list(app, "--admission", o.admissions, "who may come in: names from the list below; each with every policy");
  add_list(app, "--capacities", o.capacities,
           "sizes: objects (1000), bytes (64MiB), or shares of what the trace touches (5%)");
  add_text(
      app, "caches", "--sizes", o.sizes, "NAME",
      "what counts: unit (objects), bytes (as the trace says when an object comes in), growing (as it says at each "
      "request: users' histories)");
  add_text(
      app, "caches", "--write-rate", o.write_rate, "BYTES",
      "what admissions write_rate and worth_writing let in a second (objects with unit sizes); without it the cache's "
      "size a day, and as much as is worth it");
  add_text(app, "caches", "--machine", o.machine, "FILE",
           "a machine file, such as those in tools/sim/machines: policies are told what a miss costs on it, and misses "
           "are weighed by that. For traces of users");
  const number add{app};
  add_text(app, "run", "--warmup", o.warmup, "N|P%", "requests, or a share of the trace, that are not counted");
  add_text(app, "run", "--interval", o.interval, "N|TIME",
           "also count by intervals: of so many requests, or of the trace's time (90s, 10min, 1h, 1d)");
  add("run", "--sample", o.sample,
      "follow this share of the keys, in caches as much smaller, and say the error (SHARDS)");
  add("run", "--seed", o.seed, "of the sample and of the synthetic workload");
  add("run", "--threads", o.threads, "0: one for each core");
  add_text(app, "results", "--csv", o.csv, "PATH", "a row for each policy and size");
  add_text(app, "results", "--series", o.series, "PATH", "a CSV with a row for each policy, size and interval");
  add_text(app, "results", "--json", o.json, "PATH", "everything");
  add_text(app, "results", "--html", o.html, "PATH", "a page with curves; needs no network");
  add_text(app, "results", "--svg", o.svg, "PATH", "the curves as a small picture, for documents");
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

void check(const options& o)
{
  check(o.traces);
  if (o.policies.empty()) throw kvstrata::config_error("--policies", "empty", "at least one policy must run");
  static_cast<void>(choose(o.policies));
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

std::optional<int> parse(int count, const char* const* arguments, options& o, std::ostream& out, std::ostream& err)
{
  CLI::App app{std::string(about), "kvstrata-sim"};
  app.get_formatter()->column_width(34);
  std::string footer = std::string(tools::output_rule) + "\n\n" + describe_menu() + std::string(examples);
#ifdef SIM_HAS_MACHINE
  footer += "\nkvstrata-sim machine --help: what latency and throughput a described machine would reach.";
#endif
  footer += "\nkvstrata-sim cache --help: what each level of a cache serves, by policy and by codec.";
  footer += "\nkvstrata-sim size --help: how large the levels of a cache must be for the users of a trace.";
  app.footer(footer);
  add_options(app, o);
  try {
    app.parse(count, arguments);
    o.traces.seed = o.seed;
    std::set<std::string> seen;
    std::erase_if(o.admissions, [&seen](const std::string& name) { return !seen.insert(name).second; });
    check(o);
  } catch (const CLI::CallForHelp&) {
    out << app.help();
    return 0;
  } catch (const CLI::ParseError& e) {
    err << "error: " << e.what() << "\nkvstrata-sim --help lists the options.\n";
    return 2;
  } catch (const kvstrata::config_error& e) {
    err << "error: " << e.what() << ".\n";
    return 2;
  }
  return std::nullopt;
}

}  // namespace sim
