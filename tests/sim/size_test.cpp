// kvstrata-sim size: its command line, and sizes that one can reckon by hand.
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
  arguments.insert(arguments.begin(), "kvstrata-sim size");
  std::ostringstream out, err;
  const int code = sim::size_command(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string scratch(const char* name) { return (std::filesystem::temp_directory_path() / name).string(); }

nlohmann::json results_of(std::vector<const char*> arguments)
{
  const std::string path = scratch("kvstrata_size_test.json");
  arguments.push_back("--json");
  arguments.push_back(path.c_str());
  const said done = run(arguments);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  std::ifstream in(path);
  auto out = nlohmann::json::parse(in);
  std::remove(path.c_str());
  REQUIRE(out.size() == 1);
  return out[0];
}

/// Two layers of 64 bytes a token.
std::vector<const char*> with_shape(std::vector<const char*> more)
{
  std::vector<const char*> out{"--layers", "2", "--kv-heads", "1", "--head-dim", "16"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

TEST_CASE("the size command tells what it can do, and what is wrong with its arguments", "[sim][size]")
{
  const said help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(holds(help.out, "--lengths"));
  const auto refused = [](std::vector<const char*> arguments, const char* sentence) {
    const said s = run(std::move(arguments));
    CAPTURE(s.err);
    CHECK(s.code == 2);
    CHECK(holds(s.err, sentence));
  };
  const std::string machine = (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string();
  refused({}, "--layers is 0, but a shape takes --machine, or all of --layers, --kv-heads and --head-dim");
  refused({"--layers", "2", "--kv-heads", "1"}, "--head-dim is 0");
  refused({"--machine", machine.c_str(), "--layers", "2"}, "it says the shape: leave --layers");
  refused(with_shape({"--element", "f8"}), "--element is 'f8', but it must be f32");
  refused(with_shape({"--layout", "best"}), "--layout is 'best', but it must be hybrid, paged or contiguous");
  refused(with_shape({"--writes", "all"}), "--writes is 'all', but it must be token, page, chunk or back");
  refused(with_shape({"--lengths", "12,x3"}), "--lengths is 'x3', but it must be tokens, or tokens x users");
  refused(with_shape({"--lengths", "0"}), "--lengths is '0'");
  refused(with_shape({"--lengths", "12x"}), "--lengths is '12x'");
  refused(with_shape({"--lengths", "1x999999999999"}), "there may be at most 268435456 users");
  refused(with_shape({"--lengths", "5", "--trace", "x"}), "--trace is given, too");
  refused(with_shape({"--lengths", "5", "--shards", "0"}), "--shards is 0");
  refused(with_shape({"--lengths", "5", "--batch", "0"}), "--batch is 0");
  refused(with_shape({"--lengths", "5", "--page-tokens", "0"}), "--page-tokens is 0");
  refused(with_shape({"--lengths", "5", "--chunk", "33"}), "layout.chunk is 33");
  refused(with_shape({"--lengths", "50", "--layout", "contiguous", "--range", "32"}),
          "a history in tokens is 50, but the layout places at most 32");
  refused(with_shape({"--lengths", "5", "--event-tokens", "0"}), "--event-tokens is 0");
  CHECK(!holds(run({"--machine", "\033[31m"}).err, "\033"));  // no terminal is moved
  CHECK(!holds(run(with_shape({"--trace", "\033[31m"})).err, "\033"));
  CHECK(!holds(run({"\033[31m"}).err, "\033"));
  refused(with_shape({"--users", "-1"}), "--users: '-1' is not a whole number from 0 up");
  refused(with_shape({"--users", "0x10"}), "--users: '0x10' is not a whole number from 0 up");
  refused(with_shape({"--days", "a week"}), "--days: 'a week' is not a number");
  refused({"--machine", machine.c_str(), "--json", machine.c_str()}, "that is the file of --machine");
  const said absent = run({"--machine", "/nowhere/x.machine"});
  CHECK(absent.code == 1);
  CHECK(holds(absent.err, "/nowhere/x.machine: no such file"));
  CHECK(run({"--machine", "a\x1b[31mb"}).err == "error: a\\x1b[31mb: no such file\n");  // no terminal turns red
}

TEST_CASE("sizes of explicit lengths are those reckoned by hand", "[sim][size]")
{
  // A page of 4 tokens is 512 bytes. 36 tokens are nine pages, and in the arena ten, the last extent being of two.
  const auto r = results_of(with_shape({"--lengths", "36,5x3", "--page-tokens", "4", "--chunk", "16", "--batch", "2"}));
  CHECK(r["users"] == 4);
  CHECK(r["tokens"] == 51);
  REQUIRE(r["levels"].size() == 3);
  CHECK(r["levels"][0]["bytes"] == (9 + 3 * 2) * 512);
  CHECK(r["levels"][1]["bytes"] == (10 + 3 * 2) * 512);
  CHECK(r["levels"][2]["bytes"] == (9 + 3 * 2) * 512);
  CHECK(r["levels"][0]["users_per_gib"].get<double>() == Approx(4 * 0x1p30 / (15 * 512)));
  CHECK(r["books"]["entries"] == 64 * 88);
  CHECK(r["books"]["hot_records"] == 64 * 192);
  CHECK(r["page_table_bytes"] == 4 + (9 * 4 + 12) + (2 * 4 + 12));
  // Chunks of 16 tokens only: two of the long one, none of the others.
  const auto chunks =
      results_of(with_shape({"--lengths", "36,5x3", "--page-tokens", "4", "--chunk", "16", "--writes", "chunk"}));
  CHECK(chunks["levels"][1]["users"] == 1);
  CHECK(chunks["levels"][1]["pages"] == 8);
  const auto ranges = results_of(with_shape({"--lengths", "36,5x3", "--page-tokens", "4", "--layout", "contiguous"}));
  CHECK(ranges["levels"][0]["pages"] == 4 * 9);
  CHECK(ranges["levels"][1]["pages"] == 4 * 9);
  // Equal shares of the fullest shard.
  const auto shards =
      results_of(with_shape({"--lengths", "8x100", "--page-tokens", "4", "--layout", "paged", "--shards", "4"}));
  CHECK(shards["levels"][0]["pages"] > 200);
  CHECK(shards["levels"][0]["users"] == 100);
}

TEST_CASE("sizes of a trace are a row a level, and a text", "[sim][size]")
{
  const std::string csv = scratch("kvstrata_size_test.csv");
  const std::string machine = (tools::source_dir() / "tools/sim/machines/h200_pcie5.machine").string();
  const said done = run({"--machine", machine.c_str(), "--users", "50", "--csv", csv.c_str()});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  CHECK(holds(done.out, "synthetic: "));
  CHECK(run({"--machine", machine.c_str(), "--users", "50", "--seed", "1"}).out == done.out);
  CHECK(run({"--machine", machine.c_str(), "--users", "50", "--seed", "2"}).out != done.out);
  CHECK(holds(done.out, "8 layers x 4 heads x 128 bf16, pages of 32 tokens and 524,288 bytes"));
  CHECK(holds(done.out, "users/GiB"));
  std::ifstream in(csv);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "trace,level,users,tokens,pages,bytes,users_per_gib");
  CHECK(lines[1].substr(0, 15) == "synthetic,slab,");
  CHECK(lines[3].substr(0, 16) == "synthetic,store,");
  std::remove(csv.c_str());
}
