#include "command_line/source_dir.hpp"
#include "sim/capacity.hpp"
#include "sim/commands.hpp"
#include "sim/menu.hpp"

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/data.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/random.hpp>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct outcome
{
  int code = 0;
  std::string out;
  std::string err;
};

outcome sim_with(const std::vector<std::string>& arguments)
{
  std::vector<const char*> texts{"kvstrata-sim"};
  for (const std::string& one : arguments) texts.push_back(one.c_str());
  std::ostringstream out;
  std::ostringstream err;
  const int code = sim::sweep_command(static_cast<int>(texts.size()), texts.data(), out, err);
  return {code, out.str(), err.str()};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A folder that vanishes again.
struct scratch
{
  scratch()
      : folder(std::filesystem::temp_directory_path() /
               ("kvstrata_sim_" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count())))
  {
    std::filesystem::create_directories(folder);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch()
  {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder / name).string(); }
  std::string write(const std::string& name, const std::string& text) const
  {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const
  {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  std::filesystem::path folder;
};

/// Rows of a CSV without quotes, by column.
std::vector<std::map<std::string, std::string>> rows_of(const std::string& text)
{
  const auto split = [](const std::string& line) {
    std::vector<std::string> out(1);
    for (const char c : line) {
      if (c == ',') out.emplace_back();
      else out.back().push_back(c);
    }
    return out;
  };
  std::istringstream in(text);
  std::string line;
  std::getline(in, line);
  const std::vector<std::string> names = split(line);
  std::vector<std::map<std::string, std::string>> out;
  while (std::getline(in, line)) {
    const std::vector<std::string> fields = split(line);
    REQUIRE(fields.size() == names.size());
    auto& row = out.emplace_back();
    for (std::size_t k = 0; k < names.size(); ++k) row[names[k]] = fields[k];
  }
  return out;
}

/// 4,000 requests with sizes, as a CSV of libCacheSim's.
struct sample_trace
{
  explicit sample_trace(const scratch& in)
  {
    kvstrata::random_source random(7);
    std::string text = "time,obj_id,obj_size\n";
    for (int k = 0; k < 4000; ++k) {
      const double part = random.uniform();
      const auto key = static_cast<std::uint64_t>(part * part * 300);
      accesses.push_back({.key = key, .time_ms = k * 1000, .bytes = 100 + key % 7 * 50});
      text += std::to_string(k) + "," + std::to_string(key) + "," + std::to_string(accesses.back().bytes) + "\n";
    }
    path = in.write("sample.csv", text);
  }

  template <class Policy, kvstrata::object_size Size = kvstrata::object_size::unit>
  [[nodiscard]] std::uint64_t misses(std::uint64_t size, std::size_t from = 0, std::size_t to = 4000) const
  {
    kvstrata::object_cache<Policy, kvstrata::always, Size> cache({.bytes = size, .objects = size});
    std::uint64_t missed = 0;
    for (std::size_t k = 0; k < to; ++k) {
      const bool hit = cache.request(accesses[k]) == kvstrata::access_outcome::hit;
      missed += !hit && k >= from ? 1U : 0U;
    }
    return missed;
  }

  std::vector<kvstrata::trace_access> accesses;
  std::string path;
};

}  // namespace

TEST_CASE("--help says what there is, with examples", "[sim]")
{
  const outcome o = sim_with({"--help"});
  CHECK(o.code == 0);
  CHECK(o.err.empty());
  for (const kvstrata::menu_policy& one : sim::menu().entries()) {
    INFO(one.name);
    CHECK(contains(o.out, "  " + one.name + " "));
  }
  for (const char* const part : {"--trace", "--capacities", "--sample", "--html", "Examples:", "write_rate",
                                 "oracle_general", "kvstrata-sim machine --help", "kvstrata-sim cache --help",
                                 "kvstrata-sim size --help", "kvstrata-sim cluster --help"}) {
    INFO(part);
    CHECK(contains(o.out, part));
  }
}

TEST_CASE("a wrong argument ends with a sentence and code 2", "[sim]")
{
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& part) {
    const outcome o = sim_with(arguments);
    INFO(o.err);
    CHECK(o.code == 2);
    CHECK(o.out.empty());
    CHECK(contains(o.err, "error: "));
    CHECK(contains(o.err, part));
  };
  refused({"--polices", "lru"}, "--polices");
  refused({"--policies", "lru,mru"}, "'mru', but it must be one of lru, ");
  refused({"--policies", ""}, "policy name is ''");
  refused({"--admission", "never"}, "'never'");
  refused({"--capacities", "10,abc"}, "--capacities is 'abc'");
  refused({"--capacities", "0"}, "'0'");
  refused({"--capacities", "-5%"}, "'-5%'");
  refused({"--capacities", "1.5"}, "whole numbers");
  refused({"--capacities", "10XB"}, "'10XB'");
  refused({"--capacities", "10MB"}, "with --sizes unit");
  refused({"--capacities", "10", "--sizes", "bytes"}, "must have a suffix");
  refused({"--sizes", "large"}, "unit, bytes or growing");
  refused({"--sample", "0"}, "--sample");
  refused({"--sample", "2"}, "--sample");
  refused({"--sample", "x"}, "'x' is not a number");
  refused({"--threads", "-1"}, "--threads");
  refused({"--threads", "5000"}, "at most 1024");
  refused({"--warmup", "100%"}, "something must be left");
  refused({"--warmup", "5min"}, "--warmup");
  refused({"--interval", "5 parsecs"}, "--interval");
  refused({"--series", "a.csv"}, "--interval");
  refused({"--format", "tarot"}, "oracle_general");
  refused({"--stream", "minute"}, "session, interaction or window");
  refused({"--columns", "a,b,c,d,e,f"}, "at most five");
  refused({"--columns", "a,,c"}, "must be named");
  refused({"--token-bytes", "none"}, "--token-bytes");
  refused({"--write-rate", "fast"}, "--write-rate");
  refused({"--users", "0"}, "users");
}

