// A folder for what the bench writes, on the file system that is measured.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nvme_bench {

/// Gone with all that is in it when the object is, and when the process ends in any other way: another one waits for
/// that. Make it before any thread.
class scratch_folder
{
 public:
  explicit scratch_folder(const std::filesystem::path& in)
  {
    std::string name = (in / "kvstrata_nvme_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder can be made like " + name);
    path_ = name;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
    guard_ = ::fork();
    if (guard_ == 0) {
      ::close(ends[1]);
      for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(ignored, SIG_IGN);
      char byte = 0;
      while (::read(ends[0], &byte, 1) < 0) continue;  // until nobody has the other end any more
      remove();
      ::_exit(0);
    }
    ::close(ends[0]);
    alive_ = ends[1];
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder()
  {
    remove();
    ::close(alive_);
    if (guard_ > 0) ::waitpid(guard_, nullptr, 0);
  }
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  void remove() const noexcept
  {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path path_;
  int alive_ = -1;
  ::pid_t guard_ = -1;
};

}  // namespace nvme_bench
