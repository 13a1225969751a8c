// What the benchmarks on a GPU say and how they are told to: samples, reports, the command line.
#include "../bench/cuda/support/report.hpp"
#include "../bench/cuda/support/figures.hpp"
#include "../bench/cuda/support/options.hpp"
#include "support/catch.hpp"

#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace bench;

struct parsed
{
  std::optional<int> code;
  std::string out, err;
  common_options all;
  std::vector<unsigned> list{7};
};

parsed parse(std::vector<const char*> words)
{
  parsed p;
  option_list options("some_bench", "what it measures");
  options.add(p.all);
  options.numbers("--pages", "tokens a page", p.list, 1, 100);
  words.insert(words.begin(), "some_bench");
  std::ostringstream out, err;
  p.code = options.parse(static_cast<int>(words.size()), words.data(), out, err);
  p.out = out.str();
  p.err = err.str();
  return p;
}

report sample_report(std::string caveat)
{
  report r{.program = "a \"b\"", .caveat = std::move(caveat), .facts = {{"GPU", "x|y"}}, .tables = {}, .records = {}};
  r.tables.push_back(
      {.title = "T", .columns = {"what", "us"}, .rows = {{"a|b", "1.5"}, {"longer", "12.5"}}, .foot = "F", .left = 1});
  r.records.emplace_back()
      .add("kind", "k")
      .add("yes", true)
      .add("x", 0.5)
      .add("far", std::numeric_limits<double>::infinity())
      .add("s", spread{1, 2, 3});
  return r;
}

