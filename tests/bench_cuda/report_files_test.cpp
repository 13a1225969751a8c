// Where the benchmarks on a GPU write their reports: what a program that is stopped leaves behind.
#include "../bench/cuda/support/report_files.hpp"
#include "simulate/scratch.hpp"
#include "support/catch.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

using namespace bench;
using kvstrata_test::scratch_folder;

std::string text_in(const std::filesystem::path& path)
{
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

report measuring()
{
  return {.program = "some_bench", .caveat = "", .facts = {}, .tables = {}, .records = {}, .finished = false};
}
table named(const std::string& title)
{
  return {.title = title, .columns = {"what"}, .rows = {{"row of " + title}}, .foot = "", .left = 1};
}

}  // namespace

TEST_CASE("what was measured is in the files after every table, said to be unfinished until it is", "[bench]")
{
  const scratch_folder folder;
  const auto json = folder.path() / "r.json", markdown = folder.path() / "r.md";
  const report_files files(json.string(), markdown.string());
  report r = measuring();
  r.said = [&files](const report& now) { files.write(now); };
  r.add(named("first"));
  CHECK(has(text_in(markdown), "row of first"));
  CHECK(has(text_in(markdown), "**unfinished: "));
  CHECK(has(text_in(json), "\"finished\": false"));
  r.records.emplace_back().add("kind", "one more");
  r.add(named("second"));
  CHECK(has(text_in(markdown), "row of second"));
  CHECK(has(text_in(json), "one more"));
  r.finished = true;
  files.write(r);
  CHECK_FALSE(has(text_in(markdown), "unfinished"));
  CHECK_FALSE(has(text_in(json), "finished"));
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 2);  // and nothing beside them
}

TEST_CASE("a report that cannot be written stops a benchmark at its end only", "[bench]")
{
  const scratch_folder folder;
  const report_files files((folder.path() / "none/r.json").string(), "");
  report r = measuring();
  CHECK_NOTHROW(files.write(r));
  r.finished = true;
  CHECK_THROWS_AS(files.write(r), kvstrata::data_error);
}

TEST_CASE("what is no file takes a report once, at the end", "[bench]")
{
  const report_files files("/dev/null", "/dev/null");
  report r = measuring();
  files.write(r);
  r.finished = true;
  files.write(r);
  CHECK(std::filesystem::is_character_file("/dev/null"));  // it was not replaced
}
