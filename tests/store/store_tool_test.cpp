// kvstrata-store on stores that the test makes, and damages.
#include "command_line/source_dir.hpp"
#include "store/command.hpp"

#include "support/catch.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace kvstrata;
using D = emulated_device;
using drive = nvme_file<>::on<D>;

namespace {

struct said
{
  int code = 0;
  std::string out;
  std::string err;
};

said run(const std::vector<std::string>& arguments)
{
  std::vector<const char*> all{"kvstrata-store"};
  for (const std::string& a : arguments) all.push_back(a.c_str());
  std::ostringstream out, err;
  const int code = store_tool::command(static_cast<int>(all.size()), all.data(), out, err);
  return {code, out.str(), err.str()};
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string bytes_of(const std::string& path)
{
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void flip(const std::string& path, std::uint64_t at)
{
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int was = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(was ^ 1));
}
std::uint64_t lines_of(const std::string& text)
{
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

constexpr std::uint64_t region = 1 << 15;

/// A store of small regions. Records of ids have one body block a layer.
struct bed
{
  kvstrata_test::scratch_files folder;
  nvme_file_config config{
      .paths = {folder.path("kv")}, .bytes = 64 * region, .region_bytes = region, .chunk_bytes = 4096, .layers = 2};
  D device{{.time = time_mode::virtual_time}};
  std::optional<drive> store;
  std::optional<kvstrata_test::store_bed<drive, D>> records;

  void open(const nvme_file_config& c)
  {
    records.reset();
    store.reset();
    store.emplace(device, c);
    records.emplace(device, *store);
  }
  void close()
  {
    records.reset();
    store.reset();
  }
  /// Sequences 1 to `count` of one record each; each fourth erased, each fifth begun again, which erases its first life.
  void fill(std::uint64_t count)
  {
    open(config);
    for (std::uint64_t id = 1; id <= count; ++id) {
      REQUIRE(records->keep(0, id, 10, {0, 6}));
      if (id % 4 == 0) store->erase({.id = id});
      if (id % 5 == 0) REQUIRE(records->keep(0, id, 11, {0, 7}));
    }
    const auto flushed = store->flush();
    REQUIRE(flushed);
    REQUIRE(records->wait(*flushed).done());
  }
  [[nodiscard]] bool has(std::uint64_t id, std::uint64_t life, token_interval tokens)
  {
    const auto found = records->find(id);
    if (!found || found->tokens != tokens || to_number(found->incarnation) != life) return false;
    const auto got = records->get(100, id, *found, tokens);
    REQUIRE(got);
    return records->wait(*got).done() && records->shows(100, id, life, tokens);
  }
  [[nodiscard]] const std::string& path() const { return config.paths.front(); }
};

nlohmann::json json_of(std::vector<std::string> arguments, int code = 0)
{
  arguments.emplace_back("--json");
  const said s = run(arguments);
  CAPTURE(s.out, s.err);
  REQUIRE(s.code == code);
  return nlohmann::json::parse(s.out);
}

/// The bytes at which the records of a list begin.
std::vector<std::uint64_t> places_of(const nlohmann::json& listed)
{
  std::vector<std::uint64_t> out;
  for (const auto& r : listed["list"]) {
    out.push_back(r["region"].get<std::uint64_t>() * listed["region_bytes"].get<std::uint64_t>() +
                  r["block"].get<std::uint64_t>() * 4096);
  }
  return out;
}

}  // namespace

TEST_CASE("a store's tool says what it can do, and what is wrong with its arguments", "[store]")
{
  const said help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(holds(help.out, "--compact"));
  bed b;
  b.fill(3);
  b.close();
  const auto refused = [](int code, const std::vector<std::string>& arguments, const std::string& sentence) {
    const said s = run(arguments);
    CAPTURE(s.err, sentence);
    CHECK(s.code == code);
    CHECK(holds(s.err, sentence));
    CHECK(s.out.empty());
  };
  refused(2, {}, "FILE is required");
  refused(2, {"--limit", "3", b.path()}, "--limit is 3, but it says how many --list lists: add it");
  refused(2, {"--bytes", "3", b.path()}, "--bytes is 3, but it is the size of what --compact makes: add it");
  refused(2, {"--list", "--limit", "x", b.path()}, "'x' is not a whole number");
  refused(2, {"--compact", b.path(), b.path()}, "--compact is '" + b.path() + "', but that is the file of FILE");
  const std::string other = (tools::source_dir() / "README.md").string();
  refused(2, {"--compact", other, b.path()}, "that is there: name a file that is not");
  refused(2, {"--compact", b.folder.path("new"), "--bytes", "4096", b.path()}, "the records need a file of");
  refused(1, {"--compact", b.folder.path("not/there"), b.path()}, "cannot be written");
  refused(1, {b.folder.path("nothing")}, b.folder.path("nothing") + ": no such file");
  refused(1, {b.folder.path("")}, "that is a folder, not the file of a store");
  refused(1, {"/dev/null"}, "that is neither a file nor a block device");
  refused(1, {other}, "README.md: it begins with no superblock of kvstrata");
  std::ofstream(b.folder.path("short")) << "kv";
  refused(1, {b.folder.path("short")}, "it has 2 bytes, so that it is no store");
  std::ofstream(b.folder.path("zeros")) << std::string(region, '\0');
  refused(1, {b.folder.path("zeros")}, "it begins with zeros: no store was made in it");
  refused(1, {b.path(), b.path()}, "it is path 0 of its store, as '" + b.path() + "' is");
  std::filesystem::copy_file(b.path(), b.folder.path("later"));
  flip(b.folder.path("later"), 9);  // of the version
  flip(b.folder.path("later"), 4096 + 9);
  refused(1, {b.folder.path("later")}, "another version (258, this program knows 2 to 4)");
  CHECK_FALSE(std::filesystem::exists(b.folder.path("new")));
}

TEST_CASE("what is shown of a store is what opening it finds, and nothing is written", "[store]")
{
  bed b;
  const bool striped = GENERATE(false, true);
  if (striped) b.config.paths = {b.folder.path("a"), b.folder.path("b"), b.folder.path("c")};
  b.fill(40);
  const said in_use = run({b.path()});
  CHECK(in_use.code == 1);
  CHECK(holds(in_use.err, "it is in use: a store has it open"));
  b.close();
  b.open(b.config);
  const auto figures = b.store->figures();
  b.close();

  std::vector<std::string> given(b.config.paths.rbegin(), b.config.paths.rend());
  std::vector<std::string> before;
  for (const std::string& path : given) before.push_back(bytes_of(path));
  const nlohmann::json shown = json_of(given);
  CHECK(shown["paths"] == b.config.paths);
  CHECK(shown["layers"] == 2);
  CHECK(shown["region_bytes"] == region);
  CHECK(shown["records"] == figures.records);
  CHECK(shown["records"] == 32);  // 30 sequences that were not erased, and two begun again after that
  CHECK(shown["sequences"] == 32);
  CHECK(shown["record_bytes"] == 32 * 3 * 4096);
  CHECK(shown["durable_order"] == figures.durable_order);
  CHECK(shown["recovery"]["erasures"].get<int>() >= 10);
  CHECK(shown["recovery"]["not_known_durable"] == 0);
  CHECK(shown["faults"] == 0);
  const auto& regions = shown["regions"];
  CHECK(regions["sealed"].get<int>() + regions["walked"].get<int>() + regions["ready"].get<int>() +
            regions["unused"].get<int>() + regions["superblocks"].get<int>() ==
        regions["all"].get<int>());
  CHECK(regions["all"] == (striped ? 192 : 64));

  given.insert(given.begin(), "--verify");
  const said verified = run(given);
  CAPTURE(verified.out, verified.err);
  CHECK(verified.code == 0);
  CHECK(holds(verified.out, "records: 32 of 32 sequences"));
  CHECK(holds(verified.out, "checked: 32 heads and 32 bodies"));
  CHECK(holds(verified.out, "faults: none"));
  given.front() = "--check";
  CHECK(run(given).code == 0);
  given.erase(given.begin());
  for (std::size_t i = 0; i < given.size(); ++i) CHECK(bytes_of(given[i]) == before[i]);
  if (!striped) return;
  const said missing = run({b.config.paths[0], b.config.paths[2]});
  CHECK(missing.code == 1);
  CHECK(holds(missing.err, "a store of 3 paths, of which 2 are given"));
}

TEST_CASE("records are listed, the oldest first", "[store]")
{
  bed b;
  b.fill(10);
  b.close();
  const said all = run({"--list", b.path()});
  CHECK(all.code == 0);
  CHECK(lines_of(all.out) == 1 + 8);
  CHECK(all.out.rfind("space,id,begin,end,order,durable,", 0) == 0);
  CHECK(holds(all.out, "\n0,1,0,6,1,yes,"));
  CHECK(holds(all.out, ",4,64,10,7,99\n"));
  const said some = run({"--list", "--limit", "2", b.path()});
  CHECK(lines_of(some.out) == 3);
  const nlohmann::json listed = json_of({"--list", "--limit", "8", b.path()});
  REQUIRE(listed["list"].size() == 8);
  CHECK(listed["list"][0]["id"] == 1);
  CHECK(listed["list"][0]["incarnation"] == 10);
  CHECK(listed["list"][0]["body_bytes"] == 8192);
  CHECK(listed["list"][7]["id"] == 10);
  CHECK(listed["list"][7]["incarnation"] == 11);
}

TEST_CASE("what is damaged is told, each by the look that sees it", "[store]")
{
  bed b;
  b.fill(40);
  b.close();
  b.open(b.config);  // what was open is sealed now
  b.close();
  const nlohmann::json listed = json_of({"--list", b.path()});
  const std::vector<std::uint64_t> places = places_of(listed);
  REQUIRE(listed["regions"]["walked"] == 0);
  const auto faults = [&b](const std::string& look) {
    std::vector<std::string> arguments{b.path()};
    if (!look.empty()) arguments.push_back(look);
    const said s = run(arguments);
    CHECK(s.code == (s.err.empty() ? 0 : 1));
    return s.err;
  };
  SECTION("a body, layer by layer")
  {
    const std::uint64_t layer = GENERATE(std::uint64_t{0}, std::uint64_t{1});
    flip(b.path(), places[7] + 4096 * (1 + layer) + GENERATE(std::uint64_t{0}, std::uint64_t{4095}));
    CHECK(faults("").empty());
    CHECK(faults("--check").empty());
    const std::string told = faults("--verify");
    CHECK(holds(told, "fault: the record of sequence 0:" + std::to_string(listed["list"][7]["id"].get<int>())));
    CHECK(holds(told, "has other bytes in layer " + std::to_string(layer) + " than were put there.\n"));
    CHECK(lines_of(told) == 1);
  }
  SECTION("a record's head")
  {
    flip(b.path(), places[3] + static_cast<std::uint64_t>(GENERATE(0, 20, 1000, 4095)));
    CHECK(faults("").empty());
    CHECK(holds(faults("--check"), "has no head, or a damaged one"));
    CHECK(holds(faults("--verify"), "has no head, or a damaged one"));
  }
  SECTION("a table")
  {
    const std::uint64_t first = listed["list"][0]["region"].get<std::uint64_t>();
    flip(b.path(), (first + 1) * region - GENERATE(std::uint64_t{4093}, std::uint64_t{20}));  // a row, the foot
    const nlohmann::json shown = json_of({b.path()}, 1);
    CHECK(shown["records"] == listed["records"]);
    CHECK(shown["regions"]["walked"] == 1);
    CHECK(holds(faults(""), "the table of region " + std::to_string(first) + " is damaged"));
  }
  SECTION("a region's head")
  {
    const std::uint64_t first = listed["list"][0]["region"].get<std::uint64_t>();
    flip(b.path(), first * region + GENERATE(std::uint64_t{0}, std::uint64_t{2000}));
    const nlohmann::json shown = json_of({b.path()}, 1);
    CHECK(shown["regions"]["damaged"] == 1);
    CHECK(shown["records"] < listed["records"]);
    CHECK(holds(faults(""), "the head of region " + std::to_string(first) + ", which is full, is damaged"));
  }
  SECTION("a superblock, or its copy")
  {
    const bool copy = GENERATE(false, true);
    flip(b.path(), copy ? 4096 + 100 : 100);
    CHECK(holds(faults(""), copy ? "in place of its superblock's copy there is a superblock with a wrong checksum"
                                 : "begins with a superblock with a wrong checksum; its copy is whole"));
    CHECK(json_of({b.path()}, 1)["records"] == listed["records"]);
  }
  SECTION("a file that was cut")
  {
    std::filesystem::resize_file(b.path(), 48 * region);
    CHECK(holds(faults(""), "has been cut: it has 1572864 bytes of 2097152"));
  }
}

TEST_CASE("what a crash tore is no fault: opening the store drops it", "[store]")
{
  bed b;
  b.config.region_bytes = 8 * region;  // that none is full, and sealed, which flushes
  b.fill(3);
  REQUIRE(b.records->keep(0, 1, 10, {4, 9}));
  REQUIRE(b.records->keep(0, 9, 10, {0, 6}));
  const std::string copy = b.folder.path("copy");
  std::filesystem::copy_file(b.path(), copy);  // as after a kill: nothing was flushed since
  b.close();
  const nlohmann::json before = json_of({"--verify", "--list", copy});
  CHECK(before["recovery"]["not_known_durable"] == 2);
  CHECK(before["checked"]["torn"] == 0);
  REQUIRE(before["list"].back()["id"] == 9);
  CHECK(before["list"].back()["durable"] == false);
  flip(copy, places_of(before).back() + 4096);
  const nlohmann::json after = json_of({"--verify", copy});
  CHECK(after["checked"]["torn"] == 1);
  CHECK(after["records"].get<int>() == before["records"].get<int>() - 1);
  CHECK(holds(run({"--verify", copy}).out, "2 are looked at first, since a crash may have torn them: 1 torn"));
  b.config.paths = {copy};
  b.open(b.config);
  CHECK(b.store->figures().recovery.torn == 1);
  CHECK(b.store->figures().records == after["records"].get<std::uint64_t>());
}

TEST_CASE("of a put that is not durable all is there or nothing", "[store]")
{
  bed b;
  b.config.region_bytes = 8 * region;
  b.fill(1);
  REQUIRE(b.records->keep(0, 2, 10, {0, 600}));  // three records
  const std::string copy = b.folder.path("copy");
  std::filesystem::copy_file(b.path(), copy);
  b.close();
  const nlohmann::json before = json_of({"--verify", "--list", copy});
  REQUIRE(before["records"] == 4);
  CHECK(before["checked"]["torn"] == 0);
  flip(copy, places_of(before)[2] + 4096);
  const nlohmann::json after = json_of({"--verify", copy});
  CHECK(after["checked"]["torn"] == 3);
  CHECK(after["records"] == 1);
  b.config.paths = {copy};
  b.open(b.config);
  CHECK(b.store->figures().records == 1);
}

TEST_CASE("a compacted store has the same records in a file of its own", "[store]")
{
  bed b;
  if (GENERATE(false, true)) b.config.paths = {b.folder.path("one"), b.folder.path("two")};
  b.fill(40);
  REQUIRE(b.records->keep(0, 1, 10, {4, 12}));
  b.close();
  const std::string made = b.folder.path("made");
  std::vector<std::string> arguments = b.config.paths;
  const nlohmann::json before = json_of(arguments);
  arguments.insert(arguments.begin(), {"--compact", made});
  const nlohmann::json done = json_of(arguments);
  CHECK(done["compacted"]["records"] == before["records"]);
  CHECK(done["compacted"]["bytes"] == std::filesystem::file_size(made));
  const said again = run(arguments);
  CHECK(again.code == 2);
  const nlohmann::json after = json_of({"--verify", made});
  CHECK(after["records"] == before["records"]);
  CHECK(after["record_bytes"] == before["record_bytes"]);
  CHECK(after["recovery"]["outdated"] == 0);
  CHECK(after["store"] != before["store"]);

  nvme_file_config config = b.config;
  config.paths = {made};
  config.bytes = 0;
  b.open(config);
  CHECK(b.store->figures().records == before["records"].get<std::uint64_t>());
  for (std::uint64_t id = 1; id <= 40; ++id) {
    CAPTURE(id);
    if (id % 5 == 0) CHECK(b.has(id, 11, {0, 7}));
    else if (id % 4 == 0) CHECK_FALSE(b.has(id, 10, {0, 6}));
    else CHECK(b.has(id, 10, {0, id == 1 ? 12U : 6U}));
  }
}

TEST_CASE("compacting leaves out what is damaged, and says so", "[store]")
{
  bed b;
  b.fill(10);
  b.close();
  flip(b.path(), places_of(json_of({"--list", b.path()}))[0] + 4096);
  const std::string made = b.folder.path("made");
  const std::uint64_t bytes = 20 * region - 5;
  const said s = run({"--compact", made, "--bytes", std::to_string(bytes), b.path()});
  CHECK(s.code == 1);
  CHECK(holds(s.err, "the record of sequence 0:1, tokens 0 to 6,"));
  CHECK(holds(s.out, "compacted: 7 records into " + made));
  CHECK(std::filesystem::file_size(made) == 20 * region);
  CHECK(json_of({"--verify", made})["records"] == 7);
  using files = std::filesystem::directory_iterator;
  CHECK(std::distance(files(b.folder.path("")), files{}) == 2);
}
