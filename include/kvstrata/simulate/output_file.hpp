// A file that is there as a whole or not at all: written beside its place and renamed into it.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/file_paths.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Throws data_error when an output_file of that path could not be begun now: to learn it before long work. Opens and
/// changes nothing.
inline void require_writable(const std::filesystem::path& path)
{
  namespace fs = std::filesystem;
  const auto refuse = [&path](const std::string& reason) { throw data_error(path.string(), 0, reason); };
  const auto refuse_by_errno = [&refuse](const std::string& what) { refuse(what + ": " + std::strerror(errno)); };
  if (path.empty()) throw data_error("a file to be written", 0, "its path is empty");
  if (const std::optional<int> open = open_file_of(path)) {
    const int mode = ::fcntl(*open, F_GETFL);
    if (mode == -1) refuse_by_errno("cannot be written");
    if ((mode & O_ACCMODE) == O_RDONLY) refuse("cannot be written: it is open for reading only");
    return;
  }
  const fs::path real = real_path(path);
  struct stat there{};
  const bool is_there = ::stat(real.c_str(), &there) == 0;
  if (!is_there && errno != ENOENT) refuse_by_errno("cannot be written");
  if (!real.has_filename() || (is_there && S_ISDIR(there.st_mode))) refuse("cannot be written: it is a folder");
  if (is_there && ::access(real.c_str(), W_OK) != 0) refuse_by_errno("cannot be written");
  if (is_there && !S_ISREG(there.st_mode)) return;
  if (::access(real.parent_path().c_str(), W_OK | X_OK) != 0) {
    refuse_by_errno("cannot be written, since no file can be made in its folder");
  }
}

/// Whoever reads the path sees what was there before, or nothing, until finish(); then all that was written. A link is
/// followed, permissions and owner of a file that is replaced stay, other hard links keep the old content. Unless
/// finish() returned, nothing is left behind; a program that is killed leaves the unfinished file, .kvstrata-*.part.
/// What is no regular file (a device, a pipe, /dev/stdout) is written straight away. Errors are data_error with path and
/// reason. Blocks; for one thread.
class output_file
{
 public:
  explicit output_file(const std::filesystem::path& path) : name_(path.string()), place_(real_path(path))
  {
    namespace fs = std::filesystem;
    require_writable(path);
    std::error_code ignored;
    const fs::file_status there = fs::status(place_, ignored);
    if (const std::optional<int> open = open_file_of(path)) {
      std::fflush(nullptr);  // what was said before comes before
      file_.reset(::fdopen(::dup(*open), "wb"));
    } else if (fs::exists(there) && !fs::is_regular_file(there)) {
      file_.reset(std::fopen(place_.c_str(), "wb"));
    } else {
      begin_beside();
    }
    if (file_ == nullptr) fail_by_errno("cannot be written");
  }
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;
  ~output_file()
  {
    file_.reset();
    if (!beside_.empty()) ::unlink(beside_.c_str());
  }

  void write(std::string_view bytes)
  {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail_by_errno("writing failed");
  }

  /// To be called once, after the last write.
  void finish()
  {
    if (std::fflush(file_.get()) != 0) fail_by_errno("writing failed");
    if (!beside_.empty() && ::fsync(::fileno(file_.get())) != 0) fail_by_errno("writing failed");
    if (std::fclose(file_.release()) != 0) fail_by_errno("writing failed");
    if (beside_.empty()) return;
    if (std::rename(beside_.c_str(), place_.c_str()) != 0) fail_by_errno("cannot be replaced");
    beside_.clear();
  }

  /// Throws data_error for the file.
  [[noreturn]] void fail(std::string_view reason) const { throw data_error(name_, 0, reason); }

 private:
  struct closer
  {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  [[noreturn]] void fail_by_errno(std::string_view what) const
  {
    fail(std::string(what) + ": " + std::strerror(errno));
  }

  void begin_beside()
  {
    constexpr int most_leftovers = 1000;  // of other programs, or our own: several files may be under way
    for (int number = 0; number < most_leftovers && file_ == nullptr; ++number) {
      beside_ =
          place_.parent_path() / (".kvstrata-" + std::to_string(::getpid()) + "-" + std::to_string(number) + ".part");
      file_.reset(std::fopen(beside_.c_str(), "wbx"));
      if (file_ == nullptr && errno != EEXIST) break;
    }
    if (file_ == nullptr) {
      beside_.clear();
      return;
    }
    struct stat old{};
    struct stat fresh{};
    if (::stat(place_.c_str(), &old) != 0 || ::fstat(::fileno(file_.get()), &fresh) != 0) return;
    // Where the system or the file system does not have it so, the file is ours.
    if (old.st_uid != fresh.st_uid || old.st_gid != fresh.st_gid) {
      static_cast<void>(::fchown(::fileno(file_.get()), old.st_uid, old.st_gid) == 0);
    }
    static_cast<void>(::fchmod(::fileno(file_.get()), old.st_mode & 07777));
  }

  std::string name_;
  std::filesystem::path place_;
  std::filesystem::path beside_;  // empty: it is written in its place, or finished
  std::unique_ptr<std::FILE, closer> file_;
};

/// Writes a whole file.
inline void write_file(const std::filesystem::path& path, std::string_view text)
{
  output_file file(path);
  file.write(text);
  file.finish();
}

}  // namespace kvstrata
