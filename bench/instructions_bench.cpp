// Instructions a request, policy by policy: what a replay of replacement_bench costs, as valgrind's callgrind counts
// it. Free of noise. The difference of a long and a short replay of the same trace leaves out the drawing of the trace
// and the filling of the cache.
//
//   instructions_bench [NAME...]     only these policies
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <future>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t short_run = 400'000;
constexpr std::size_t long_run = 800'000;

struct pipe_closer
{
  void operator()(std::FILE* pipe) const { ::pclose(pipe); }
};

[[nodiscard]] std::string said_by(const std::string& command)
{
  const std::unique_ptr<std::FILE, pipe_closer> pipe(::popen(command.c_str(), "r"));
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string said;
  std::array<char, 512> piece;
  while (std::fgets(piece.data(), piece.size(), pipe.get()) != nullptr) said += piece.data();
  return said;
}

[[nodiscard]] double instructions(const std::string& replay, std::size_t requests)
{
  const std::string command = "valgrind --tool=callgrind --callgrind-out-file=/dev/null " + replay + " --length " +
                              std::to_string(long_run) + " --requests " + std::to_string(requests) + " 2>&1";
  const std::string said = said_by(command);
  constexpr std::string_view before = "Collected : ";
  const std::size_t at = said.find(before);
  if (at == std::string::npos) throw std::runtime_error("valgrind counted nothing:\n" + command + "\n" + said);
  return std::stod(said.substr(at + before.size()));
}

/// Both replays at the same time: counts do not mind.
[[nodiscard]] double instructions_a_request(const std::string& replay)
{
  auto few = std::async(std::launch::async, instructions, replay, short_run);
  const double many = instructions(replay, long_run);
  return (many - few.get()) / static_cast<double>(long_run - short_run);
}

}  // namespace

int main(int argc, char** argv)
try {
  if (said_by("valgrind --version 2>/dev/null").empty()) {
    std::puts("SKIPPED: instructions a request, because valgrind is not installed (Debian: valgrind)");
    return 0;
  }
  const auto sibling = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "replacement_bench";
  const std::string program = "'" + sibling.string() + "'";
  const std::vector<std::string> wanted(argv + 1, argv + argc);
  std::printf("Instructions a request, Zipf over 1,000,000 keys, full caches\n  %-16s %8s %8s   asked\n", "", "1 %",
              "10 %");
  std::istringstream policies(said_by(program + " --names yes"));
  double asked = 0;
  for (std::string name; policies >> name >> asked;) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    double most = 0;
    std::printf("  %-16s", name.c_str());
    for (const char* const capacity : {"1%", "10%"}) {
      const double each = instructions_a_request(program + " --policy " + name + " --capacity " + capacity);
      most = std::max(most, each);
      std::printf(" %8.1f", each);
      std::fflush(stdout);
    }
    if (asked == 0) std::printf("\n");
    else std::printf("   %.0f %s\n", asked, most <= asked ? "ok" : "SHORT");
  }
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "instructions_bench: %s\n", wrong.what());
  return 2;
}
