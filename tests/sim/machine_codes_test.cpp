// kvstrata-sim machine --codec: what codes of a size buy on a modelled machine, and what is wrong with its arguments.
#include "sim/machine_codes.hpp"
#include "command_line/source_dir.hpp"
#include "sim/commands.hpp"

#include "support/catch.hpp"

#include <kvstrata/simulate/machine_file.hpp>

#include <nlohmann/json.hpp>

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

std::string h200() { return (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string(); }

said run(std::vector<const char*> arguments)
{
  const std::string file = h200();
  arguments.insert(arguments.begin(), {"kvstrata-sim machine", "--machine", file.c_str()});
  std::ostringstream out, err;
  const int code = sim::machine_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("what is wrong with codecs is said in a sentence", "[sim][machine][codec]")
{
  const auto fault = [](std::vector<const char*> arguments, const std::string& part) {
    const said s = run(std::move(arguments));
    CAPTURE(s.err);
    CHECK(s.code == 2);
    CHECK(holds(s.err, part));
  };
  fault({"--codec", "zip"}, "--codec is 'zip', but it must be one of identity, exp4, int8, fp8, int4");
  fault({"--codec", "int4"}, "it is there with --int4 only");
  fault({"--codec", "exp4", "--caches", "mtserve"}, "the arena of cache 'default' keeps codes, and it does not run");
  fault({"--codec", "exp4", "--codes", "none"}, "--codes is 'none', but it must be direct or staged");
  fault({"--codec", "exp4", "--exact-share", "0.5"}, "everything is exact without a codec that is lossy");
  fault({"--codec", "int8", "--exact-share", "1.5"}, "it must be from 0 to 1");
  fault({"--codec", "int8", "--raw-share", "0"}, "it must be more than 0 and less than 1");
  fault({"--codec", "int8", "--target-p99", "50ms", "--rate", "1", "--users", "10"}, "--codec is given");
}

TEST_CASE("each codec is a point of its own, of the cache whose arena keeps codes", "[sim][machine][codec]")
{
  const sim::machine_lists lists{.caches = {"device_only", "mtserve", "default"},
                                 .codecs = {"identity", "exp4", "int8"},
                                 .codes = {"direct", "staged"},
                                 .exact_share = 0.25};
  const std::vector<sim::machine_point> points = sim::points_of(lists);
  REQUIRE(points.size() == 1 + 1 + 1 + 2 * 2);
  CHECK(points[0].codec == "identity");
  CHECK(points[3].codec == "exp4");
  CHECK(points[3].exact_share == 0);
  CHECK(points[4].codes == "staged");
  CHECK(points[6].codec == "int8");
  CHECK(points[6].exact_share == 0.25);
}

TEST_CASE("exact requests are spread evenly", "[sim][machine][codec]")
{
  for (const double share : {0.0, 0.1, 0.25, 1.0}) {
    int exact = 0;
    for (std::size_t i = 0; i < 1000; ++i) exact += sim::is_exact(i, share) ? 1 : 0;
    CHECK(exact == Approx(1000 * share).margin(1));
  }
}

TEST_CASE("a code moves the break-even length by its ratio", "[sim][machine][codec]")
{
  using namespace kvstrata;
  const machine_description m = read_machine(h200());
  CHECK(sim::code_ratio(sim::find_codec("identity"), m) == 1);
  CHECK(sim::code_ratio(sim::find_codec("exp4"), m) > 1.32);
  CHECK(sim::code_ratio(sim::find_codec("int8"), m) > 1.97);
  // L* = 2 F / B - 5 d, and latencies: with a code of 2:1 the H200's 10k become 2.6k.
  const double plain = cost_of(m).break_even_tokens();
  const double halved = cost_of(sim::with_shorter_pages(m, 2)).break_even_tokens();
  CHECK(plain == Approx(2 * m.flops_per_second / m.to_device.bytes_per_second - 5 * m.model.hidden).epsilon(0.05));
  // What is left is small, and latencies, which do not halve, are more of it.
  CHECK(halved == Approx(m.flops_per_second / m.to_device.bytes_per_second - 5 * m.model.hidden).margin(0.06 * plain));
}

TEST_CASE("in as many bytes a codec serves more tokens, and moves fewer bytes a token", "[sim][machine][codec]")
{
  const std::string json = (std::filesystem::temp_directory_path() / "kvstrata_machine_codes_test.json").string();
  const said s = run({"--users",       "60",
                      "--requests",    "400",
                      "--longest",     "1024",
                      "--device-gib",  "0.25",
                      "--host-gib",    "0.5",
                      "--raw-share",   "0.25",
                      "--caches",      "default",
                      "--codec",       "identity,exp4,int8",
                      "--codes",       "direct,staged",
                      "--exact-share", "0.25",
                      "--json",        json.c_str()});
  CAPTURE(s.err);
  REQUIRE(s.code == 0);
  CHECK(holds(s.out, "with exp4 (1.3"));
  std::ifstream in(json);
  const auto r = nlohmann::json::parse(in);
  std::remove(json.c_str());
  REQUIRE(r.size() == 5);
  const auto computed = [&](std::size_t i) { return r[i]["tokens"]["computed"].get<double>(); };
  const auto arena = [&](std::size_t i) { return r[i]["tokens"]["levels"][1].get<double>(); };
  const auto up = [&](std::size_t i) { return r[i]["bytes"]["onloaded"].get<double>(); };
  CHECK(r[1]["settings"]["codec"] == "exp4");
  CHECK(r[0]["raw_pages"] == 0);
  CHECK(computed(1) < computed(0));
  CHECK(computed(2) == computed(1));  // how codes travel changes when, not what
  CHECK(up(1) / arena(1) < 0.85 * up(0) / arena(0));
  CHECK(r[1]["code_multiprocessor_seconds"] > r[2]["code_multiprocessor_seconds"]);
  CHECK(r[0]["tokens"]["inexact"] == 0);
  CHECK(r[1]["tokens"]["inexact"] == 0);
  CHECK(r[3]["settings"]["exact_share"] == 0.25);
  CHECK(r[3]["tokens"]["inexact"] > 0);
}
