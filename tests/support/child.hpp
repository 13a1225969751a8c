// What ends a process, or fills its disk, tried in a child of the test's.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <streambuf>

namespace kvstrata_test {

struct child_end
{
  int code = -1;   ///< that it returned; -1: it did not
  int signal = 0;  ///< that ended it
};

/// Runs work() -> int in a child. An exception ends it with 99.
template <class Work>
[[nodiscard]] child_end run_in_child(Work&& work)
{
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);  // Catch2 has its own
    int code = 99;
    try {
      code = work();
    } catch (...) {
      code = 99;
    }
    ::_exit(code);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return {};
  if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

/// From here on no file of this process grows beyond `bytes`: writing fails as it does on a full disk.
inline void fill_disk_beyond(rlim_t bytes)
{
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

/// Whoever reads a stream of this interrupts the program, as by Control-C, at the first letter.
class interrupting_buffer : public std::streambuf
{
  int_type overflow(int_type letter) override
  {
    std::raise(SIGINT);
    return letter;
  }
};

}  // namespace kvstrata_test
