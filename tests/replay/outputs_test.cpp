// Where the replay's results go: never over what it reads, and as a whole or not at all.
#include "replay/command.hpp"

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/outputs.hpp"

#include <csignal>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using kvstrata_test::content_of;
using kvstrata_test::names_in;
using kvstrata_test::run_in_child;
using kvstrata_test::scratch_folder;

/// A run of a second.
std::vector<std::string> small_run(const std::vector<std::string>& more)
{
  std::vector<std::string> all{"replay", "--users",    "4", "--requests",      "8",      "--batch",
                               "2",      "--layers",   "1", "--hidden",        "16",     "--heads",
                               "1",      "--head-dim", "8", "--history-scale", "0.05",   "--candidates",
                               "2",      "--rounds",   "2", "--cases",         "default"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err)
{
  std::vector<const char*> texts;
  for (const std::string& one : arguments) texts.push_back(one.c_str());
  return replay::command(static_cast<int>(texts.size()), texts.data(), out, err);
}

}  // namespace

TEST_CASE("the replay refuses a result that would replace the trace or another result", "[outputs]")
{
  kvstrata_test::check_refused_outputs({"--json", "--report", "--timeline"}, [](const auto& more, std::ostream& err) {
    std::ostringstream out;
    return run(small_run(more), out, err);
  });
}

TEST_CASE("a replay that fails or is interrupted leaves the results that were there, or none", "[outputs]")
{
  const scratch_folder here;
  const auto at = [&here](const char* name) { return (here.path() / name).string(); };
  here.write("old.html", "old results");
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run(small_run({"--trace", at("missing"), "--json", at("n.json"), "--report", at("old.html")}), out, err) == 1);
  CHECK(names_in(here.path()) == std::vector<std::string>{"old.html"});

  const auto interrupted = run_in_child([&] {
    kvstrata_test::interrupting_buffer buffer;
    std::ostream told(&buffer);  // as soon as progress is told
    return run(small_run({"--json", at("n.json"), "--report", at("old.html")}), told, told);
  });
  CHECK(interrupted.signal == SIGINT);
  CHECK(names_in(here.path()) == std::vector<std::string>{"old.html"});

  const auto full = run_in_child([&] {
    kvstrata_test::fill_disk_beyond(2000);
    std::ostringstream told;
    const int code = run(small_run({"--quiet", "--report", at("old.html")}), told, told);
    return told.str().find("old.html: writing failed: ") != std::string::npos ? code : 99;
  });
  CHECK(full.code == 1);
  CHECK(content_of(at("old.html")) == "old results");
  CHECK(names_in(here.path()) == std::vector<std::string>{"old.html"});
}
