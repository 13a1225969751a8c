// A function in a process of its own: what it allocates is told from what others left, and it can be killed.
#pragma once

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <type_traits>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nvme_bench {

/// What `f` returns. Throws where it threw, after it said why. While no other thread runs.
template <class F>
[[nodiscard]] auto in_child(F&& f)
{
  using result_type = std::invoke_result_t<F>;
  static_assert(std::is_trivially_copyable_v<result_type>);
  std::fflush(stdout);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
  const ::pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process can be made");
  if (child == 0) {
    try {
      const result_type out = f();
      ::_exit(::write(ends[1], &out, sizeof out) == sizeof out ? 0 : 1);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      ::_exit(1);
    }
  }
  ::close(ends[1]);
  result_type out{};
  const bool told = ::read(ends[0], &out, sizeof out) == sizeof out;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!told) throw std::runtime_error("a process of the bench has failed");
  return out;
}

/// Runs `f`, then ends as kill -9 ends a process.
template <class F>
void in_killed_child(F&& f)
{
  std::fflush(stdout);
  const ::pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process can be made");
  if (child == 0) {
    try {
      f();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      ::_exit(1);
    }
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) throw std::runtime_error("a process of the bench has failed");
}

}  // namespace nvme_bench
