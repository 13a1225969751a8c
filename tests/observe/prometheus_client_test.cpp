// Both formats, read by prometheus_client, the Python library: the same samples as our own reader finds.
// KVSTRATA_PROMETHEUS_PYTHON names a Python that has it; ./dev test fetches one.
#include "command_line/source_dir.hpp"
#include "observe/json_reader.hpp"
#include "observe/prometheus_reader.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache/prometheus.hpp>
#include <kvstrata/observe/prometheus.hpp>

#include <array>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::json_value;
using kvstrata_test::prometheus_reader;

/// Two caches with all that there is to say of them, and what is hard to write.
std::string exposition(metrics_format format)
{
  using words = std::array<std::uint64_t, sizeof(counters::snapshot) / sizeof(std::uint64_t)>;
  std::vector<labelled<counters::snapshot>> counts;
  std::vector<labelled<cache_stats>> states;
  for (std::uint64_t shard = 0; shard < 2; ++shard) {
    words w{};
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = 3 + 7 * i + shard;
    const prometheus_labels label{{"shard", std::to_string(shard)}};
    auto snapshot = std::bit_cast<counters::snapshot>(w);
    snapshot.levels = most_levels;
    counts.push_back({label, snapshot});
    cache_stats state;
    state.depth = 2;
    state.levels[0] = {.name = "slab", .capacity_bytes = 10 + shard};
    state.levels[1] = {.name = "a \"tier\" of mine", .capacity_bytes = 20 + shard};
    state.users = 12;
    states.push_back({label, state});
  }
  std::ostringstream out;
  prometheus_writer to(out, {{"cache", "a\"b\\c\nd\\n{,}= \xC3\xA4\xFF"}}, format);
  write_prometheus(to, counts);
  write_prometheus(to, states);
  to.gauge("odd", "A \"help\", with \\n and \n and \xFF.", 0.1, {{"v", "fraction"}, {"empty", ""}});
  to.gauge("odd", "", std::numeric_limits<double>::infinity(), {{"v", "inf"}});
  to.gauge("odd", "", 5e-324, {{"v", "tiny"}});
  to.counter("a:b", "Of the largest count.", (std::numeric_limits<std::uint64_t>::max)());
  to.finish();
  return out.str();
}

std::string quoted(const std::string& path) { return "'" + path + "'"; }

using line = std::tuple<std::string, std::map<std::string, std::string>, double>;  // name, labels, value

}  // namespace

TEST_CASE("prometheus_client reads what we write")
{
  const char* const python = std::getenv("KVSTRATA_PROMETHEUS_PYTHON");
  if (python == nullptr || *python == '\0') {
    const char* const why = std::getenv("KVSTRATA_NO_PROMETHEUS");
    SKIP_TEST(why != nullptr ? why : "KVSTRATA_PROMETHEUS_PYTHON names no Python that has prometheus_client");
  }
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("kvstrata_prometheus_" + std::to_string(std::random_device{}()));
  std::filesystem::create_directories(folder);
  std::string command = quoted(python) + " " + quoted((tools::source_dir() / "tests/observe/read_metrics.py").string());
  const metrics_format formats[] = {metrics_format::prometheus_text, metrics_format::open_metrics};
  for (const metrics_format format : formats) {
    const std::string name = format == metrics_format::open_metrics ? "open_metrics" : "text";
    std::ofstream(folder / name, std::ios::binary) << exposition(format);
    command += " " + name + " " + quoted((folder / name).string());
  }
  REQUIRE(std::system((command + " > " + quoted((folder / "read.json").string())).c_str()) == 0);
  std::ostringstream text;
  text << std::ifstream(folder / "read.json").rdbuf();
  std::filesystem::remove_all(folder);
  const json_value files = kvstrata_test::json_reader::read(text.str());

  REQUIRE(files.items.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const bool open = formats[i] == metrics_format::open_metrics;
    const prometheus_reader mine(exposition(formats[i]), open);
    std::multiset<line> ours;
    std::multiset<line> theirs;
    std::map<std::string, std::pair<std::string, std::string>> heads;  // of samples: type and help
    for (const auto& [family, all] : mine.families) {
      for (const auto& s : all.samples) {
        ours.emplace(s.name, s.labels, s.number());
        heads[s.name] = {all.type, all.help};
      }
    }
    for (const json_value& s : files.items[i].items) {
      std::map<std::string, std::string> labels;
      for (const auto& [name, value] : s.items[4].members) labels[name] = value.text;
      theirs.emplace(s.items[3].text, labels, std::strtod(s.items[5].text.c_str(), nullptr));
      REQUIRE(heads.contains(s.items[3].text));
      REQUIRE(heads[s.items[3].text] == std::pair(s.items[1].text, s.items[2].text));
    }
    REQUIRE(ours.size() > 300);
    REQUIRE(ours == theirs);
  }
}
