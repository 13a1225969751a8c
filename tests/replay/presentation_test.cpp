#include "replay/format.hpp"
#include "replay/json.hpp"
#include "replay/progress.hpp"
#include "replay/report.hpp"
#include "replay/sentences.hpp"
#include "replay/table.hpp"
#include "replay/traces.hpp"
#include "sample.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/span.hpp>
#include <kvstrata/observe/timeline.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

namespace {

using replay_test::sample_results;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::size_t occurrences(const std::string& text, const std::string& part)
{
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("numbers as people read them", "[format]")
{
  CHECK(replay::with_commas(0) == "0");
  CHECK(replay::with_commas(999) == "999");
  CHECK(replay::with_commas(1000) == "1,000");
  CHECK(replay::with_commas(1234567) == "1,234,567");
  CHECK(replay::short_number(9.999) == "10.0");
  CHECK(replay::short_number(99.97) == "100");
  CHECK(replay::seconds_text(0) == "0 s");
  CHECK(replay::seconds_text(12.34e-6) == "12.3 us");
  CHECK(replay::seconds_text(0.9999e-3) == "1.00 ms");
  CHECK(replay::seconds_text(2.5) == "2.50 s");
  CHECK(replay::bytes_text(1023) == "1023 B");
  CHECK(replay::bytes_text(1536) == "1.50 KiB");
  CHECK(replay::bytes_text(std::uint64_t{20} << 30) == "20.0 GiB");
  CHECK(replay::rate_text(1.23e10, "B") == "12.3 GB/s");
  CHECK(replay::percent(0.9845) == "98.5 %");
}

TEST_CASE("JSON keeps everything", "[json]")
{
  replay::results r = sample_results();
  CHECK(replay::from_json(replay::to_json(r)) == r);
  r.verified->mismatches = 3;
  r.verified->first = replay::score_difference{"mtserve_cache", 1, 2, 3, 0, 0.5, 0.25};
  r.cases[1].batch.reset();
  CHECK(replay::from_json(nlohmann::ordered_json::parse(replay::to_json(r).dump())) == r);
  r.verified.reset();
  r.cases.clear();
  CHECK(replay::from_json(replay::to_json(r)) == r);
}

TEST_CASE("JSON has the keys that its header promises", "[json]")
{
  const nlohmann::ordered_json j = replay::to_json(sample_results());
  CHECK(j.at("version") == replay::json_version);
  CHECK(j.at("cases").at(4).at("name") == "default_cache");
  const nlohmann::ordered_json& ours = j.at("cases").at(4);
  CHECK(ours.at("levels").at(1).at("name") == "arena");
  CHECK(ours.at("levels").at(1).at("dropped_tokens") == 4000);
  CHECK(ours.at("tokens").at("levels").size() == 2);
  CHECK(ours.at("tokens").at("levels").at(1) == sample_results().cases[4].tokens.served[1]);
  CHECK(j.at("cases").at(0).at("tokens").at("levels").empty());  // no cache, no levels
  CHECK(j.at("break_even").at("tokens").get<double>() == Approx(15));
  CHECK(j.at("verification").at("first").is_null());
}

TEST_CASE("JSON with more levels than a stack can have is refused", "[json]")
{
  nlohmann::ordered_json j = replay::to_json(sample_results());
  for (int i = 0; i < 9; ++i) j.at("cases").at(4).at("tokens").at("levels").push_back(1);
  CHECK_THROWS_AS(replay::from_json(j), kvstrata::config_error);
}

TEST_CASE("JSON of another version is refused", "[json]")
{
  nlohmann::ordered_json j = replay::to_json(sample_results());
  for (const int other : {replay::json_version - 1, replay::json_version + 1}) {
    j["version"] = other;
    CHECK_THROWS_AS(replay::from_json(j), kvstrata::config_error);
  }
}

TEST_CASE("text that is no UTF-8 does not lose a long run", "[json][report]")
{
  replay::results r = sample_results();
  r.workload.source = "trace\xff.tsv";
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "kvstrata_replay_test.json";
  replay::write_json(r, path.string());
  std::ifstream file(path);
  const auto j = nlohmann::ordered_json::parse(file);
  CHECK(contains(j.at("workload").at("source").get<std::string>(), ".tsv"));
  std::filesystem::remove(path);
  CHECK_FALSE(replay::report(r).empty());
}

TEST_CASE("a file that cannot be written is named", "[json][report]")
{
  try {
    replay::write_report(sample_results(), "/nowhere/at/all.html");
    FAIL("it was written");
  } catch (const kvstrata::data_error& e) {
    CHECK(contains(e.what(), "/nowhere/at/all.html"));
    CHECK(contains(e.what(), "cannot be written"));
  }
}

TEST_CASE("the table has every case and metric, aligned, in 120 columns", "[table]")
{
  const replay::results r = sample_results();
  const std::string text = replay::table(r);
  std::istringstream lines(text);
  std::size_t rule = 0;
  for (std::string line; std::getline(lines, line);) {
    CHECK(line.size() <= 120);
    if (line.find_first_not_of('-') == std::string::npos) rule = line.size();
    else if (rule != 0) CHECK(line.size() == rule);  // every row ends where the rule ends
  }
  CHECK(rule != 0);
  for (const replay::metric& m : replay::metrics(r)) {
    CHECK(contains(text, m.name));
    REQUIRE(m.values.size() == r.cases.size());
    for (const std::string& value : m.values) CHECK(contains(text, value));
  }
  CHECK(contains(text, "default_cache"));
  CHECK(contains(text, "17,230"));
  const std::string all = replay::summary(r);
  CHECK(contains(all, "Break-even length"));
  CHECK(contains(all, "a CPU's figures"));
  CHECK(contains(all, "9,600 scores"));
  CHECK(contains(all, r.workload.notes[0]));
}

TEST_CASE("more cases than fit go into further blocks, each with all rows", "[table]")
{
  replay::results r = sample_results();
  for (std::size_t i = 5; i < 18; ++i) {
    r.cases.push_back(r.cases[i % 5]);
    r.cases.back().name = "case_" + std::to_string(i);
    r.cases.back().onload_calls = 700'000 + i;
    r.cases.back().recomputed_tokens = 0;  // so only the first block has something to say of it
  }
  const std::string text = replay::table(r);
  std::istringstream lines(text);
  std::size_t rule = 0;
  std::size_t blocks = 0;
  for (std::string line; std::getline(lines, line);) {
    CHECK(line.size() <= 112);
    if (line.empty()) rule = 0;
    else if (line.find_first_not_of('-') == std::string::npos) {
      rule = line.size();
      ++blocks;
    } else if (rule != 0) CHECK(line.size() == rule);
  }
  CHECK(blocks > 1);
  CHECK(occurrences(text, "recomputed tokens") == 1);
  CHECK(blocks < 6);
  for (const replay::metric& m : replay::metrics(r)) {
    const std::size_t shown = occurrences(text, "\n" + m.name + "  ");
    CHECK(shown <= blocks);
    CHECK(shown >= (m.rare ? 1 : blocks));
  }
  for (std::size_t i = 5; i < 18; ++i) {
    CHECK(occurrences(text, replay::with_commas(700'000 + i)) == 1);
    CHECK(occurrences(text, "case_" + std::to_string(i)) == 1);
  }
}

TEST_CASE("a row that has nothing to say is left out", "[table]")
{
  replay::results r = sample_results();
  CHECK(contains(replay::table(r), "recomputed tokens"));
  CHECK(contains(replay::table(r), "pieces up"));
  CHECK_FALSE(contains(replay::table(r), "pieces down"));  // as many as calls
  CHECK_FALSE(contains(replay::table(r), "prefetched tokens"));
  r.cases[4].recomputed_tokens = 0;
  r.cases[3].prefetched_tokens = 8'642;
  CHECK_FALSE(contains(replay::table(r), "recomputed tokens"));
  CHECK(contains(replay::table(r), "8,642"));
}

TEST_CASE("the table speaks of each level by its tier's name", "[table]")
{
  replay::results r = sample_results();
  r.cases[4].levels.push_back({"mapped_file", 1'357});
  r.cases[4].tokens.served[2] = r.cases[4].tokens.total();  // half of all, then
  const std::string text = replay::table(r);
  for (const char* row : {"tokens from slab", "tokens from arena", "tokens from mapped_file", "dropped from slab",
                          "dropped from arena", "dropped from mapped_file"}) {
    INFO(row);
    CHECK(occurrences(text, std::string("\n") + row + "  ") == 1);
  }
  CHECK(contains(text, "1,357"));
  CHECK(r.cases[4].tokens.level_share(2) == Approx(0.5));
  CHECK(contains(text, "50.0 %"));
  const std::string page = replay::report(r);
  CHECK(contains(page, "<i class=\"level2\"></i>mapped_file"));
  CHECK(replay::from_json(replay::to_json(r)) == r);
}

TEST_CASE("a table of one case and of none", "[table]")
{
  replay::results r = sample_results();
  r.cases.resize(1);
  CHECK(contains(replay::table(r), "no cache"));
  r.cases.clear();
  CHECK_NOTHROW(replay::summary(r));
  CHECK_NOTHROW(replay::report(r));
}

TEST_CASE("a difference is told in full", "[table]")
{
  replay::results r = sample_results();
  r.verified->mismatches = 1;
  r.verified->first = replay::score_difference{"default_cache", 77, 12, 3, 1, 0.5, 0.25};
  const std::string text = replay::summary(r);
  CHECK(contains(text, "VERIFICATION FAILED"));
  std::string flat = text;
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  flat = std::regex_replace(flat, std::regex(" +"), " ");
  CHECK(contains(flat, "default_cache, user 77, request 12, candidate 3, task 1: served 0.5, recomputed 0.25"));
  CHECK(contains(replay::report(r), "verdict failed"));
}

TEST_CASE("when fetching always wins the sentence says so", "[table]")
{
  CHECK(contains(replay::break_even_sentence({1e11, 1e10, 4, 256}), "at every length"));
  CHECK(contains(replay::break_even_sentence({}), "not measured"));
}

TEST_CASE("the report fetches nothing", "[report]")
{
  const std::string page = replay::report(sample_results());
  const std::regex outside(
      R"re((src|action|poster)\s*=|href\s*=(?!"#)|@import|url\((?!#)|fetch\(|XMLHttpRequest|<link|<img|<iframe)re");
  std::smatch found;
  CHECK_FALSE(std::regex_search(page, found, outside));
  // The name of SVG's namespace is the one address, and nothing loads it.
  CHECK(occurrences(page, "://") == occurrences(page, "http://www.w3.org/2000/svg"));
  CHECK_FALSE(contains(page, "{{"));
  CHECK(contains(page, "prefers-color-scheme"));
  CHECK(contains(page, "width=device-width"));
}

TEST_CASE("the report says everything without its script", "[report]")
{
  const replay::results r = sample_results();
  std::string page = replay::report(r);
  page.resize(page.find("<script"));
  for (const replay::metric& m : replay::metrics(r)) {
    for (const std::string& value : m.values) CHECK(contains(page, value));
  }
  for (const replay::setting& s : r.settings) CHECK(contains(page, replay::escape_html(s.meaning)));
  CHECK(contains(page, replay::escape_html(replay::break_even_sentence(r.balance))));
}

TEST_CASE("every case's batch has a section that the contents lead to", "[report]")
{
  replay::results r = sample_results();
  r.cases[3].batch.reset();
  std::string page = replay::report(r);
  page.resize(page.find("<script"));
  for (const char* section : {"cases", "where", "how_long", "against_capacity", "streams", "meaning", "settings",
                              "batch_none", "batch_device", "batch_synchronous", "batch_default"}) {
    INFO(section);
    CHECK(occurrences(page, std::string("href=\"#") + section + '"') == 1);
    CHECK(occurrences(page, std::string("id=\"") + section + '"') == 1);
  }
  CHECK_FALSE(contains(page, "batch_mtserve"));
  // Figures stand there without the script.
  const replay::timeline& t = *r.cases[4].batch;
  const std::string mine = page.substr(page.find("id=\"batch_default\""));
  CHECK(contains(mine, replay::seconds_text(t.exposed_seconds)));
  CHECK(contains(mine, replay::bytes_text(t.up.bytes) + " in 4 calls, 164 pieces"));
  CHECK(contains(mine, replay::bytes_text(t.down.bytes) + " in 12 calls<"));
}

TEST_CASE("traces are joined: a process a case, all from 0 on", "[timeline]")
{
  const auto one = [](double begin) {
    kvstrata::timeline line;
    line.add_spans(
        std::vector<kvstrata::op_span>{{.stream_name = "onload", .label = "x", .begin = begin, .end = begin + 2}});
    std::ostringstream out;
    line.write(out);
    return out.str();
  };
  const auto j = nlohmann::ordered_json::parse(replay::join_traces({{"first \"one\"", one(5)}, {"second", one(7)}}));
  std::vector<std::string> names;
  std::vector<int> slices;
  for (const auto& e : j.at("traceEvents")) {
    if (e.at("name") == "process_name") names.push_back(e.at("args").at("name").get<std::string>());
    if (e.at("ph") != "X") continue;
    slices.push_back(e.at("pid").get<int>());
    CHECK(e.at("ts").get<double>() == Approx(0));
    CHECK(e.at("dur").get<double>() == Approx(2e6));
  }
  CHECK(names == std::vector<std::string>{"first \"one\"", "second"});
  CHECK(slices == std::vector<int>{1, 2});
  CHECK_THROWS(replay::join_traces({{"none", "no json"}}));
}

TEST_CASE("names from outside cannot break out of the report", "[report]")
{
  replay::results r = sample_results();
  const std::string attack = "</script><script>alert('{{data}}')</script><img onerror=\"x\">&";
  r.machine.cpu = attack;
  r.workload.source = attack;
  r.workload.notes.push_back(attack);
  r.cases[2].name = attack;
  r.cases[2].description = attack;
  r.cases[2].batch->spans[0].label = attack;
  r.settings[0].value = attack;
  const std::string page = replay::report(r);
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(page, "<img"));
  CHECK(occurrences(page, "</script>") == 2);
  CHECK(contains(page, replay::escape_html(attack)));
  // What the script reads is what was measured.
  const std::string open = R"(<script type="application/json" id="data">)";
  const std::size_t from = page.find(open) + open.size();
  const auto j = nlohmann::ordered_json::parse(page.substr(from, page.find("</script>", from) - from));
  CHECK(replay::from_json(j) == r);
}

TEST_CASE("progress in a pipe is plain lines, and none at all when silent", "[progress]")
{
  std::ostringstream lines;
  {
    replay::progress p(lines, replay::progress::kind::lines);
    p.start("default_cache", 3);
    p.advance(2);
    p.advance(5);
    p.finish("97 % hit");
    p.advance();
  }
  CHECK(contains(lines.str(), "default_cache"));
  CHECK(contains(lines.str(), "3/3"));
  CHECK(contains(lines.str(), "97 % hit"));
  CHECK_FALSE(contains(lines.str(), "\r"));
  CHECK(occurrences(lines.str(), "\n") == 1);

  std::ostringstream silent;
  replay::progress quiet(silent, replay::progress::kind::silent);
  quiet.start("x", 1);
  quiet.finish();
  CHECK(silent.str().empty());

  std::ostringstream bar;
  replay::progress drawn(bar, replay::progress::kind::bar);
  drawn.start("x", 2);
  drawn.advance(2);
  drawn.finish();
  CHECK(contains(bar.str(), "\r"));
  CHECK(contains(bar.str(), "[##############################] 2/2"));
}
