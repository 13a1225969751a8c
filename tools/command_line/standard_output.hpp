// Standard output as a program's result: when it could not be written, the program says so and does not end with 0.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>

namespace tools {

/// Puts something that cannot be used in the place of standard streams that are closed: else the next file that is opened
/// takes the number of one, and with it what is printed.
inline void hold_standard_streams() noexcept
{
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));  // the lowest free number
  }
}

/// Whether standard output is open for writing. hold_standard_streams() was called.
[[nodiscard]] inline bool has_standard_output() noexcept
{
  const int mode = ::fcntl(STDOUT_FILENO, F_GETFL);
  return mode != -1 && (mode & O_ACCMODE) != O_RDONLY;
}

/// Flushes standard output, C's and C++'s. Whether all of it was written, or the sentence that says why not.
[[nodiscard]] inline std::string standard_output_fault()
{
  errno = 0;
  std::cout.flush();
  const bool flushed = std::fflush(stdout) == 0;
  const int why = errno;
  if (flushed && std::ferror(stdout) == 0 && std::cout.good()) return {};
  return "standard output could not be written" + (why == 0 ? std::string() : std::string(": ") + std::strerror(why));
}

/// What a tool's main() does: returns what run() returns, but 1 after a sentence to standard error when standard output
/// cannot be written, which is found out before anything is computed where it can be, or when run() throws.
template <class Run>
[[nodiscard]] int run_program(Run&& run)
{
  hold_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);  // whoever read standard output is gone: files are still written, and it is said
  const auto fail = [](std::string_view sentence) {
    std::cerr << "error: " << sentence << '\n';
    return 1;
  };
  if (!has_standard_output()) return fail("standard output cannot be written: it is closed");
  int code = 1;
  try {
    code = run();
  } catch (const std::bad_alloc&) {
    fail("this machine has not the memory for that; ask for less");
  } catch (const std::exception& e) {
    fail(e.what());
  }
  if (const std::string fault = standard_output_fault(); !fault.empty()) {
    fail(fault);
    return code == 0 ? 1 : code;
  }
  return code;
}

}  // namespace tools
