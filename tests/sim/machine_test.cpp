// kvstrata-sim machine: its command line, and a small run.
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

said run(std::vector<const char*> arguments)
{
  arguments.insert(arguments.begin(), "kvstrata-sim machine");
  std::ostringstream out, err;
  const int code = sim::machine_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

std::string h200() { return (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string(); }

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the machine command tells what it can do, and what is wrong with its arguments", "[sim][machine]")
{
  const std::string file = h200();
  const said help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(holds(help.out, "--machine"));
  CHECK(holds(help.out, "--rate"));
  CHECK(run({}).code == 2);
  CHECK(holds(run({}).err, "--machine is required"));
  CHECK(holds(run({"--machine", file.c_str(), "--caches", "best"}).err,
              "--caches is 'best', but it must be device_only"));
  CHECK(holds(run({"--machine", file.c_str(), "--batch", "0"}).err, "--batch is 0, but it must be at least 1"));
  CHECK(run({"--machine", file.c_str(), "--rate", "-1"}).code == 2);
  CHECK(holds(run({"--machine", file.c_str(), "--device-gib", "1e300"}).err, "it may be at most 1000000"));
  CHECK(holds(run({"--machine", file.c_str(), "--host-gib", "1e10"}).err, "it may be at most 1000000000"));
  const said over = run({"--machine", file.c_str(), "--json", file.c_str()});
  CHECK(over.code == 2);
  CHECK(holds(over.err, "that is the file of --machine"));
  CHECK(holds(run({"--machine", "/nowhere/x.machine", "--json", "/nowhere/../nowhere/x.machine"}).err,
              "that is the file of --machine"));  // before anything is opened
  CHECK(holds(run({"--machine", ""}).err, "--machine: it must not be empty"));
  CHECK(holds(run({"--machine", file.c_str(), "--json", ""}).err, "--json: it must not be empty"));
  CHECK(holds(run({"--machine", file.c_str(), "--users", "20", "--requests", "20", "--rate", "1e-300"}).err,
              "--rate is 1e-300, but at that rate 20 requests come over more than 30 years"));
  const said absent = run({"--machine", "/nowhere/x.machine"});
  CHECK(absent.code == 1);
  CHECK(holds(absent.err, "/nowhere/x.machine: no such file"));
}

TEST_CASE("a small run serves every request, closed and open", "[sim][machine]")
{
  const std::string file = h200();
  const std::string json = (std::filesystem::temp_directory_path() / "kvstrata_machine_test.json").string();
  for (const char* rate : {"0", "5"}) {
    CAPTURE(rate);
    const said small = run({"--machine", file.c_str(), "--users", "40", "--requests", "120", "--warmup", "20", "--rate",
                            rate, "--json", json.c_str()});
    REQUIRE(small.code == 0);
    CHECK(holds(small.out, "H200, PCIe 5"));
    std::ifstream in(json);
    const auto results = nlohmann::json::parse(in);
    REQUIRE(results.size() == 3);
    double computed = 0;
    for (const auto& r : results) {
      CAPTURE(r.dump());
      const auto requests = r["requests"].get<std::uint64_t>();
      CHECK(requests <= 100);  // a batch that begins in the warm-up belongs to it
      CHECK(requests > 100 - 2 * 8);
      CHECK(r["merged"] < requests / 2);
      CHECK(r["unserved"] == 0);
      CHECK(r["latency_seconds"]["p50"] > 0.0);
      CHECK(r["latency_seconds"]["p50"] <= r["latency_seconds"]["p99"]);
      CHECK(r["busy_seconds"] <= r["seconds"].get<double>() * 1.000001);
      computed = r["tokens"]["computed"].get<double>();
      const bool alone = r["cache"] == "device_only";
      REQUIRE(r["levels"].size() == (alone ? 1 : 2));
      REQUIRE(r["tokens"]["levels"].size() == r["levels"].size());
      CHECK(r["levels"][0]["name"] == "slab");
      if (!alone) CHECK(r["levels"][1]["name"] == "arena");
    }
    CHECK(computed > 0);
  }
  // With a slab for a dozen users the arena serves, too.
  const said tight = run({"--machine", file.c_str(), "--users", "40", "--requests", "120", "--longest", "4096",
                          "--device-gib", "1", "--caches", "default", "--json", json.c_str()});
  REQUIRE(tight.code == 0);
  CHECK(holds(tight.out, "slab    arena"));
  std::ifstream in(json);
  const auto results = nlohmann::json::parse(in);
  CHECK(results.at(0)["tokens"]["levels"][0] > 0);
  CHECK(results.at(0)["tokens"]["levels"][1] > 0);
  std::remove(json.c_str());
}
