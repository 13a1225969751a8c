// What processes have computed so far: on a busy machine closer to the work than what passed.
#pragma once

#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace cluster_bench {

/// 0: it has ended.
[[nodiscard]] inline double cpu_seconds_of(::pid_t process)
{
  ::clockid_t clock{};
  std::timespec time{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Those that it began, and theirs.
[[nodiscard]] inline std::vector<::pid_t> processes_below(::pid_t process)
{
  std::vector<std::pair<::pid_t, ::pid_t>> all;  // a process, and who began it
  for (const auto& one : std::filesystem::directory_iterator("/proc")) {
    std::ifstream about(one.path() / "stat");
    ::pid_t id = 0, parent = 0;
    std::string name;
    char state = '\0';
    about >> id;
    std::getline(about, name, ')');  // a name with a bracket of its own is not looked for
    if (about >> state >> parent) all.emplace_back(id, parent);
  }
  std::vector<::pid_t> out{process};
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (const auto& [id, parent] : all) {
      if (parent == out[i]) out.push_back(id);
    }
  }
  out.erase(out.begin());
  return out;
}

/// Does something, and adds up what this process and others compute meanwhile.
class metered
{
 public:
  metered(std::function<void()> what, std::vector<::pid_t> others) : what_(std::move(what)), others_(std::move(others))
  {
  }

  void run()
  {
    const double mine = cpu_seconds_of(::getpid());
    const double theirs = of_others();
    what_();
    mine_ += cpu_seconds_of(::getpid()) - mine;
    theirs_ += of_others() - theirs;
    ++runs_;
  }

  /// Of this process, on average over the runs; and of the others.
  [[nodiscard]] double mine() const noexcept { return mine_ / runs_; }
  [[nodiscard]] double theirs() const noexcept { return theirs_ / runs_; }

 private:
  [[nodiscard]] double of_others() const
  {
    double out = 0;
    for (const ::pid_t other : others_) out += cpu_seconds_of(other);
    return out;
  }

  std::function<void()> what_;
  std::vector<::pid_t> others_;
  double mine_ = 0, theirs_ = 0;
  int runs_ = 0;
};

}  // namespace cluster_bench
