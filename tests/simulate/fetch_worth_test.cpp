// From which length on a fetch is quicker than computing, level by level, and what is said of it.
#include "command_line/source_dir.hpp"
#include "simulate/scratch.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/simulate/fetch_worth.hpp>
#include <kvstrata/simulate/machine_file.hpp>

#include <fstream>
#include <limits>
#include <sstream>
#include <string>

using namespace kvstrata;

namespace {

machine_description shipped(const char* file)
{
  return read_machine(tools::source_dir() / "tools/sim/machines" / file);
}

}  // namespace

TEST_CASE("L* of each level is 2 F / B - 5 d, where B is what all journeys together reach", "[simulate][machine]")
{
  for (const char* file : {"l20_pcie4.machine", "a100_pcie4.machine", "h200_pcie5.machine", "b200.machine"}) {
    CAPTURE(file);
    const machine_description m = shipped(file);
    const auto worth = worth_of_fetches(m);
    REQUIRE(worth.size() == 2);
    CHECK(worth[0].level == "arena");
    CHECK(worth[1].level == "store");
    const double f = m.flops_per_second;
    const double link = m.to_device.bytes_per_second;
    const double both = 1 / (1 / link + 1 / m.store_bytes_per_second);
    CHECK(worth[0].from_tokens == Approx(2 * f / link - 5.0 * m.model.hidden).margin(250));
    CHECK(worth[1].from_tokens == Approx(2 * f / both - 5.0 * m.model.hidden).margin(250));
    CHECK(worth[0].from_tokens < worth[1].from_tokens);

    // At L* a fetch takes as long as computing; the costs of one layer times the layers.
    const cost_model cost = cost_from_store(m);
    const auto at = static_cast<token_count>(worth[1].from_tokens);
    const double seconds = cost.fetch_seconds(at) * cost.layers;
    CHECK(seconds == Approx(cost.compute_seconds({0, at}) * cost.layers).epsilon(1e-3));
    const double bytes = static_cast<double>(m.model.kv.token_bytes()) * at;
    CHECK(seconds == Approx(m.store_latency_seconds + m.to_device.latency_seconds * cost.layers +
                            bytes / m.store_bytes_per_second + bytes / link));
  }
}

TEST_CASE("a machine without a store has none to fetch from", "[simulate][machine]")
{
  kvstrata_test::scratch_folder folder;
  std::ifstream file(tools::source_dir() / "tools/sim/machines/h200_pcie5.machine");
  std::ostringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const machine_description m = read_machine(folder.write("m", text.substr(0, text.find("store_gb_per_second"))));
  CHECK(m.store_bytes_per_second == 0);
  CHECK(worth_of_fetches(m).size() == 1);
  machine_description wrong = m;
  wrong.store_bytes_per_second = -1;
  CHECK_THROWS_WITH(check(wrong), kvstrata_test::says("store_bytes_per_second"));
}

TEST_CASE("what is said of a level: at every length, from a length on, or never for latency", "[simulate][machine]")
{
  CHECK(sentence_of({"arena", 0}, 1000) == "fetching from the arena beats computing at every length");
  CHECK(sentence_of({"arena", 999.5}, 1000) == "fetching from the arena beats computing from 1000 tokens on");
  CHECK(
      sentence_of({"store", 1000.5}, 1000) ==
      "fetching from the store never pays for latency with histories of at most 1000 tokens (it would from 1001 tokens "
      "on): it frees the GPU");
  CHECK(sentence_of({"store", std::numeric_limits<double>::infinity()}, 10) ==
        "fetching from the store never pays for latency with histories of at most 10 tokens: it frees the GPU");
}
