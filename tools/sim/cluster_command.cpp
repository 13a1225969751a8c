// kvstrata-sim cluster: what routing and placement make of a simulated cluster whose nodes keep items as blocks.
#include "sim/cluster_output.hpp"
#include "sim/cluster_run.hpp"
#include "sim/commands.hpp"
#include "sim/subcommand.hpp"

#include "command_line/machine_files.hpp"
#include "command_line/output_paths.hpp"
#include "replay/number_fault.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/output_file.hpp>

#include <CLI/CLI.hpp>

#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sim {
namespace {

constexpr std::string_view about =
    "Simulates a cluster of nodes that serve lists of items (RcLLM, arXiv 2605.07443): each node is the cache as it is "
    "in "
    "production, without data, in virtual time. Compares items kept as blocks, by router and placement, with prefix "
    "caches. "
    "No figure of it is a measurement.";

constexpr std::string_view examples = R"(
Examples:
  kvstrata-sim cluster --nodes 40 --router affinity --placement stratified
  kvstrata-sim cluster --nodes 1,20,100 --router affinity,soonest --copies 1,2 --recompute 0.1,0.3 --html cluster.html
  kvstrata-sim cluster --machine a100x4_qwen2_72b --users-are served --json cluster.json
)";

struct cluster_options
{
  cluster_question asked;
  std::string machine;
  std::string users_are = "replicated";
  std::string csv, json, html;
  bool quiet = false;
};

void add_options(CLI::App& app, cluster_options& o)
{
  const auto number = [&app](const char* group, const char* name, auto& value, const char* meaning) {
    using value_type = std::remove_reference_t<decltype(value)>;
    app.add_option(name, value, meaning)
        ->group(group)
        ->check(&replay::number_fault<value_type>, "")
        ->type_name("N")
        ->capture_default_str();
  };
  const auto list = [&app](const char* group, const char* name, auto& values, const char* meaning) {
    app.add_option(name, values, meaning)
        ->group(group)
        ->delimiter(',')
        ->type_name("LIST")
        ->allow_extra_args(false)
        ->capture_default_str();
  };
  const auto text = [&app](const char* group, const char* name, std::string& value, const char* type,
                           const std::string& meaning) {
    CLI::Option* const option =
        app.add_option(name, value, meaning)->group(group)->type_name(type)->check(&replay::text_fault, "");
    if (!value.empty()) option->capture_default_str();
  };
  cluster_question& q = o.asked;
  list("cluster", "--nodes", q.nodes, "numbers of nodes");
  list("cluster", "--router", q.routers, "affinity, soonest, hit, load, round_robin, user");
  list("cluster", "--placement", q.placements, "stratified, hash, metis");
  list("cluster", "--copies", q.copies, "of an item, each on a node of its own");
  list("cluster", "--recompute", q.recompute, "shares of a block that are computed again");
  list("cluster", "--loads", q.loads, "in units of what as many prefix caches bear");
  text("cluster", "--machine", o.machine, "FILE",
       std::string(tools::machine_rule) + ", for a node; without: an A100 with Qwen3-8B");
  number("routing", "--hit-weight", q.weights.hit, "a of affinity's a x hit + b x (1 - load)");
  number("routing", "--load-weight", q.weights.load, "b of it");
  number("routing", "--work-weight", q.weights.work,
         "of soonest: what a second of computing counts in seconds of waiting");
  number("routing", "--full-load", q.full_load, "requests that a node has not answered are a load of 1");
  number("placing", "--hot-share", q.hot_share, "of the items, the hottest, that every node has");
  number("placing", "--slack", q.slack, "so much more than its share a node may get");
  number("placing", "--learned", q.learned, "requests of the past that placements are made from");
  text("placing", "--users-are", o.users_are, "NAME", "replicated, on every node, or served, where they were last");
  number("requests", "--items", q.items.items, "of the catalogue");
  number("requests", "--topics", q.items.topics, "that they are in, each in one");
  number("requests", "--candidates", q.items.candidates, "items of a request");
  number("requests", "--own-share", q.items.own_share, "of them, that are of the request's topic");
  number("requests", "--topic-exponent", q.items.topic_exponent, "Zipf's, of the topics");
  number("requests", "--item-exponent", q.items.item_exponent, "Zipf's, of the items in a topic");
  number("requests", "--users", q.items.users, "who ask");
  number("requests", "--requests", q.requests, "of each run; a fifth as many warm it up");
  number("requests", "--seed", q.seed, "of all that is drawn");
  text("results", "--csv", o.csv, "PATH", "a row for each curve and load");
  text("results", "--json", o.json, "PATH", "everything");
  text("results", "--html", o.html, "PATH", "one page, which fetches nothing");
  app.add_flag("--quiet", o.quiet, "say nothing of progress")->group("results");
}

void run(cluster_options& o, std::ostream& out, std::ostream& err)
{
  tools::require_outputs(std::vector<tools::named_path>{{"--csv", o.csv}, {"--json", o.json}, {"--html", o.html}},
                         std::vector<tools::named_path>{{"--machine", o.machine}});
  if (o.users_are != "replicated" && o.users_are != "served") {
    throw kvstrata::config_error("--users-are", "'" + o.users_are + "'", "it must be replicated or served");
  }
  o.asked.replicate_users = o.users_are == "replicated";
  o.asked.items.seed = o.asked.seed;
  o.asked.machine = o.machine.empty() ? usual_node() : kvstrata::read_machine(o.machine);
  const cluster_answer a = answer(o.asked, [&](const std::string& what) {
    if (!o.quiet) err << "simulating " << what << '\n';
  });
  out << cluster_table(o.asked, a);
  if (!o.csv.empty()) kvstrata::write_file(o.csv, cluster_csv(a));
  if (!o.json.empty()) {
    kvstrata::write_file(o.json,
                         cluster_json(o.asked, a).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  if (!o.html.empty()) kvstrata::write_file(o.html, cluster_page(o.asked, a));
}

}  // namespace

int cluster_command(int count, const char* const* arguments, std::ostream& out, std::ostream& err)
{
  cluster_options o;
  const subcommand cluster{"kvstrata-sim cluster", about, examples, "that; ask for less"};
  return cluster(
      count, arguments, out, err, [&o](CLI::App& app) { add_options(app, o); },
      [&](const CLI::App&) {
        o.machine = tools::machine_path(o.machine);
        run(o, out, err);
      });
}

}  // namespace sim
