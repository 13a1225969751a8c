// kvstrata-sim machine: its command line, and a small run.
#include "command_line/source_dir.hpp"
#include "sim/commands.hpp"

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
              "--caches is 'best', but it must be one of device_only"));
  CHECK(holds(run({"--machine", file.c_str(), "--streams", "0"}).err, "--streams is 0, but it must be at least 1"));
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

namespace {

std::string text_of(const std::filesystem::path& file)
{
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A file that is gone with the test.
struct scratch_file
{
  std::string path;

  explicit scratch_file(const char* name) : path((std::filesystem::temp_directory_path() / name).string()) {}
  ~scratch_file() { std::remove(path.c_str()); }
};

std::size_t lines_of(const std::string& text)
{
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("a grid has a cell for each combination, each with its settings and intervals", "[sim][machine]")
{
  const std::string file = h200();
  const scratch_file json("kvstrata_grid_test.json"), csv("kvstrata_grid_test.csv"), rows("kvstrata_grid_rows.csv");
  const said grid = run({"--machine",      file.c_str(),
                         "--users",        "30",
                         "--requests",     "60",
                         "--caches",       "device_only,default",
                         "--device-gib",   "1,2",
                         "--host-gib",     "2,4",
                         "--batch",        "1,4",
                         "--rate",         "0,3",
                         "--longest",      "4096",
                         "--seeds",        "2",
                         "--json",         json.path.c_str(),
                         "--csv",          csv.path.c_str(),
                         "--requests-csv", rows.path.c_str()});
  CAPTURE(grid.err);
  REQUIRE(grid.code == 0);
  const std::size_t cells = 2 * 2 * 2 + 2 * 2 * 2 * 2;  // without a host there is no choice of its memory
  const auto results = nlohmann::json::parse(text_of(json.path));
  REQUIRE(results.size() == cells);
  CHECK(lines_of(text_of(csv.path)) == cells + 1);
  CHECK(lines_of(text_of(rows.path)) == cells * 2 * 60 + 1);
  CHECK(holds(grid.out, "dev GiB"));
  CHECK(holds(grid.out, "slab    arena    again"));
  const auto& last = results.back();
  CHECK(last["cache"] == "default");
  CHECK(last["settings"]["device_gib"] == 2.0);
  CHECK(last["settings"]["host_gib"] == 4.0);
  CHECK(last["settings"]["batch"] == 4);
  CHECK(last["settings"]["rate"] == 3.0);
  CHECK(last["settings"]["workload"]["users"] == 30);
  CHECK(last["settings"]["machine"]["layers"] == 8);
  CHECK(last["seeds"] == 2);
  CHECK(last["requests"] == 120);
  CHECK(last["saturated"] == 0);
  CHECK(last["intervals_95"]["p99"].get<double>() > 0);
  // The same cell by itself, with the first of the seeds: the first of the rows' two runs.
  const said alone = run({"--machine",      file.c_str(),
                          "--users",        "30",
                          "--requests",     "60",
                          "--caches",       "default",
                          "--device-gib",   "2",
                          "--host-gib",     "4",
                          "--batch",        "4",
                          "--rate",         "3",
                          "--longest",      "4096",
                          "--json",         json.path.c_str(),
                          "--requests-csv", rows.path.c_str()});
  REQUIRE(alone.code == 0);
  const auto one = nlohmann::json::parse(text_of(json.path)).at(0);
  CHECK(one["intervals_95"]["p99"].is_null());
  std::istringstream lines(text_of(rows.path));
  std::string line;
  std::getline(lines, line);
  CHECK(line ==
        "cell,seed,user,history,arrived,began,ended,latency,slab_tokens,arena_tokens,computed_tokens,"
        "recomputed_tokens,unserved,batch_requests,warm_up");
  double sum = 0;
  std::size_t count = 0;
  for (; std::getline(lines, line); ++count) {
    std::size_t at = 0;
    for (int field = 0; field < 7; ++field) at = line.find(',', at) + 1;
    sum += std::stod(line.substr(at));
  }
  CHECK(count == 60);
  CHECK(one["latency_seconds"]["mean"].get<double>() == Approx(sum / 60).epsilon(1e-6));
}

TEST_CASE("workers share the machine, and their number stands in every result", "[sim][machine][streams]")
{
  const std::string file = h200();
  const scratch_file json("kvstrata_streams_test.json"), csv("kvstrata_streams_test.csv");
  const auto with = [&](const char* streams) {
    const said one = run({"--machine",    file.c_str(),
                          "--users",      "40",
                          "--requests",   "160",
                          "--caches",     "default",
                          "--device-gib", "1",
                          "--longest",    "4096",
                          "--batch",      "2",
                          "--streams",    streams,
                          "--json",       json.path.c_str(),
                          "--csv",        csv.path.c_str()});
    CAPTURE(one.err);
    REQUIRE(one.code == 0);
    return one.out;
  };
  CHECK(holds(with("1,2"), " streams "));
  const auto both = nlohmann::json::parse(text_of(json.path));
  REQUIRE(both.size() == 2);
  CHECK(holds(text_of(csv.path), ",rate,streams,seeds,"));
  for (const std::size_t i : {0U, 1U}) {
    CHECK(both.at(i)["settings"]["streams"] == i + 1);
    CHECK(both.at(i)["requests"] == 160);
  }
  // Two wait less for copies; the model takes the time that it takes.
  CHECK(both.at(1)["requests_per_second"].get<double>() > both.at(0)["requests_per_second"].get<double>());
  CHECK(both.at(1)["busy_seconds"].get<double>() > both.at(1)["seconds"].get<double>());
  CHECK(holds(with("2"), "closed loop; 2 compute streams; virtual time"));
  CHECK(nlohmann::json::parse(text_of(json.path)).at(0) == both.at(1));
  CHECK_FALSE(holds(with("1"), "streams"));
  CHECK(nlohmann::json::parse(text_of(json.path)).at(0) == both.at(0));
}

TEST_CASE("each tier of the default cache may have a policy of its own", "[sim][machine]")
{
  const std::string file = h200();
  const scratch_file json("kvstrata_policies_test.json");
  const said all = run({"--machine", file.c_str(),     "--users",         "60",      "--requests",       "300",
                        "--caches",  "default",        "--device-gib",    "1",       "--host-gib",       "2",
                        "--longest", "4096",           "--slab-policies", "lru,lfu", "--arena-policies", "lru,fifo",
                        "--json",    json.path.c_str()});
  CAPTURE(all.err);
  REQUIRE(all.code == 0);
  CHECK(holds(all.out, "slab by"));
  const auto results = nlohmann::json::parse(text_of(json.path));
  REQUIRE(results.size() == 4);
  const auto dropped = [&](std::size_t i) { return results.at(i)["tokens"]["dropped"].get<std::uint64_t>(); };
  CHECK(results.at(1)["settings"]["arena_policy"] == "fifo");
  CHECK(results.at(2)["settings"]["slab_policy"] == "lfu");
  CHECK(dropped(0) != dropped(1));
  CHECK(results.at(0)["tokens"]["levels"] != results.at(2)["tokens"]["levels"]);
  CHECK(holds(run({"--machine", file.c_str(), "--slab-policies", "mru"}).err, "--slab-policies is 'mru'"));
  CHECK(holds(run({"--machine", file.c_str(), "--caches", "mtserve", "--arena-policies", "mru"}).err,
              "--arena-policies is 'mru'"));
}

TEST_CASE("a load that is too much is marked as saturated, and a warm start needs a past", "[sim][machine]")
{
  const std::string file = h200();
  const auto with = [&](const char* rate) {
    return run({"--machine", file.c_str(), "--users", "200", "--requests", "400", "--caches", "default", "--rate", rate,
                "--longest", "8192", "--warmup", "100", "--warm-start", "--prefetch", "2"});
  };
  const said much = with("100000");
  CHECK(much.code == 0);
  CHECK(holds(much.out, "  saturated\n"));
  CHECK_FALSE(holds(with("1").out, "  saturated\n"));
  const said sessions = run({"--machine", file.c_str(), "--users", "200", "--requests", "300", "--requests-a-day", "40",
                             "--session-requests", "4", "--session-gap", "5", "--rate", "2", "--caches", "default"});
  CHECK(sessions.code == 0);
  CHECK(holds(sessions.out, "sessions: 300 requests, open loop, 2 a second"));
  CHECK(holds(run({"--machine", file.c_str(), "--session-gap", "5"}).err, "it goes with --requests-a-day"));
  CHECK(holds(run({"--machine", file.c_str(), "--requests-a-day", "5", "--requests", "0"}).err, "have no end"));
  CHECK(holds(run({"--machine", file.c_str(), "--requests-a-day", "1e-9"}).err, "requests_a_day"));
  CHECK(holds(run({"--machine", file.c_str(), "--warm-start"}).err, "it wants --warmup"));
  CHECK(holds(run({"--machine", file.c_str(), "--seeds", "0"}).err, "--seeds is 0"));
  CHECK(holds(run({"--machine", file.c_str(), "--seeds", "2", "--trace", "x.csv"}).err, "a trace is what it is"));
  CHECK(holds(run({"--machine", file.c_str(), "--threads", "5000"}).err, "it may be at most 1024"));
  CHECK(holds(run({"--machine", file.c_str(), "--gpus", "4"}).err, "it goes with --target-p99"));
  CHECK(holds(run({"--machine", file.c_str(), "--history-scale", "-1"}).err, "it must be above 0"));
}

TEST_CASE("a search finds the fewest boxes that keep a target, and what more memory gives", "[sim][machine][search]")
{
  const std::string file = h200();
  const std::string l20 = (tools::source_dir() / "tools/sim/machines/l20_pcie4.machine").string();
  const scratch_file json("kvstrata_search_test.json"), csv("kvstrata_search_test.csv");
  const said found = run({"--machine",    l20.c_str(),
                          "--target-p99", "300ms",
                          "--rate",       "8",
                          "--users",      "4000",
                          "--host-gib",   "64,256",
                          "--gpus",       "2",
                          "--most-boxes", "8",
                          "--seeds",      "2",
                          "--json",       json.path.c_str(),
                          "--csv",        csv.path.c_str()});
  CAPTURE(found.err, found.out);
  REQUIRE(found.code == 0);
  CHECK(holds(found.out, "Answer: 1 box of 2 GPUs with 256 GiB of host memory"));
  const auto r = nlohmann::json::parse(text_of(json.path));
  REQUIRE(r["least"].size() == 2);
  REQUIRE(r["curve"].size() == 2);
  CHECK(r["least"][0]["boxes"] == 2);  // less memory takes more boxes
  CHECK(r["least"][1]["boxes"] == 1);
  for (const auto& one : r["least"]) {
    CHECK(one["kept"] == true);
    CHECK(one["p99_worst_hour_seconds"]["mean"].get<double>() <= 0.3);
  }
  CHECK(r["answer"] == r["least"][1]);
  CHECK(r["curve"][0]["boxes"] == 1);
  CHECK(r["curve"][0]["kept"] == false);
  CHECK(r["curve"][0]["p99_worst_hour_seconds"]["mean"].get<double>() > 0.3);
  CHECK(r["curve"][0]["hits_per_second"]["mean"].get<double>() <
        r["curve"][1]["hits_per_second"]["mean"].get<double>());
  CHECK(r["settings"]["requests_a_user_and_day"].get<double>() == Approx(8 * 86400 / 4000.0));
  CHECK(lines_of(text_of(csv.path)) == 5);

  // Other policies, other hits.
  const auto hits_by = [&](const char* slab, const char* arena) {
    const said one = run({"--machine",        l20.c_str(), "--target-p99",    "300ms",
                          "--rate",           "8",         "--users",         "4000",
                          "--host-gib",       "64",        "--gpus",          "2",
                          "--seeds",          "1",         "--slab-policies", slab,
                          "--arena-policies", arena,       "--json",          json.path.c_str(),
                          "--most-boxes",     "1"});
    CAPTURE(one.err);
    REQUIRE(one.code == 0);
    CHECK(holds(one.out, "slab by") == (std::string(slab) != "lru" || std::string(arena) != "lru"));
    const auto said_of = nlohmann::json::parse(text_of(json.path));
    CHECK(said_of["settings"]["slab_policy"] == slab);
    CHECK(said_of["settings"]["arena_policy"] == arena);
    return said_of["least"][0]["hit_tokens_share"]["mean"].get<double>();
  };
  const double by_lru = hits_by("lru", "lru");
  CHECK(hits_by("lru", "fifo") != by_lru);
  CHECK(hits_by("lfu", "lru") != by_lru);

  // Nothing keeps it: a history alone takes longer.
  const said none = run({"--machine", file.c_str(), "--target-p99", "1ms", "--rate", "4", "--users", "2000",
                         "--host-gib", "16", "--gpus", "1", "--most-boxes", "2", "--seeds", "1"});
  CHECK(none.code == 0);
  CHECK(holds(none.out, "None of them keeps the target"));

  const auto refused = [&](std::vector<const char*> more) {
    std::vector<const char*> all{"--machine", file.c_str(), "--target-p99", "50ms"};
    all.insert(all.end(), more.begin(), more.end());
    const said it = run(all);
    CHECK(it.code == 2);
    return it.err;
  };
  CHECK(holds(refused({"--rate", "10"}), "--users is absent"));
  CHECK(holds(refused({"--users", "10"}), "--rate is absent"));
  CHECK(holds(refused({"--users", "10", "--rate", "1,2"}), "a search takes one"));
  CHECK(holds(refused({"--users", "10", "--rate", "1", "--slab-policies", "lru,lfu"}), "a search takes one"));
  CHECK(holds(refused({"--users", "100000", "--rate", "1", "--arena-policies", "mru"}), "--arena-policies is 'mru'"));
  CHECK(holds(refused({"--users", "10", "--rate", "1", "--trace", "x.csv"}), "makes its own traffic"));
  CHECK(holds(refused({"--users", "10", "--rate", "1"}), "less than one user a GPU"));
  CHECK(holds(refused({"--users", "100000", "--rate", "1", "--routing", "best"}), "it must be hash or affinity"));
  CHECK(holds(refused({"--users", "100000", "--rate", "1", "--gpus-a-link", "3"}), "it must divide the 8 GPUs"));
  CHECK(holds(run({"--machine", file.c_str(), "--target-p99", "50", "--rate", "1", "--users", "100000"}).err,
              "--target-p99 is '50', but it must be a time"));
  CHECK(holds(run({"--machine", file.c_str(), "--target-p99", "0ms", "--rate", "1", "--users", "100000"}).err,
              "--target-p99 is '0ms', but it must be a time"));
}
