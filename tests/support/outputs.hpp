// What is asked of every tool that writes results beside a trace that it reads.
#pragma once

#include "simulate/scratch.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace kvstrata_test {

[[nodiscard]] inline std::string content_of(const std::filesystem::path& file)
{
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Names of all that lies in a folder, sorted.
[[nodiscard]] inline std::vector<std::string> names_in(const std::filesystem::path& folder)
{
  std::vector<std::string> all;
  for (const auto& one : std::filesystem::directory_iterator(folder)) all.push_back(one.path().filename().string());
  std::sort(all.begin(), all.end());
  return all;
}

/// Calls run(arguments, err) -> exit code of a tool with results at the trace, by each of these options, and with two
/// results at one place. It must end with 2 and a sentence, and touch nothing.
template <class Run>
void check_refused_outputs(const std::vector<std::string>& options, Run&& run)
{
  namespace fs = std::filesystem;
  const scratch_folder here;
  const auto at = [&here](const std::string& name) { return (here.path() / name).string(); };
  const std::string text = "no trace at all: whoever opens it says so\n";
  const std::string trace = here.write("trace.tsv", text).string();
  fs::create_symlink("trace.tsv", at("soft"));
  fs::create_hard_link(trace, at("hard"));
  fs::create_directory(at("folder"));
  fs::create_directory_symlink("folder", at("way"));
  fs::create_symlink("way/new", at("dangling"));
  const std::vector<std::string> there = names_in(here.path());
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
    std::ostringstream err;
    const int code = run(arguments, err);
    INFO(arguments[0] << ' ' << arguments[1] << ' ' << arguments[2] << ' ' << arguments[3] << ": " << err.str());
    CHECK(code == 2);
    CHECK(err.str().find(part) != std::string::npos);
    CHECK(content_of(trace) == text);
    CHECK(names_in(here.path()) == there);
    CHECK(fs::is_empty(at("folder")));
  };
  for (const std::string& option : options) {
    for (const char* const name : {"trace.tsv", "./trace.tsv", "folder/../trace.tsv", "soft", "hard"}) {
      refused({"--trace", trace, option, at(name)}, "that is the file of --trace");
    }
    refused({"--trace", at("folder"), option, at("way/new")}, "that lies in the folder of --trace");
    const std::string& other = option == options.front() ? options.back() : options.front();
    for (const char* const name : {"folder/new", "folder/./new", "way/new", "dangling"}) {
      refused({other, at("folder/new"), option, at(name)}, " goes there too");
    }
  }
}

}  // namespace kvstrata_test
