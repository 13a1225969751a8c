// What compiling kvstrata costs a user, in CPU seconds of the compiler, children included, in turn over some rounds:
//
//   example    examples/01_*.cpp, -O2, into an object file
//   umbrella   a file that includes kvstrata/kvstrata.hpp and nothing else, -fsyntax-only
//
// each beside its floor: a file that includes the headers of Boost and of the standard library that kvstrata's own headers
// name for it, and nothing else. With --baseline the same of an older checkout, compiled in the same rounds; ratios are
// taken round by round. At the end one line a target: TARGET name value wanted met|short.
//
//   compile_time_bench [--baseline DIR] [--rounds N]
#include "command_line/source_dir.hpp"
#include "support/levels/children.hpp"
#include "support/levels/scratch_folder.hpp"
#include "support/levels/targets.hpp"
#include "support/paired.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace levels;
namespace fs = std::filesystem;

double children_seconds()
{
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

void write_text(const fs::path& path, const std::string& text)
{
  std::ofstream file(path);
  if (!(file << text).flush()) throw std::runtime_error(path.string() + " cannot be written");
}

/// A file to be compiled against a checkout.
struct job
{
  std::string name;
  fs::path checkout;
  fs::path source;
  std::string options;
  std::vector<double> seconds = {};

  [[nodiscard]] std::string command(const std::string& what) const
  {
    return KVSTRATA_COMPILER " -std=c++20 " KVSTRATA_COMPILER_FLAGS " " + what + " -I" +
           quoted((checkout / "include").string()) + " -I" + quoted((checkout / "examples").string()) + " " +
           quoted(source.string());
  }
  void compile()
  {
    const double before = children_seconds();
    static_cast<void>(said_by(command(options)));
    seconds.push_back(children_seconds() - before);
  }
};

/// Only the headers of others that those of the checkout name, which the job's file reaches.
job floor_of(const job& whole, const scratch_folder& scratch, const std::string& name)
{
  std::istringstream depends(said_by(whole.command("-M")));
  const std::string own = fs::canonical(whole.checkout / "include").string();
  std::set<std::string> named;
  for (std::string file; depends >> file;) {
    std::error_code ignored;
    if (fs::canonical(file, ignored).string().rfind(own, 0) != 0 && fs::path(file) != whole.source) continue;
    std::ifstream header(file);
    for (std::string line; std::getline(header, line);) {
      const std::size_t at = line.find_first_not_of(" \t");
      if (at == std::string::npos || line[at] != '#' || line.find("include") == std::string::npos) continue;
      const std::size_t open = line.find('<'), close = line.find('>');
      if (open == std::string::npos || close == std::string::npos) continue;
      const std::string wanted = line.substr(open + 1, close - open - 1);
      // Not what is included in some cases only, and may not be there.
      if (wanted.rfind("boost/", 0) == 0 || wanted.find_first_of("/.") == std::string::npos) named.insert(wanted);
    }
  }
  if (named.empty()) throw std::runtime_error(whole.source.string() + " reaches no header of " + own);
  std::string text;
  for (const std::string& header : named) text += "#include <" + header + ">\n";
  job out{whole.name + ", others' headers alone", whole.checkout, scratch / name, whole.options};
  write_text(out.source, text + "int main() {}\n");
  return out;
}

fs::path first_example(const fs::path& checkout)
{
  for (const fs::directory_entry& entry : fs::directory_iterator(checkout / "examples")) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("01_", 0) == 0 && entry.path().extension() == ".cpp") return entry.path();
  }
  throw std::runtime_error("there is no examples/01_*.cpp in " + checkout.string());
}

void add_jobs(std::vector<job>& jobs, const fs::path& checkout, const std::string& version,
              const scratch_folder& scratch)
{
  if (!fs::exists(checkout / "include/kvstrata/kvstrata.hpp")) {
    throw std::runtime_error("there is no include/kvstrata/kvstrata.hpp in " + checkout.string());
  }
  const fs::path umbrella = scratch / (version + "_umbrella.cpp");
  write_text(umbrella, "#include <kvstrata/kvstrata.hpp>\n");
  const job example{"example", checkout, first_example(checkout),
                    "-O2 -c -o " + quoted((scratch / "object.o").string())};
  const job alone{"umbrella", checkout, umbrella, "-fsyntax-only"};
  for (const job& whole : {example, alone}) {
    jobs.push_back(whole);
    jobs.push_back(floor_of(whole, scratch, version + "_" + whole.name + "_floor.cpp"));
  }
}

}  // namespace

int main(int argc, char** argv)
try {
  fs::path baseline;
  int rounds = 5;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if ((name != "--baseline" && name != "--rounds") || i + 1 == argc) {
      throw std::runtime_error("compile_time_bench [--baseline DIR] [--rounds N]");
    }
    if (name == "--baseline") baseline = argv[i + 1];
    else rounds = std::atoi(argv[i + 1]);
  }
  if (rounds < 1 || rounds > 100) throw std::runtime_error("--rounds must be a number from 1 to 100");
  ::setenv("CCACHE_DISABLE", "1", 1);  // where the compiler's name is ccache's

  const scratch_folder scratch;
  std::vector<job> jobs;
  add_jobs(jobs, tools::source_dir(), "now", scratch);
  const std::size_t mine = jobs.size();
  if (!baseline.empty()) add_jobs(jobs, baseline, "baseline", scratch);
  for (job& j : jobs) {
    j.compile();  // reads the files once
    j.seconds.clear();
  }
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      // now, baseline, now, baseline, ..., and the other way round in the next round
      const std::size_t kind = k * mine / jobs.size();
      const bool second = jobs.size() != mine && (k + static_cast<std::size_t>(round)) % 2 == 1;
      jobs[second ? mine + kind : kind].compile();
    }
  }

  std::printf("CPU seconds of %s, %d rounds: median (low to high)\n", KVSTRATA_COMPILER, rounds);
  std::vector<target> targets;
  for (std::size_t kind = 0; kind < mine; ++kind) {
    const bench::spread now = bench::spread_of(jobs[kind].seconds);
    std::printf("  %-32s %6.2f (%.2f to %.2f)", jobs[kind].name.c_str(), now.median, now.low, now.high);
    if (jobs.size() != mine) {
      const std::vector<double>& before = jobs[mine + kind].seconds;
      const bench::spread b = bench::spread_of(before);
      std::vector<double> ratios;
      for (std::size_t r = 0; r < before.size(); ++r) ratios.push_back(jobs[kind].seconds[r] / before[r]);
      const bench::spread ratio = bench::spread_of(ratios);
      std::printf("   baseline %6.2f (%.2f to %.2f)   ratio %.3f (%.3f to %.3f)", b.median, b.low, b.high, ratio.median,
                  ratio.low, ratio.high);
      if (kind == 0) targets.push_back({"compile_example_ratio", ratio.median, better::less, 0.6, ""});
      if (kind == 2) targets.push_back({"compile_umbrella_ratio", ratio.median, better::less, 0.8, ""});
    }
    std::printf("\n");
  }
  if (targets.empty()) std::printf("SKIPPED: the targets, because no --baseline was given\n");
  for (const target& t : targets) print(t);
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "compile_time_bench: %s\n", wrong.what());
  return 2;
}
