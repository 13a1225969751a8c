// Where the results of kvstrata-gpu-replay go: never over what it reads, and as a whole or not at all.
#include "gpu_replay/command.hpp"

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/outputs.hpp"

#include <csignal>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using kvstrata_test::content_of;
using kvstrata_test::names_in;
using kvstrata_test::run_in_child;
using kvstrata_test::scratch_folder;

int run(const std::vector<std::string>& more, std::ostream& out, std::ostream& err)
{
  std::vector<const char*> texts{
      "kvstrata-gpu-replay", "--preset", "tiny", "--machine", "emulated", "--requests", "2", "--cases", "none",
      "--step-tokens",       "0"};
  for (const std::string& one : more) texts.push_back(one.c_str());
  return gpu_replay::command(static_cast<int>(texts.size()), texts.data(), {}, out, err);
}

}  // namespace

TEST_CASE("the replay on a GPU refuses a result that would replace the trace or another result", "[outputs]")
{
  kvstrata_test::check_refused_outputs({"--json", "--markdown", "--timeline"}, [](const auto& more, std::ostream& err) {
    std::ostringstream out;
    return run(more, out, err);
  });
}

TEST_CASE("a replay on a GPU that fails or is interrupted leaves the results that were there, or none", "[outputs]")
{
  const scratch_folder here;
  const auto at = [&here](const char* name) { return (here.path() / name).string(); };
  here.write("old.md", "old results");
  const std::vector<std::string> results{"--json", at("n.json"), "--markdown", at("old.md")};
  const auto interrupted = run_in_child([&] {
    kvstrata_test::interrupting_buffer buffer;
    std::ostream told(&buffer);  // as soon as progress is told
    return run(results, told, told);
  });
  CHECK(interrupted.signal == SIGINT);
  CHECK(names_in(here.path()) == std::vector<std::string>{"old.md"});

  const auto full = run_in_child([&] {
    kvstrata_test::fill_disk_beyond(100);
    std::ostringstream told;
    const int code = run({"--markdown", at("old.md")}, told, told);
    return told.str().find("old.md: writing failed: ") != std::string::npos ? code : 99;
  });
  CHECK(full.code == 1);
  CHECK(content_of(at("old.md")) == "old results");
  CHECK(names_in(here.path()) == std::vector<std::string>{"old.md"});
}
