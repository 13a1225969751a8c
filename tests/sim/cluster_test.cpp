// kvstrata-sim cluster: its command line, and results that say what they are.
#include "command_line/source_dir.hpp"
#include "sim/cluster_metis.hpp"
#include "sim/cluster_output.hpp"
#include "sim/cluster_run.hpp"
#include "sim/commands.hpp"

#include "support/catch.hpp"

#include <kvstrata/routing/placement/stratified_placement.hpp>
#include <kvstrata/simulate/machine_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct said
{
  int code = 0;
  std::string out;
  std::string err;
};

said run(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), "kvstrata-sim cluster");
  std::ostringstream out, err;
  const int code = sim::cluster_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string read(const std::string& path)
{
  std::ifstream in(path);
  std::string out{std::istreambuf_iterator<char>(in), {}};
  std::remove(path.c_str());
  return out;
}

std::string scratch(const char* name) { return (std::filesystem::temp_directory_path() / name).string(); }

/// Small enough for a test.
std::vector<const char*> with_little(std::vector<const char*> more)
{
  std::vector<const char*> out{"--items", "2000",       "--topics", "100",     "--users", "50",     "--learned",
                               "3000",    "--requests", "600",      "--loads", "0.3,0.7", "--quiet"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("the cluster command tells what it can do, and what is wrong with its arguments", "[sim][cluster]")
{
  const said help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(holds(help.out, "--router"));
  CHECK(holds(help.out, "No figure of it is a measurement"));
  const auto refused = [](std::vector<const char*> arguments, const char* sentence) {
    const said s = run(std::move(arguments));
    CAPTURE(s.err);
    CHECK(s.code == 2);
    CHECK(holds(s.err, sentence));
    CHECK(s.out.empty());
  };
  refused({"--router", "best"}, "--router is 'best', but it must be affinity, soonest, hit, load, round_robin or user");
  refused({"--placement", "random"}, "--placement is 'random', but it must be stratified, hash or metis");
  refused({"--nodes", "0"}, "--nodes is 0, but it must be from 1 to 4096");
  refused({"--recompute", "1.2"}, "--recompute is 1.200, but it must be from 0 to 1");
  refused({"--loads", "0"}, "--loads is 0.000, but it must be from 0.01 to 10");
  refused({"--copies", "0"}, "--copies is 0, but it must be from 1 to 64");
  refused({"--work-weight", "-1"}, "--work-weight is -1.000000, but it must be a number from 0");
  refused({"--requests", "10"}, "--requests is 10, but it must be from 100 to 100000000");
  refused({"--users-are", "gone"}, "--users-are is 'gone', but it must be replicated or served");
  refused({"--hit-weight", "0", "--load-weight", "0"}, "one of them must be more");
  refused({"--hot-share", "2"}, "--hot-share is 2.000000, but it must be from 0 to 1");
  refused({"--items", "0"}, "--items is 0, but it must be at least 1");
  refused({"--full-load", "0"}, "--full-load is 0.000000");
  refused({"--slack", "-1"}, "--slack is -1.000000, but");
  refused({"--own-share", "2"}, "--own-share is 2.000000, but");
  refused({"--users", "5000"}, "--users is 5000, but the histories of all of them take up to");
  CHECK(!holds(run({"--users", "5000"}).err, "simulating"));
  refused({"--nodes", "2,3,2"}, "--nodes is 2 twice, but everything in the list is simulated once");
  refused({"--router", "hit,hit"}, "--router is hit twice");
  refused({"--placement", "hash,stratified,hash"}, "--placement is hash twice");
  refused({"--copies", "2,2"}, "--copies is 2 twice");
  refused({"--recompute", "0.1,0.1"}, "--recompute is 0.1 twice");
  refused({"--loads", "0.3,0.30"}, "--loads is 0.3 twice");
  for (const char* option : {"--machine", "--router", "--requests", "--users-are"}) {
    CHECK(!holds(run({option, "\033[31m"}).err, "\033"));  // no terminal is moved
  }
  refused({"--nodes", "many"}, "--nodes");
  if (!sim::has_metis()) refused({"--placement", "metis"}, "METIS was not found when this program was built");
  CHECK(run({"--machine", "no/such.machine"}).code == 1);
}

TEST_CASE("the cluster command's usual node is that of the machine file", "[sim][cluster]")
{
  const kvstrata::machine_description read =
      kvstrata::read_machine(tools::source_dir() / "tools/sim/machines/a100_qwen3_8b.machine");
  const kvstrata::machine_description built = sim::usual_node();
  CHECK(read.name == built.name);
  CHECK(read.flops_per_second == built.flops_per_second);
  CHECK(read.to_device.bytes_per_second == built.to_device.bytes_per_second);
  CHECK(read.to_device.latency_seconds == built.to_device.latency_seconds);
  CHECK(read.to_device.piece_seconds == built.to_device.piece_seconds);
  CHECK(read.model.kv == built.model.kv);
  CHECK(read.model.hidden == built.model.hidden);
  CHECK(read.model.candidates == built.model.candidates);
  CHECK(read.model.token_flops == built.model.token_flops);
  CHECK(read.model.pair_flops == built.model.pair_flops);
  CHECK(read.device_bytes == built.device_bytes);
  CHECK(read.host_bytes == built.host_bytes);
}

TEST_CASE("the cluster command's results agree with each other, and say that they are a simulation's", "[sim][cluster]")
{
  const std::string csv = scratch("kvstrata_cluster_test.csv");
  const std::string json = scratch("kvstrata_cluster_test.json");
  const std::string html = scratch("kvstrata_cluster_test.html");
  const said done = run(with_little({"--nodes", "3,6", "--router", "affinity,load", "--placement", "stratified,hash",
                                     "--csv", csv.c_str(), "--json", json.c_str(), "--html", html.c_str()}));
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  CHECK(done.err.empty());
  CHECK(holds(done.out, "(simulated)"));
  CHECK(holds(done.out, "nothing was measured on a cluster"));
  CHECK(holds(done.out, "blocks, r 0.30, affinity, stratified x2"));

  const auto all = nlohmann::json::parse(read(json));
  CHECK(all.at("simulated") == true);
  REQUIRE(all.at("curves").size() == 2 * 5);
  std::size_t points = 0;
  double affinity = 0;
  double by_hash = 0;
  for (const auto& curve : all.at("curves")) {
    for (const auto& point : curve.at("points")) {
      ++points;
      CHECK(point.at("requests") == 600);
      CHECK(point.at("nodes").size() == curve.at("nodes"));
      std::uint64_t requests = 0;
      for (const auto& node : point.at("nodes")) {
        requests += node.at("requests").get<std::uint64_t>();
        // A prefix cache holds nothing but histories and the instruction, and histories are set aside for.
        const std::uint64_t instruction = 13 * 16 * sim::usual_node().model.kv.token_bytes();
        const std::uint64_t beyond =
            node.at("host_bytes").get<std::uint64_t>() - node.at("user_bytes").get<std::uint64_t>();
        if (curve.at("case") == "prefix_cache") CHECK(beyond <= instruction);
        else CHECK(beyond > instruction);
        CHECK(node.at("set_aside_bytes") > 0);
      }
      CHECK(requests == 600);
      CHECK(point.at("p50_seconds") <= point.at("p99_seconds"));
      CHECK(point.at("gain_p50").is_null() == (curve.at("case") == "prefix_cache" || point.at("saturated")));
      if (curve.at("case") == "prefix_cache") CHECK(point.at("item_hit_share") == 0);
      else if (curve.at("router") == "affinity") {
        (curve.at("placement") == "hash" ? by_hash : affinity) += point.at("item_hit_share").get<double>();
      }
    }
  }
  CHECK(affinity > 1.3 * by_hash);

  const std::string rows = read(csv);
  CHECK(static_cast<std::size_t>(std::count(rows.begin(), rows.end(), '\n')) == points + 1);
  CHECK(holds(rows, "simulated,nodes,case,"));
  CHECK(holds(rows, ",no,,,"));  // the yardstick gains nothing on itself: no figure, rather than 0
  CHECK(holds(rows, "\nyes,6,blocks,0.300,load,hash,2,0.700,"));

  const std::string page = read(html);
  CHECK(holds(page, "No figure on this page was measured on a cluster"));
  CHECK(holds(page, "3 nodes, simulated"));
  CHECK(holds(page, "6 nodes, simulated"));
  CHECK(holds(page, "Item hits by node"));
  CHECK(holds(page, "Balance"));
  CHECK(holds(page, "Bytes held by a node"));
  CHECK(!holds(page, "http"));
  CHECK(!holds(page, "<script"));
  CHECK(!holds(page, "nan"));
  std::size_t lines = 0;
  for (std::size_t at = page.find("<polyline"); at != std::string::npos; at = page.find("<polyline", at + 1)) ++lines;
  CHECK(lines == 2 * (5 + 5 + 4 + 5 + 5));
}

TEST_CASE("the cluster command gives the same for the same seed, and other figures for another", "[sim][cluster]")
{
  const said one = run(with_little({"--nodes", "4"}));
  CHECK(run(with_little({"--nodes", "4"})).out == one.out);
  CHECK(run(with_little({"--nodes", "4", "--seed", "2"})).out != one.out);
}

TEST_CASE("METIS' empty shards are filled, and told", "[sim][cluster]")
{
  if (!sim::has_metis()) {
    WARN("SKIPPED: METIS was not found when this was built");
    return;
  }
  using namespace kvstrata;
  // A clique of two items for each of eight nodes: METIS likes to leave some of them empty.
  std::vector<placed_item> items;
  std::vector<item_pair> pairs;
  for (std::uint32_t i = 0; i < 16; ++i) items.push_back({.key = {2, i}, .tokens = 50, .heat = 1});
  for (std::uint32_t i = 0; i < 16; ++i) {
    for (std::uint32_t j = i + 1; j < 16; ++j) pairs.push_back({i, j, 100});
  }
  for (const std::uint32_t nodes : {2U, 8U, 16U}) {
    std::vector<rendezvous_member> members;
    for (std::uint64_t n = 1; n <= nodes; ++n) members.push_back({.id = n});
    std::uint32_t were_empty = 0;
    const item_placement p = sim::place_by_metis(items, pairs, members, item_placement(), {}, were_empty);
    std::vector<int> has(nodes);
    for (const placed_item& one : items) ++has.at(p.home_of(one.key));
    CAPTURE(nodes, were_empty);
    CHECK(*std::min_element(has.begin(), has.end()) > 0);
  }
  // A few items a node, all of them connected: by the k-way method some nodes would get none from METIS.
  for (std::uint32_t i = 16; i < 48; ++i) {
    items.push_back({.key = {2, i}, .tokens = 50, .heat = 1});
    for (std::uint32_t j = 0; j < i; ++j) pairs.push_back({j, i, 100});
    for (const std::uint32_t nodes : {16U, 32U}) {
      if (i + 1 != 24 && i + 1 != 32 && i + 1 != 48) continue;
      if (i + 1 <= nodes) continue;
      std::vector<rendezvous_member> members;
      for (std::uint64_t n = 1; n <= nodes; ++n) members.push_back({.id = n});
      std::uint32_t were_empty = 1;
      const item_placement p = sim::place_by_metis(items, pairs, members, item_placement(), {}, were_empty);
      CAPTURE(i, nodes);
      CHECK(were_empty == 0);
      std::vector<int> has(nodes);
      for (const placed_item& one : items) ++has.at(p.home_of(one.key));
      CHECK(*std::min_element(has.begin(), has.end()) > 0);
    }
  }
  // One that drains gets nothing, and hot items are everybody's.
  std::vector<rendezvous_member> members{{.id = 1}, {.id = 2, .is_draining = true}, {.id = 3}};
  item_placement hot({1, 2, 3});
  hot.add({2, 0}, item_placement::everywhere);
  std::uint32_t were_empty = 0;
  const item_placement p = sim::place_by_metis(items, pairs, members, hot, {}, were_empty);
  CHECK(p.home_of({2, 0}) == item_placement::everywhere);
  for (std::uint32_t i = 1; i < 16; ++i) CHECK((p.home_of({2, i}) == 0 || p.home_of({2, i}) == 2));
  const item_placement both = sim::place_by_metis(items, pairs, members, hot, {.copies = 2}, were_empty);
  CHECK(both.homes_of({2, 0}).size() == 1);
  for (std::uint32_t i = 1; i < 16; ++i)
    CHECK((both.keeps(0, {2, i}) && !both.keeps(1, {2, i}) && both.keeps(2, {2, i})));
  const said done = run(with_little({"--nodes", "5", "--placement", "metis,stratified", "--loads", "0.4"}));
  CHECK(done.code == 0);
  CHECK(holds(done.out, "affinity, metis"));
}
