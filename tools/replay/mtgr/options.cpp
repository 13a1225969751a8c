#include "replay/mtgr/options.hpp"

#include "command_line/limits.hpp"
#include "command_line/output_paths.hpp"
#include "command_line/parse_arguments.hpp"
#include "replay/command_line.hpp"
#include "replay/listed_cases.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <ostream>

namespace replay {
namespace {

/// What HSTU's replay has and this one does not, or otherwise.
constexpr std::array<std::string_view, 20> not_here{
    "--most-history", "--users-of",   "--candidates", "--weights",   "--position-bias",     "--time-bias", "--nvme",
    "--nvme-bytes",   "--restart-at", "--cases",      "--rounds",    "--nvme-region-bytes", "--timeline",  "--heads",
    "--head-dim",     "--layers",     "--cluster",    "--processes", "--chunk-tokens",      "--precision"};

void add_own_options(CLI::App& app, mtgr_options& o, std::string& model)
{
  const auto number = &number_fault<std::uint32_t>;
  app.add_option("--model", model, "mtgr: this one")->group("model");
  app.add_option("--cut", o.cut, "when U and S are made anew: daily or weekly, at midnight UTC+8 (and on Mondays)")
      ->group("workload")
      ->capture_default_str();
  app.add_option("--sequence-tokens", o.sequence, "tokens of S: the user's last events before the cut")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--recent-tokens", o.recent,
                 "tokens of R at most; where more happened since the cut, U and S are made anew")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--candidates", o.candidates, "candidates of a request; each of several numbers is a run of its own")
      ->group("workload")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--sessions-a-day", o.sessions_a_day,
                 "of a synthetic workload: sessions of every user and day, evenly, 4 events before each; 0: as "
                 "KuaiRand's users come")
      ->group("workload")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--layers", o.common.layers, "layers")->group("model")->check(number, "")->capture_default_str();
  app.add_option("--heads", o.common.heads, "attention heads, each of --hidden over --heads")
      ->group("model")
      ->check(number, "")
      ->capture_default_str();
  app.add_option("--cases", o.cases, "cases to run, of those below; without it all that are right")
      ->group("run")
      ->delimiter(',')
      ->allow_extra_args(false);
}

}  // namespace

const std::vector<mtgr_case>& mtgr_cases()
{
  static const std::vector<mtgr_case> list{
      {"none", "no cache", "computes all parts of every request again", mtgr_keeping::nowhere},
      {"device", "device only", "what falls out of the slab is computed again", mtgr_keeping::device},
      {"host", "host", "the slab has room for one batch, all others' parts are in the arena", mtgr_keeping::host},
      {"default", "default_cache", "slab and arena", mtgr_keeping::both},
      {"append_only", "append only", "a mistake: U and S as a prefix that is never replaced. --verify finds it",
       mtgr_keeping::append_only, false}};
  return list;
}

std::vector<mtgr_case> chosen_cases(const mtgr_options& o)
{
  std::vector<mtgr_case> out;
  for (const mtgr_case& c : mtgr_cases()) {
    if (is_named(o.cases, c) || (o.cases.empty() && c.is_right)) out.push_back(c);
  }
  return out;
}

mtgr_options usual_mtgr_options()
{
  mtgr_options o;
  o.common.users = 16;
  o.common.requests = 96;
  o.common.batch = 1;  // sessions are hours apart: in a larger batch a few users' would become one
  o.common.layers = 3;
  o.common.hidden = 128;
  o.common.heads = 2;
  return o;
}

void check(const mtgr_options& o)
{
  check(o.common);
  if (o.cut != "daily" && o.cut != "weekly") {
    throw kvstrata::config_error("--cut", "'" + o.cut + "'", "it must be daily or weekly");
  }
  tools::within("--sequence-tokens", o.sequence, 1, 1u << 20);
  tools::within("--recent-tokens", o.recent, 1, 1u << 20);
  if (o.candidates.empty()) throw kvstrata::config_error("--candidates", "empty", "a request has at least one");
  for (const std::uint32_t count : o.candidates) tools::within("--candidates", count, 1, 65'536);
  tools::within("--sessions-a-day", o.sessions_a_day, 0, 1440);
  if (o.sessions_a_day != 0 && !is_synthetic(o.common)) {
    throw kvstrata::config_error("--sessions-a-day", o.sessions_a_day, "with --trace sessions are the trace's");
  }
  if (o.common.hidden % o.common.heads != 0) {
    throw kvstrata::config_error("--heads", o.common.heads,
                                 "it must divide --hidden (" + std::to_string(o.common.hidden) + ")");
  }
  require_known(o.cases, mtgr_cases(), "of MTGR");
  check(config_of(o));
}

mtgr::config config_of(const mtgr_options& o)
{
  mtgr::config c;
  c.layers = o.common.layers;
  c.hidden = o.common.hidden;
  c.heads = o.common.heads;
  c.head_dim = o.common.hidden / o.common.heads;
  c.most_sequence = o.sequence;
  c.most_recent = o.recent;
  c.seed = o.common.seed;
  return c;
}

std::optional<int> parse_mtgr(int argc, const char* const* argv, mtgr_options& o, std::ostream& out, std::ostream& err)
{
  CLI::App app{
      "Serves one stream of recommendation requests through MTGR, [U, S, R, candidates], with several cache "
      "configurations, and compares what of each part is served and computed. Needs no GPU.",
      "replay --model mtgr"};
  app.get_formatter()->column_width(34);
  app.footer(std::string(tools::output_rule) + "\n\n" + list_of(mtgr_cases(), 18, [](const mtgr_case& c) {
               return c.is_right ? "" : "; runs where it is asked for";
             }));
  std::string model;
  o = usual_mtgr_options();
  add_own_options(app, o, model);
  add_options(app, o.common, not_here);
  return tools::parse_arguments(app, argc, argv, "Run with --model mtgr --help for all options.", out, err,
                                [&o] { check(o); });
}

}  // namespace replay
