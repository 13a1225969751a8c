// Requests of parts in kvstrata-sim cache and machine: their options, and that both tell the same of them.
#include "command_line/source_dir.hpp"
#include "sim/commands.hpp"

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
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

template <class Command>
said run(const Command& command, std::vector<std::string> words)
{
  words.insert(words.begin(), "kvstrata-sim");
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  std::ostringstream out, err;
  const int code = command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more)
{
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// On a small machine, whose slab and arena hold a part of the users.
std::vector<std::string> small()
{
  return {"--machine",    (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string(),
          "--users",      "60",
          "--requests",   "400",
          "--device-gib", "0.03",
          "--host-gib",   "1",
          "--batch",      "1"};
}

/// The first cell of what is told as JSON, and the output.
template <class Command>
std::pair<nlohmann::json, std::string> told(const Command& command, std::vector<std::string> words)
{
  const std::string file = (std::filesystem::temp_directory_path() / "kvstrata_sim_parts_test.json").string();
  words.insert(words.end(), {"--json", file});
  const said s = run(command, std::move(words));
  CAPTURE(s.err);
  REQUIRE(s.code == 0);
  std::ifstream in(file);
  const auto all = nlohmann::json::parse(in);
  std::remove(file.c_str());
  return {all.at(0), s.out};
}

}  // namespace

TEST_CASE("the options of parts are held to what they mean", "[sim][parts]")
{
  for (const auto& command : {sim::cache_command, sim::machine_command}) {
    const auto fault = [&](const std::vector<std::string>& more, const std::string& part) {
      const said s = run(command, with(small(), more));
      CAPTURE(s.err);
      CHECK(s.code == 2);
      CHECK(s.out.empty());
      CHECK(holds(s.err, part));
    };
    CHECK(holds(run(command, {"--help"}).out, "--static-tokens"));
    fault({"--cut", "weekly"}, "--cut is given, but it goes with --static-tokens");
    fault({"--static-tokens", "100", "--cut", "hourly"}, "--cut is 'hourly', but it must be daily or weekly");
    fault({"--static-tokens", "100", "--recent-tokens", "0"}, "--recent-tokens is 0, but it must be at least 1");
    fault({"--static-tokens", "2000000"}, "--static-tokens is 2000000, but it may be at most 1048576");
    fault({"--static-tokens", "100", "--longest", "9"}, "--longest is given, but it is of histories");
  }
  CHECK(holds(run(sim::machine_command, with(small(), {"--static-tokens", "9", "--warmup", "9", "--warm-start"})).err,
              "--warm-start is given, but it is of histories"));
  CHECK(holds(run(sim::machine_command, {"--machine", small()[1], "--static-tokens", "9", "--users", "60", "--rate",
                                         "9", "--target-p99", "9ms"})
                  .err,
              "--static-tokens is given, but a search"));
}

TEST_CASE("a deployment of parts: the cache's counts and the machine's are the same", "[sim][parts]")
{
  const std::vector<std::string> of_parts{"--static-tokens", "400", "--recent-tokens", "60", "--candidates", "20"};
  const auto [counted, table] = told(sim::cache_command, with(with(small(), of_parts), {"--policies", "lru"}));
  const auto [served, rows] = told(sim::machine_command, with(with(small(), of_parts), {"--caches", "default"}));
  const nlohmann::json& parts = counted["parts"];
  CHECK(parts == served["tokens"]["parts"]);
  CHECK(parts["scratch"]["computed"] == 400 * 20);
  for (const char* mode : {"replace", "append"}) {
    for (const char* what : {"slab", "arena", "computed", "superseded"}) {
      CAPTURE(mode, what);
      CHECK(parts[mode][what] > 0);
    }
  }
  CHECK(counted["settings"]["parts"]["cut"] == "daily");
  CHECK(served["settings"]["workload"]["parts"] == counted["settings"]["parts"]);
  CHECK_FALSE(counted["settings"].contains("longest"));
  for (const std::string& text : {table, rows}) {
    CHECK(holds(text, "  S: "));
    CHECK(holds(text, "; superseded "));
    CHECK(holds(text, "  candidates: 8,000 tokens, computed"));
  }
  // A weekly cut replaces less often.
  const auto weekly =
      told(sim::cache_command, with(with(small(), of_parts), {"--policies", "lru", "--cut", "weekly"})).first;
  CHECK(weekly["parts"]["replace"]["computed"] < parts["replace"]["computed"]);
  CHECK(weekly["parts"]["replace"]["superseded"] < parts["replace"]["superseded"]);
}
