// kvstrata-sim cache: its command line, and what codecs do to the hits of each level, by policy, in as many bytes.
#include "command_line/source_dir.hpp"
#include "sim/cache_run.hpp"
#include "sim/commands.hpp"

#include "support/catch.hpp"

#include <kvstrata/simulate/machine_file.hpp>

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

said run(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), "kvstrata-sim cache");
  std::ostringstream out, err;
  const int code = sim::cache_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

const std::string& h200()
{
  static const std::string file = (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string();
  return file;
}

/// On a small machine, whose arena holds a part of the users.
std::vector<const char*> small(std::vector<const char*> more)
{
  std::vector<const char*> out{"--machine",   h200().c_str(), "--users",      "60",    "--requests", "400",
                               "--longest",   "1000",         "--device-gib", "0.125", "--host-gib", "0.5",
                               "--raw-share", "0.125",        "--batch",      "1"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string scratch(const char* name) { return (std::filesystem::temp_directory_path() / name).string(); }

}  // namespace

TEST_CASE("the cache command tells what it can do, and what is wrong with its arguments", "[sim][cache][codec]")
{
  const said help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(holds(help.out, "identity, exp4, int8, fp8, int4"));
  CHECK(holds(help.out, "--policies"));
  CHECK(holds(help.out, "lru,s3_fifo,locality"));
  const auto fault = [](std::vector<const char*> arguments, const std::string& part) {
    const said s = run(std::move(arguments));
    CAPTURE(s.err);
    CHECK(s.code == 2);
    CHECK(s.out.empty());
    CHECK(holds(s.err, part));
  };
  fault({}, "--machine is required");
  fault(small({"--codec", "zip"}), "--codec is 'zip', but it must be one of identity, exp4, int8, fp8, int4");
  fault(small({"--codec", "exp4,int4"}), "it is there with --int4 only");
  fault(small({"--policies", "lru,best"}), "--policies is 'best', but it must be one of lru, fifo");
  fault({"--machine", h200().c_str(), "--raw-share", "1"}, "it must be more than 0 and less than 1");
  fault({"--machine", h200().c_str(), "--batch", "0"}, "--batch is 0, but it must be at least 1");
  fault(small({"--seeds", "0"}), "--seeds is 0");
  fault(small({"--seeds", "2", "--trace", "a.csv"}), "seeds are of the synthetic workload");
  fault(small({"--codecs", "exp4"}), "--codecs");
  fault({"--machine", h200().c_str(), "--host-gib", "-1"}, "--host-gib");
  CHECK(run({"--machine", "no such file"}).code != 0);
}

TEST_CASE("in as many bytes a codec's arena serves more, whoever leaves first", "[sim][cache][codec]")
{
  const std::string json = scratch("kvstrata_sim_cache_test.json");
  const std::string csv = scratch("kvstrata_sim_cache_test.csv");
  const said s = run(small({"--codec", "identity,exp4,int8", "--json", json.c_str(), "--csv", csv.c_str()}));
  CAPTURE(s.err);
  REQUIRE(s.code == 0);
  std::ifstream in(json);
  const auto r = nlohmann::json::parse(in);
  std::ifstream lines(csv);
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line);) ++rows;
  std::remove(json.c_str());
  std::remove(csv.c_str());
  REQUIRE(r.size() == 9);
  CHECK(rows == 1 + r.size());
  const char* const policies[] = {"lru", "s3_fifo", "locality"};
  for (std::size_t p = 0; p < 3; ++p) {
    const auto of = [&](std::size_t codec) { return r[3 * p + codec]; };
    const auto figure = [&](std::size_t codec, const char* name) { return of(codec)["figures"][name].get<double>(); };
    CAPTURE(policies[p]);
    CHECK(of(0)["policy"] == policies[p]);
    CHECK(of(1)["codec"] == "exp4");
    CHECK(of(0)["settings"]["host_gib"] == 0.5);
    CHECK(figure(0, "raw_filled") == 0);
    CHECK(figure(2, "raw_filled") > 0);  // histories have tails
    CHECK(figure(1, "arena_tokens") > figure(0, "arena_tokens"));
    CHECK(figure(2, "arena_tokens") > figure(1, "arena_tokens"));
    CHECK(figure(2, "computed") < figure(0, "computed"));
    for (std::size_t codec = 0; codec < 3; ++codec) {
      CHECK(of(codec)["requests"] == 400);
      CHECK(figure(codec, "slab") + figure(codec, "arena") + figure(codec, "computed") == Approx(1));
    }
    // Whatever comes up are codes, but for pages that are filled in part.
    const auto up = [&](std::size_t codec) { return figure(codec, "onloaded_bytes") / figure(codec, "arena"); };
    CHECK(up(2) < 0.75 * up(0));
  }
}

TEST_CASE("an arena that holds everybody serves the same with a codec and without", "[sim][cache][codec]")
{
  const kvstrata::machine_description m = kvstrata::read_machine(h200());
  std::vector<kvstrata::arrival> asked;
  for (std::uint64_t i = 0; i < 400; ++i) {
    asked.push_back({.seconds = static_cast<double>(i),
                     .asked = {.user = kvstrata::user_id{i % 20},
                               .history_tokens = static_cast<kvstrata::token_count>(64 + i),
                               .time_ms = static_cast<std::int64_t>(1000 * i)}});
  }
  const sim::cache_lists lists{.codecs = {"identity", "exp4", "int8"}, .device_gib = {0.02}, .host_gib = {1}};
  for (const char* policy : {"lru", "s3_fifo", "locality"}) {
    const auto counted = [&](const char* codec) {
      return sim::count(m, asked, {}, lists, {.policy = policy, .codec = codec, .device_gib = 0.02, .host_gib = 1});
    };
    const sim::cache_result plain = counted("identity");
    CHECK(plain.counts.levels[1].tokens > 0);
    for (const char* codec : {"exp4", "int8"}) {
      CAPTURE(policy, codec);
      const sim::cache_result coded = counted(codec);
      CHECK(coded.counts.levels == plain.counts.levels);
      CHECK(coded.counts.computed_tokens == plain.counts.computed_tokens);
      CHECK(coded.arena_tokens == plain.arena_tokens);
      CHECK(coded.counts.onload_bytes < plain.counts.onload_bytes);
    }
  }
}

TEST_CASE("several seeds have a mean and its interval", "[sim][cache]")
{
  const said one = run(small({"--policies", "lru"}));
  const said some = run(small({"--policies", "lru", "--seeds", "3"}));
  REQUIRE(one.code == 0);
  REQUIRE(some.code == 0);
  CHECK_FALSE(holds(one.out, "+-"));
  CHECK(holds(some.out, " of each of 3 seeds"));
  CHECK(holds(some.out, "+-"));
}
