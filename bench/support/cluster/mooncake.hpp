// Mooncake's store over TCP, where a Python has it (PyPI: mooncake-transfer-engine-non-cuda): in processes of its own, and, as it
// listens on all addresses, in a network of its own (unshare -rn).
#pragma once

#include "command_line/source_dir.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

namespace cluster_bench {

class mooncake
{
 public:
  /// Null: there is none; `why` says why. $KVSTRATA_MOONCAKE_PYTHON, else python3.
  [[nodiscard]] static std::unique_ptr<mooncake> make(std::string& why)
  {
    const char* const set = std::getenv("KVSTRATA_MOONCAKE_PYTHON");
    const std::string python = set != nullptr && *set != '\0' ? set : "python3";
    if (std::system(("'" + python + "' -c 'import mooncake.store' >/dev/null 2>&1").c_str()) != 0) {
      why = python + " has no mooncake.store (PyPI's mooncake-transfer-engine-non-cuda; KVSTRATA_MOONCAKE_PYTHON)";
      return nullptr;
    }
    std::unique_ptr<mooncake> out(new mooncake(python));
    if (std::string said = out->line(); said != "ok") {
      why = "its processes do not begin in a network of their own (unshare -rn)" + (said.empty() ? said : ": " + said);
      return nullptr;
    }
    return out;
  }
  mooncake(const mooncake&) = delete;
  mooncake& operator=(const mooncake&) = delete;
  ~mooncake()
  {
    std::fclose(talk_);  // it ends with its input
    ::waitpid(child_, nullptr, 0);
  }

  /// 64 MiB in values of so many bytes, 64 at a time.
  void put_all(std::size_t bytes) { call("put", bytes); }
  void get_all(std::size_t bytes) { call("get", bytes); }

 private:
  explicit mooncake(const std::string& python)
  {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw std::runtime_error("there is no pair of sockets");
    const std::string script = tools::source_dir().string() + "/bench/support/cluster/mooncake_beside.py";
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[1], 0);
      ::dup2(ends[1], 1);
      ::close(ends[0]);
      ::close(ends[1]);
      if (std::freopen("/dev/null", "w", stderr) == nullptr) std::_Exit(126);
      ::execlp("unshare", "unshare", "-rn", python.c_str(), script.c_str(), static_cast<char*>(nullptr));
      std::_Exit(127);
    }
    ::close(ends[1]);
    talk_ = ::fdopen(ends[0], "r+");
  }
  [[nodiscard]] std::string line()
  {
    std::string out;
    for (int c = std::fgetc(talk_); c != EOF && c != '\n'; c = std::fgetc(talk_)) out += static_cast<char>(c);
    return out;
  }
  void call(const char* what, std::size_t bytes)
  {
    std::fprintf(talk_, "%s %zu\n", what, bytes);
    std::fflush(talk_);
    if (const std::string said = line(); said != "ok") throw std::runtime_error("Mooncake: " + said);
  }

  ::pid_t child_ = -1;
  std::FILE* talk_ = nullptr;
};

}  // namespace cluster_bench