TEST_CASE("a trace that is missing or broken ends with file, record and reason", "[sim]")
{
  const scratch here;
  const auto fails = [](const std::vector<std::string>& arguments, const std::vector<std::string>& parts) {
    const outcome o = sim_with(arguments);
    INFO(o.err);
    CHECK(o.code == 1);
    for (const std::string& part : parts) CHECK(contains(o.err, part));
  };
  fails({"--trace", here.path("none.csv")}, {"none.csv", "no such file"});
  fails({"--trace", here.write("odd.xyz", "1\n")}, {"odd.xyz", "does not tell the format"});
  fails({"--trace", here.write("bad.csv", "time,id,size\n1,2,3\n4,five,6\n")}, {"bad.csv:3", "five"});
  fails({"--trace", here.write("short.oracleGeneral.bin", std::string(20, '\1'))}, {"short.oracleGeneral.bin"});
  fails({"--trace", here.write("empty.csv", "time,id,size\n")}, {"empty.csv"});
  fails({"--users", "20", "--csv", here.path("no/such/folder.csv")}, {"folder.csv", "cannot be written"});
  fails({"--users", "20", "--machine", here.path("none.machine")}, {"none.machine"});
}

TEST_CASE("a result never replaces what is read, nor another result, and a run that fails leaves none", "[sim]")
{
  const scratch here;
  const std::string text = "time,id,size\n1,2,3\n2,2,3\n";
  const std::string trace = here.write("mine.csv", text);
  const auto refused = [&](const std::vector<std::string>& more, const std::string& part) {
    std::vector<std::string> all{"--trace", trace, "--policies", "lru", "--capacities", "1"};
    all.insert(all.end(), more.begin(), more.end());
    const outcome o = sim_with(all);
    INFO(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, part));
    CHECK(here.read("mine.csv") == text);
  };
  refused({"--csv", trace}, "that is the file of --trace");
  refused({"--html", here.path("./mine.csv")}, "that is the file of --trace");
  std::filesystem::create_hard_link(trace, here.path("other.csv"));
  refused({"--json", here.path("other.csv")}, "that is the file of --trace");
  const std::string machine = here.write("m.machine", "name = m\n");
  refused({"--machine", machine, "--svg", machine}, "that is the file of --machine");
  refused({"--trace", here.folder.string(), "--csv", here.path("new.csv")}, "that lies in the folder of --trace");
  refused({"--csv", here.path("x"), "--json", here.path("../" + here.folder.filename().string() + "/x")},
          "--csv goes there too");
  refused({"--json", "-"}, "give a path");
  CHECK(here.read("m.machine") == "name = m\n");

  // Nothing is there yet, and still it is one file: by a link to a folder, or one to nothing.
  std::filesystem::create_directory(here.path("folder"));
  std::filesystem::create_directory_symlink("folder", here.path("way"));
  std::filesystem::create_symlink("way/new", here.path("dangling"));
  refused({"--csv", here.path("folder/new"), "--html", here.path("way/new")}, "--csv goes there too");
  refused({"--csv", here.path("folder/new"), "--html", here.path("dangling")}, "--csv goes there too");
  refused({"--csv", here.path("folder/./new"), "--svg", here.path("folder/new")}, "--csv goes there too");
  refused({"--trace", here.path("folder"), "--csv", here.path("way/new")}, "that lies in the folder of --trace");

  CHECK(sim_with({"--trace", here.path("none.csv"), "--csv", here.path("x")}).code == 1);
  CHECK_FALSE(std::filesystem::exists(here.path("x")));
}

