#include "replay/restart.hpp"

#include <kvstrata/core/error.hpp>

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>

namespace replay {
namespace {

constexpr std::string_view done = "done";

void tell(int to, std::string_view text) noexcept
{
  while (!text.empty()) {
    const ::ssize_t written = ::write(to, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

[[nodiscard]] std::string hear(int from)
{
  std::string out;
  std::array<char, 512> some{};
  for (;;) {
    const ::ssize_t got = ::read(from, some.data(), some.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(some.data(), static_cast<std::size_t>(got));
  }
}

[[noreturn]] void work_and_die(int to, const std::function<void()>& work) noexcept
{
  try {
    work();
    tell(to, done);
    static_cast<void>(::kill(::getpid(), SIGKILL));
  } catch (const std::exception& e) {
    tell(to, e.what());
  } catch (...) {
    tell(to, "it does not say why");
  }
  ::_exit(1);
}

}  // namespace

void do_and_be_killed(const std::function<void()>& work)
{
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw kvstrata::error(std::string("no pipe can be had: ") + std::strerror(errno));
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    work_and_die(ends[1], work);
  }
  const int fault = errno;
  ::close(ends[1]);
  const std::string said = child < 0 ? std::string() : hear(ends[0]);
  ::close(ends[0]);
  if (child < 0) throw kvstrata::error(std::string("no process can be had: ") + std::strerror(fault));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (said == done && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return;
  throw kvstrata::error("the process before the restart did not get so far: " +
                        (said.empty() || said == done ? "it ended by itself" : said));
}

}  // namespace replay