template <class Write>
std::string written(const report& r, Write&& write)
{
  std::ostringstream out;
  write(out, r);
  return out.str();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a sample leaves out the warm-ups and stops at rounds, time or the most", "[bench]")
{
  double next = 100;
  const auto run = [&next] { return next++; };
  const spread s = sample({.warm_ups = 2, .rounds = 3, .most = 9, .seconds = 0}, run);
  CHECK(s.low == 102);
  CHECK(s.median == 103);
  CHECK(s.high == 104);
  next = 0;
  static_cast<void>(sample({.warm_ups = 0, .rounds = 1, .most = 9, .seconds = 5.5}, run));
  CHECK(next == 4);  // 0 + 1 + 2 + 3 seconds are used up
  next = 0;
  static_cast<void>(sample({.warm_ups = 1, .rounds = 1, .most = 4, .seconds = 1e9}, run));
  CHECK(next == 5);
}

TEST_CASE("pairs are timed in turn, the ceiling first, and their ratio is ceiling over subject", "[bench]")
{
  std::string order;
  const paired_seconds p = sample_pairs(
      {.warm_ups = 1, .rounds = 2, .most = 2, .seconds = 0},
      [&] {
        order += 's';
        return 4.0;
      },
      [&] {
        order += 'c';
        return 3.0;
      });
  CHECK(order == "cscscs");
  CHECK(p.ratio.median == 0.75);
  CHECK(p.subject.median == 4);
  CHECK(p.baseline.median == 3);
}

TEST_CASE("the longest time is the lowest rate", "[bench]")
{
  const spread r = rate_of(8, {2, 4, 8});
  CHECK(r.low == 1);
  CHECK(r.median == 2);
  CHECK(r.high == 4);
  CHECK(rate_of(8, {0, 0, 0}).median == 0);
  CHECK(width_of({1, 2, 4}) == 1.5);
}

TEST_CASE("a report is aligned text", "[bench]")
{
  CHECK(written(sample_report(""), write_text) ==
        "a \"b\"\n  GPU: x|y\n\nT\nwhat      us\na|b      1.5\nlonger  12.5\nF\n");
}

TEST_CASE("a report is Markdown", "[bench]")
{
  CHECK(written(sample_report(""), write_markdown) ==
        "# a \"b\"\n\n- GPU: x|y\n\n## T\n\n| what | us |\n| --- | ---: |\n| a\\|b | 1.5 |\n| longer | 12.5 |\n\nF\n");
}

TEST_CASE("a report is JSON, and what is no number is null", "[bench]")
{
  CHECK(written(sample_report(""), write_json) ==
        "{\n  \"program\": \"a \\\"b\\\"\",\n  \"measured\": true,\n  \"facts\": {\n    \"GPU\": \"x|y\"\n  },\n  "
        "\"records\": [\n"
        "    {\"kind\": \"k\", \"yes\": true, \"x\": 0.5, \"far\": null, \"s\": {\"low\": 1, \"median\": 2, \"high\": "
        "3}}\n  ]\n}\n");
}

TEST_CASE("what was not measured says so, everywhere", "[bench]")
{
  const report r = sample_report("emulated: not a measurement");
  const std::string text = written(r, write_text);
  CHECK(has(text, "a \"b\" [emulated: not a measurement]\n"));
  CHECK(has(text, "\nT [emulated: not a measurement]\n"));
  const std::string markdown = written(r, write_markdown);
  CHECK(has(markdown, "\n**emulated: not a measurement**\n"));
  CHECK(has(markdown, "## T [emulated: not a measurement]\n"));
  CHECK(has(written(r, write_json), "\"measured\": false,\n  \"caveat\": \"emulated: not a measurement\""));
}

TEST_CASE("options are read, with a space or an equals sign", "[bench]")
{
  const parsed p = parse({"--dry-run", "--json", "a.json", "--markdown=b.md", "--gpu", "3", "--rounds=9",
                          "--cell-seconds", "0.25", "--pages", "1,22,100"});
  CHECK_FALSE(p.code);
  CHECK(p.all.dry_run);
  CHECK_FALSE(p.all.tiny);
  CHECK(p.all.json == "a.json");
  CHECK(p.all.markdown == "b.md");
  CHECK(p.all.gpu == 3);
  CHECK(p.all.plan.rounds == 9);
  CHECK(p.all.plan.seconds == 0.25);
  CHECK(p.list == std::vector<unsigned>{1, 22, 100});
  CHECK(p.err.empty());
}

TEST_CASE("help names every option and ends with 0", "[bench]")
{
  const parsed p = parse({"--help", "--nonsense"});
  CHECK(p.code == 0);
  for (const char* name : {"--dry-run", "--tiny", "--json FILE", "--markdown FILE", "--gpu N", "--rounds N",
                           "--cell-seconds SECONDS", "--pages N,...", "what it measures"}) {
    CHECK(has(p.out, name));
  }
}

TEST_CASE("a wrong option is a sentence, code 2, and changes nothing", "[bench]")
{
  const struct
  {
    std::vector<const char*> words;
    const char* sentence;
  } cases[] = {
      {{"--pagse"}, "some_bench: there is no option '--pagse'. Try --help.\n"},
      {{"more"}, "some_bench: there is no option 'more'. Try --help.\n"},
      {{"--gpu"}, "some_bench: --gpu wants a value, N. Try --help.\n"},
      {{"--dry-run=1"}, "some_bench: --dry-run takes no value. Try --help.\n"},
      {{"--gpu=64"}, "some_bench: --gpu is '64', but it must be a whole number from 0 to 63. Try --help.\n"},
      {{"--gpu", "-1"}, "some_bench: --gpu is '-1', but it must be a whole number from 0 to 63. Try --help.\n"},
      {{"--rounds", "0"}, "some_bench: --rounds is '0', but it must be a whole number from 1 to 101. Try --help.\n"},
      {{"--json="}, "some_bench: --json is '', but it must not be empty. Try --help.\n"},
      {{"--cell-seconds", "nan"},
       "some_bench: --cell-seconds is 'nan', but it must be a number of seconds from 0 to 60. Try --help.\n"},
      {{"--pages", "1,,2"},
       "some_bench: --pages is '1,,2', but it must be whole numbers from 1 to 100 with commas between them. Try "
       "--help.\n"},
      {{"--pages", "1,"},
       "some_bench: --pages is '1,', but it must be whole numbers from 1 to 100 with commas between them. Try "
       "--help.\n"},
      {{"--pages", "4294967297"},
       "some_bench: --pages is '4294967297', but it must be whole numbers from 1 to 100 with commas between them. Try "
       "--help.\n"}};
  for (const auto& c : cases) {
    const parsed p = parse(c.words);
    CHECK(p.code == 2);
    CHECK(p.err == c.sentence);
    CHECK(p.out.empty());
    CHECK(p.list == std::vector<unsigned>{7});
    CHECK(p.all.gpu == 0);
    CHECK_FALSE(p.all.dry_run);
  }
}
