// The sweep with another program's menu and name, and machine files by name.
#include "command_line/machine_files.hpp"
#include "command_line/source_dir.hpp"
#include "sim/sweep.hpp"

#include "support/catch.hpp"

#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lru.hpp>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct mine : kvstrata::lru
{
  using lru::lru;
};

struct outcome
{
  int code = 0;
  std::string out;
  std::string err;
};

outcome sweep_with(std::vector<const char*> arguments)
{
  kvstrata::policy_menu menu;
  menu.add<kvstrata::fifo>("fifo", "first in, first out").add<mine>("mine", "a stranger's");
  arguments.insert(arguments.begin(), "other");
  std::ostringstream out;
  std::ostringstream err;
  const int code =
      sim::sweep({menu, "other", "\nMore."}, static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {code, out.str(), err.str()};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a program's own menu is what is swept, offered and asked for", "[sim]")
{
  const outcome ran = sweep_with({"--users", "20", "--capacities", "5", "--quiet"});
  CHECK(ran.code == 0);
  CHECK(contains(ran.out, "\nfifo "));
  CHECK(contains(ran.out, "\nmine "));
  CHECK_FALSE(contains(ran.out, "\nlru "));
  CHECK(contains(sweep_with({"--policies", "lru"}).err, "it must be one of fifo, mine"));
}

TEST_CASE("a program says its own name", "[sim]")
{
  const outcome asked = sweep_with({"--help"});
  CHECK(asked.code == 0);
  CHECK(contains(asked.out, "  mine          a stranger's"));
  CHECK(contains(asked.out, "  other --policies lru,s3_fifo,belady"));
  CHECK(contains(asked.out, "More."));
  CHECK_FALSE(contains(asked.out, "kvstrata-sim"));
  CHECK(contains(sweep_with({"--wrong"}).err, "other --help lists the options."));
}

TEST_CASE("a machine file that ships is found by its name, and any other by its path", "[sim]")
{
  const std::filesystem::path folder = tools::source_dir() / "tools/sim/machines";
  for (const std::string name : {"h200_pcie5", "h200_pcie5.machine"}) {
    CHECK(std::filesystem::equivalent(tools::machine_path(name), folder / "h200_pcie5.machine"));
  }
  const std::string whole = (folder / "b200.machine").string();
  CHECK(tools::machine_path(whole) == whole);
  for (const std::string other : {"", "h300", "./h200_pcie5", "machines/h200_pcie5"}) {
    CHECK(tools::machine_path(other) == other);
  }
  const outcome ran =
      sweep_with({"--users", "20", "--capacities", "5%", "--machine", "h200_pcie5", "--sizes", "growing", "--quiet"});
  CHECK(ran.code == 0);
  const outcome unknown =
      sweep_with({"--users", "20", "--capacities", "5%", "--machine", "h300", "--sizes", "growing"});
  CHECK(unknown.code == 1);
  CHECK(contains(unknown.err, "h300: no such file"));
}