TEST_CASE("a device may take several results, and stays a device", "[sim]")
{
  const scratch here;
  const std::string trace = here.write("mine.csv", "time,id,size\n1,2,3\n2,2,3\n");
  const outcome o = sim_with(
      {"--trace", trace, "--policies", "lru", "--capacities", "1", "--csv", "/dev/null", "--json", "/dev/null"});
  INFO(o.err);
  CHECK(o.code == 0);
  CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("no result goes to the file that standard output goes to, but to /dev/stdout any may go", "[sim]")
{
  const scratch here;
  const std::string trace = here.write("mine.csv", "time,id,size\n1,2,3\n2,2,3\n");
  const auto with_output_to = [&](const std::string& file, const std::vector<std::string>& more, const char* said) {
    const auto child = kvstrata_test::run_in_child([&] {
      const int open = ::open(here.path(file).c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      if (::dup2(open, STDOUT_FILENO) != STDOUT_FILENO) return 98;
      std::vector<std::string> all{"--trace", trace, "--policies", "lru", "--capacities", "1"};
      all.insert(all.end(), more.begin(), more.end());
      const outcome o = sim_with(all);
      return contains(o.err, said) ? o.code : 99;
    });
    return child.code;
  };
  CHECK(with_output_to("o", {"--csv", here.path("o")}, "standard output goes there too") == 2);
  CHECK(with_output_to("mine.csv", {}, "standard output goes to that file") == 2);
  CHECK(with_output_to("o", {"--csv", "/dev/stdout", "--json", "/dev/stdout"}, "") == 0);
  CHECK(contains(here.read("o"), "trace,policy,"));
  CHECK(contains(here.read("o"), "\"traces\""));
  CHECK(here.read("mine.csv") == "time,id,size\n1,2,3\n2,2,3\n");
}

TEST_CASE("a path that is empty is not one that was not given", "[sim]")
{
  const scratch here;
  const std::string trace = here.write("mine.csv", "time,id,size\n1,2,3\n2,2,3\n");
  for (const char* const option : {"--trace", "--machine", "--csv", "--series", "--json", "--html", "--svg"}) {
    const outcome o = sim_with({"--users", "20", "--policies", "lru", "--capacities", "1", option, ""});
    INFO(option << ": " << o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, std::string(option) + ": it must not be empty"));
  }
}

TEST_CASE("a full disk and an interrupt leave the results that were there, or none", "[sim]")
{
  using kvstrata_test::run_in_child;
  const scratch here;
  const std::string trace = here.write("mine.csv", "time,id,size\n1,2,3\n2,2,3\n");
  here.write("o.html", "old results");
  std::vector<std::string> arguments{"--trace", trace,    "--policies",        "lru",    "--capacities",     "1",
                                     "--quiet", "--html", here.path("o.html"), "--json", here.path("o.json")};
  const auto full = run_in_child([&] {
    kvstrata_test::fill_disk_beyond(2000);  // a page takes more
    const outcome o = sim_with(arguments);
    return contains(o.err, "o.html: writing failed: ") ? o.code : 99;
  });
  CHECK(full.code == 1);
  CHECK(here.read("o.html") == "old results");
  std::filesystem::remove(here.path("o.json"));

  const auto interrupted = run_in_child([&] {
    kvstrata_test::interrupting_buffer buffer;
    std::ostream out(&buffer);
    std::vector<const char*> texts{"kvstrata-sim"};
    for (const std::string& one : arguments) texts.push_back(one.c_str());
    return sim::sweep_command(static_cast<int>(texts.size()), texts.data(), out, out);
  });
  CHECK(interrupted.signal == SIGINT);
  CHECK(here.read("o.html") == "old results");
  CHECK_FALSE(std::filesystem::exists(here.path("o.json")));
  const std::filesystem::directory_iterator all(here.folder);
  CHECK(std::distance(begin(all), end(all)) == 2);  // trace and page: nothing else was left behind
}

TEST_CASE("where nothing is left to be counted, or too many intervals, there is no result", "[sim]")
{
  const scratch here;
  const sample_trace trace(here);
  for (const char* const warmup : {"4000", "5000"}) {
    const outcome o = sim_with({"--trace", trace.path, "--policies", "lru", "--capacities", "10", "--warmup", warmup});
    INFO(o.err);
    CHECK(o.code == 2);
    CHECK(contains(o.err, "--warmup"));
    CHECK(contains(o.err, "4,000 requests"));
  }
  std::string seconds;
  for (int k = 0; k < 100'002; ++k) seconds += std::to_string(k) + ",1,1\n";
  const outcome many = sim_with(
      {"--trace", here.write("many.csv", seconds), "--policies", "lru", "--capacities", "1", "--interval", "1s"});
  CHECK(many.code == 2);
  CHECK(contains(many.err, "up to 100001 intervals"));

  const outcome o = sim_with({"--trace", here.write("one.csv", "1,2,3\n2,2,3\n"), "--policies", "lru", "--capacities",
                              "1", "--sample", "0.001"});
  INFO(o.err);
  CHECK(o.code == 2);
  CHECK(contains(o.err, "--sample"));
}

TEST_CASE("caches that the machine has no memory for are refused, with what policies remember", "[sim]")
{
  const scratch here;
  const sample_trace trace(here);
  const outcome o = sim_with({"--trace", trace.path, "--policies", "locality", "--capacities", "10000000000000"});
  INFO(o.err);
  CHECK(o.code == 2);
  CHECK(contains(o.err, "these caches need about"));
}

TEST_CASE("counts in the CSV are those of each cache alone", "[sim]")
{
  using kvstrata::object_size;
  const scratch here;
  const sample_trace trace(here);

  SECTION("objects")
  {
    const outcome o = sim_with({"--trace", trace.path, "--policies", "fifo,lru", "--capacities", "50,10,10%", "--csv",
                                here.path("o.csv"), "--threads", "2"});
    INFO(o.err);
    REQUIRE(o.code == 0);
    const auto rows = rows_of(here.read("o.csv"));
    REQUIRE(rows.size() == 6);
    for (const auto& row : rows) {
      const std::uint64_t size = std::stoull(row.at("capacity"));
      CHECK(row.at("trace") == "sample.csv");
      CHECK(row.at("requests") == "4000");
      CHECK(row.at("admission") == "always");
      const std::uint64_t wanted =
          row.at("policy") == "lru" ? trace.misses<kvstrata::lru>(size) : trace.misses<kvstrata::fifo>(size);
      CHECK(row.at("misses") == std::to_string(wanted));
      CHECK(std::stod(row.at("miss_ratio")) == Approx(static_cast<double>(wanted) / 4000).margin(1e-6));
    }
    CHECK(rows[0].at("capacity") == "10");  // ascending
    CHECK(contains(o.out, "sample.csv: 4,000 requests of "));
    CHECK(contains(o.out, "hit ratio, %"));
  }
  SECTION("bytes")
  {
    const outcome o = sim_with({"--trace", trace.path, "--policies", "lru", "--sizes", "bytes", "--capacities",
                                "5KB,20KB", "--csv", here.path("o.csv")});
    INFO(o.err);
    REQUIRE(o.code == 0);
    const auto rows = rows_of(here.read("o.csv"));
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].at("misses") == std::to_string(trace.misses<kvstrata::lru, object_size::fixed>(5'000)));
    CHECK(rows[1].at("misses") == std::to_string(trace.misses<kvstrata::lru, object_size::fixed>(20'000)));
    CHECK(contains(o.out, "bytes hit, %"));
  }
  SECTION("a warm-up and intervals")
  {
    const outcome o = sim_with({"--trace", trace.path, "--policies", "lru", "--capacities", "20", "--warmup", "25%",
                                "--interval", "1000", "--csv", here.path("o.csv"), "--series", here.path("s.csv")});
    INFO(o.err);
    REQUIRE(o.code == 0);
    const auto rows = rows_of(here.read("o.csv"));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].at("requests") == "3000");
    CHECK(rows[0].at("misses") == std::to_string(trace.misses<kvstrata::lru>(20, 1000)));
    const auto series = rows_of(here.read("s.csv"));
    REQUIRE(series.size() == 3);
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t from = 1000 + 1000 * k;
      CHECK(series[k].at("first_request") == std::to_string(from));
      const double wanted = static_cast<double>(trace.misses<kvstrata::lru>(20, from, from + 1000)) / 1000;
      CHECK(std::stod(series[k].at("miss_ratio")) == Approx(wanted));
    }
  }
  SECTION("a column that is chosen, an interval of time, and an admission policy")
  {
    const outcome o =
        sim_with({"--trace", trace.path, "--columns", "1,2,", "--policies", "lru", "--capacities", "20", "--admission",
                  "always,second_use", "--interval", "20min", "--json", here.path("o.json")});
    INFO(o.err);
    REQUIRE(o.code == 0);
    const auto json = nlohmann::json::parse(here.read("o.json"));
    const auto& told = json.at("traces").at(0);
    CHECK_FALSE(told.at("sized").get<bool>());
    CHECK(told.at("intervals").size() == 4);  // 4,000 seconds
    REQUIRE(told.at("curves").size() == 2);
    CHECK(told.at("curves").at(0).at("points").at(0).at("misses") == trace.misses<kvstrata::lru>(20));
    CHECK(told.at("curves").at(1).at("name") == "lru + second_use");
    CHECK(told.at("curves").at(1).at("points").at(0).at("bypassed") != 0);
  }
}

TEST_CASE("every policy runs on the workload that ships, and none beats Belady", "[sim]")
{
  const scratch here;
  const outcome o = sim_with({"--users", "300", "--days", "5", "--capacities", "2%,20%", "--html", here.path("o.html"),
                              "--json", here.path("o.json"), "--svg", here.path("o.svg")});
  INFO(o.err);
  REQUIRE(o.code == 0);
  const auto json = nlohmann::json::parse(here.read("o.json"));
  const auto& curves = json.at("traces").at(0).at("curves");
  CHECK(curves.size() == sim::menu().entries().size());
  std::vector<double> best;
  for (const auto& c : curves) {
    if (!c.at("knows_future").get<bool>()) continue;
    for (const auto& p : c.at("points")) best.push_back(p.at("miss_ratio").get<double>());
  }
  REQUIRE(best.size() == 2);
  for (const auto& c : curves) {
    INFO(c.at("name"));
    for (std::size_t k = 0; k < 2; ++k) CHECK(c.at("points").at(k).at("miss_ratio").get<double>() >= best[k]);
  }

  const std::string page = here.read("o.html");
  CHECK(contains(page, "<!doctype html>"));
  CHECK(contains(page, "on synthetic</h1>"));
  CHECK_FALSE(contains(page, "{{"));
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = page.find(begin);
  REQUIRE(from != std::string::npos);
  const std::size_t first = from + begin.size();
  CHECK(nlohmann::json::parse(page.substr(first, page.find("</script>", first) - first))
            .at("traces")
            .at(0)
            .at("curves") == curves);
  for (const char* const outside : {"src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest"}) {
    INFO(outside);
    CHECK_FALSE(contains(page, outside));
  }
  for (std::size_t at = page.find("://"); at != std::string::npos; at = page.find("://", at + 1)) {
    CHECK(page.substr(at - 4, 26) == "http://www.w3.org/2000/svg");
  }
  CHECK(contains(here.read("o.svg"), "<svg"));
}

TEST_CASE("what a trace is called cannot break the page", "[sim]")
{
  const scratch here;
  const std::string path = here.write("<b>&quot;.csv", "1,2\n2,2\n");
  const outcome o =
      sim_with({"--trace", path, "--policies", "lru", "--capacities", "1", "--html", here.path("o.html")});
  INFO(o.err);
  REQUIRE(o.code == 0);
  CHECK_FALSE(contains(here.read("o.html"), "<b>"));
}

TEST_CASE("a name that is no UTF-8 gives valid HTML, SVG and JSON, and moves no terminal", "[sim]")
{
  const scratch here;
  const std::string path = here.write("a\xff\x1b[2J\xc3\xa4.csv", "1,2\n2,2\n");
  const outcome o = sim_with({"--trace", path, "--policies", "lru", "--capacities", "1", "--html", here.path("o.html"),
                              "--svg", here.path("o.svg"), "--json", here.path("o.json")});
  INFO(o.err);
  REQUIRE(o.code == 0);
  for (const std::string& text : {o.out, here.read("o.html"), here.read("o.svg"), here.read("o.json")}) {
    CHECK(contains(text, "a\xef\xbf\xbd\xef\xbf\xbd[2J\xc3\xa4.csv"));
    CHECK_FALSE(contains(text, "\xff"));
    CHECK_FALSE(contains(text, "\x1b"));
  }
  CHECK(nlohmann::json::parse(here.read("o.json")).at("traces").size() == 1);
  const outcome bad = sim_with({"--trace", here.write("b\x1b[2J.csv", "1,2\n2,x\x07\n"), "--policies", "lru"});
  CHECK(bad.code == 1);
  CHECK(contains(bad.err, "b\\x1b[2J.csv:2: the id is \"x\\x07\""));
}

TEST_CASE("a sample states its error and comes close", "[sim]")
{
  const scratch here;
  const std::vector<std::string> common{"--users", "4000", "--policies", "lru,s3_fifo", "--capacities", "5%,20%"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), common.begin(), common.end());
    more.insert(more.end(), {"--csv", here.path("o.csv")});
    const outcome o = sim_with(more);
    INFO(o.err);
    REQUIRE(o.code == 0);
    return std::pair(o.out, rows_of(here.read("o.csv")));
  };
  const auto whole = with({});
  const auto sampled = with({"--sample", "0.2"});
  CHECK(contains(sampled.first, "standard error up to"));
  REQUIRE(sampled.second.size() == whole.second.size());
  for (std::size_t k = 0; k < whole.second.size(); ++k) {
    const double error = std::stod(sampled.second[k].at("error"));
    CHECK(error > 0);
    CHECK(std::stod(whole.second[k].at("error")) == 0);
    const double apart = std::stod(sampled.second[k].at("miss_ratio")) - std::stod(whole.second[k].at("miss_ratio"));
    CHECK(std::abs(apart) < 4 * error);
    CHECK(sampled.second[k].at("capacity") == whole.second[k].at("capacity"));
    CHECK(sampled.second[k].at("requests") == whole.second[k].at("requests"));
  }
}

TEST_CASE("with a machine misses are weighed by what they cost", "[sim]")
{
  const scratch here;
  const std::string machine = (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string();
  const outcome o = sim_with({"--users", "200", "--policies", "lru,gdsf", "--sizes", "growing", "--capacities", "10%",
                              "--machine", machine, "--csv", here.path("o.csv")});
  INFO(o.err);
  REQUIRE(o.code == 0);
  CHECK(contains(o.out, "waiting saved, %"));
  for (const auto& row : rows_of(here.read("o.csv"))) {
    CHECK(std::stod(row.at("seconds")) > std::stod(row.at("missed_seconds")));
    CHECK(std::stod(row.at("missed_seconds")) > 0);
  }
}

TEST_CASE("sizes and stretches are read as people write them", "[sim]")
{
  using sim::capacity;
  CHECK(sim::read_capacity("x", "1000").in == capacity::unit::objects);
  CHECK(sim::read_capacity("x", "5%").in == capacity::unit::percent);
  CHECK(sim::read_capacity("x", "0.5 %").amount == 0.5);
  CHECK(sim::read_capacity("x", "64MiB").amount == 64.0 * 1024 * 1024);
  CHECK(sim::read_capacity("x", "1.5GB").amount == 1.5e9);
  CHECK(sim::read_bytes("x", "16384") == 16384);
  CHECK(sim::read_bytes("x", "2KiB") == 2048);
  CHECK(sim::read_stretch("x", "10000").requests == 10000);
  CHECK(sim::read_stretch("x", "1.5h").ms == 5'400'000);
  for (const char* const text : {"", "%", "nan", "inf", "1e400", "5%%", "5kb", "1e30"}) {
    INFO(text);
    CHECK_THROWS_AS(sim::read_capacity("x", text), kvstrata::config_error);
    CHECK_THROWS_AS(sim::read_bytes("x", text), kvstrata::config_error);
    CHECK_THROWS_AS(sim::read_stretch("x", text), kvstrata::config_error);
  }
  const kvstrata::footprint f{.requests = 10, .objects = 1000, .bytes = 50'000, .smallest_bytes = 10};
  using kvstrata::object_size;
  CHECK(sim::size_of(sim::read_capacity("x", "5%"), f, object_size::unit).bytes == 50);
  CHECK(sim::size_of(sim::read_capacity("x", "5%"), f, object_size::fixed).bytes == 2500);
  CHECK(sim::size_of(sim::read_capacity("x", "5%"), f, object_size::fixed).objects == 250);
  CHECK(sim::size_of(sim::read_capacity("x", "0.0001%"), f, object_size::unit).bytes == 1);
  CHECK(sim::size_of(sim::read_capacity("x", "1MB"), f, object_size::growing).objects == 1000);
}
