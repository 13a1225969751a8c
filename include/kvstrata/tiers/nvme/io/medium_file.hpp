// One file or block device of a medium: opened, locked, made where it is missing, and read and written past the page
// cache where that can be.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// The system's words for an errno. Any thread may ask.
[[nodiscard]] inline std::string words_of(int fault) { return std::generic_category().message(fault); }

/// A medium opens all its files, then locks them, then prepares them, then keeps them. One that is not kept, because
/// another step or another file failed, leaves no file behind that was not there.
///
/// The lock belongs to the open file: two media of one process refuse each other as two processes do, and it ends with
/// the process, however that ends. A block device is opened exclusively, so that one with a mounted file system is
/// refused.
class medium_file
{
 public:
  /// Opens the file, or makes an empty one. Throws config_error if it is neither a file nor a block device, or missing
  /// while `may_make` is false; error if the system refuses.
  medium_file(std::string path, bool may_make) : path_(std::move(path))
  {
    struct stat found = {};
    if (::stat(path_.c_str(), &found) == 0) {
      check_kind(found);
      device_ = S_ISBLK(found.st_mode);
      fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | (device_ ? O_EXCL : 0));
    } else if (errno != ENOENT) {
      refuse("cannot be opened", errno);
    } else if (!may_make) {
      throw config_error("bytes", 0U, quoted() + " is not there, and no file is made without a size");
    } else {
      fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL, 0644);
      made_ = fd_ >= 0;
      if (fd_ < 0 && errno == ENOENT) refuse("cannot be made: its folder is not there", 0);
      if (fd_ < 0 && errno == EEXIST) refuse("was made by somebody else at the same moment", 0);
    }
    if (fd_ < 0 && errno == EBUSY) refuse("is in use: it is mounted, or another program has it", 0);
    if (fd_ < 0) refuse(made_ ? "cannot be made" : "cannot be opened for writing", errno);
    if (::fstat(fd_, &status_) != 0) refuse_open("cannot be asked for its size", errno);
    const ::off_t end = ::lseek(fd_, 0, SEEK_END);
    if (end < 0) refuse_open("cannot be asked for its size", errno);
    bytes_ = static_cast<std::uint64_t>(end);
  }
  medium_file(const medium_file&) = delete;
  medium_file& operator=(const medium_file&) = delete;
  ~medium_file() { give_up(); }

  /// Throws error where another medium has it, before anything is written.
  void lock()
  {
    const int fault = try_lock();
    if (fault == EAGAIN || fault == EACCES)
      refuse("is in use: another store has it open, here or in another process", 0);
    if (fault != 0) refuse("cannot be locked", fault);
    struct stat now = {};
    if (::stat(path_.c_str(), &now) != 0 || now.st_dev != status_.st_dev || now.st_ino != status_.st_ino)
      refuse("was removed or replaced while it was being opened", 0);
  }

  /// Whether there is nothing in it, so that it must be given a size.
  [[nodiscard]] bool is_empty() const noexcept { return bytes_ == 0 && !device_; }

  /// Gives an empty file its size, with space that is really there: later writes do not run out of it, and do not
  /// extend the file. It and its name are durable then. Throws error: there is no space, or the system refuses.
  void allocate(std::uint64_t bytes, std::size_t number, io_filter* filter)
  {
    int fault = EFBIG;
    if (bytes <= static_cast<std::uint64_t>((std::numeric_limits<::off_t>::max)())) {
      const io_call call{.what = io_call::kind::allocate, .file = number, .bytes = bytes};
      do {
        fault = ask(filter, call).error;
        grown_ = true;
        if (fault == 0) fault = ::posix_fallocate(fd_, 0, static_cast<::off_t>(bytes));
      } while (fault == EINTR);
    }
    const std::string what = "cannot be given " + std::to_string(bytes) + " bytes";
    if (fault == ENOSPC || fault == EDQUOT) refuse(what + ": the file system has no space for them", 0);
    if (fault == 0 && ::fsync(fd_) != 0) fault = errno;
    if (fault != 0) refuse(what, fault);
    bytes_ = bytes;
    sync_folder();
  }

  /// From here on I/Os go past the page cache, or it says why not, to follow the path; empty: they do.
  [[nodiscard]] std::string go_direct()
  {
#ifdef O_DIRECT
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_DIRECT) != 0)
      return "goes through the page cache: its file system refuses O_DIRECT (" + words_of(errno) + ")";
    direct_ = find_alignment();
    if (direct_) return {};
    static_cast<void>(::fcntl(fd_, F_SETFL, flags));
    return "goes through the page cache: its file system takes O_DIRECT, but not blocks of " +
           std::to_string(block_bytes) + " bytes";
#else
    return "goes through the page cache: this system has no O_DIRECT";
#endif
  }

  /// It stays, whatever comes.
  void keep() noexcept { made_ = grown_ = false; }

  [[nodiscard]] bool is_same_as(const medium_file& other) const noexcept
  {
    if (device_ && other.device_) return status_.st_rdev == other.status_.st_rdev;
    return status_.st_dev == other.status_.st_dev && status_.st_ino == other.status_.st_ino;
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string quoted() const { return '\'' + path_ + '\''; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool direct() const noexcept { return direct_; }
  [[nodiscard]] memory_alignment alignment() const noexcept { return alignment_; }

 private:
  [[noreturn]] void refuse(const std::string& why, int fault) const
  {
    throw error(quoted() + ' ' + why + (fault != 0 ? ": " + words_of(fault) : std::string()));
  }
  [[noreturn]] void refuse_open(const std::string& why, int fault)
  {
    give_up();  // no destructor runs
    refuse(why, fault);
  }
  void check_kind(const struct stat& found) const
  {
    if (S_ISDIR(found.st_mode)) throw config_error("paths", quoted(), "that is a folder, not a file or block device");
    if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode))
      throw config_error("paths", quoted(), "that is neither a file nor a block device");
    // root may write everything: but a file that nobody may write is not meant to be.
    if ((found.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0) refuse("is read-only: nobody may write it", 0);
  }
  void give_up() noexcept
  {
    if (fd_ < 0) return;
    if ((made_ || grown_) && try_lock() == 0) {  // else somebody has it by now who makes use of it
      if (made_) static_cast<void>(::unlink(path_.c_str()));
      if (!made_ && ::ftruncate(fd_, 0) != 0) grown_ = true;  // nothing can be done
    }
    static_cast<void>(::close(fd_));
    fd_ = -1;
  }
  [[nodiscard]] int try_lock() const noexcept
  {
    struct ::flock all = {};
    all.l_type = F_WRLCK;
    all.l_whence = SEEK_SET;
    while (::fcntl(fd_, F_OFD_SETLK, &all) != 0) {
      if (errno != EINTR) return errno;
    }
    return 0;
  }
  void sync_folder() const
  {
    std::filesystem::path folder = std::filesystem::path(path_).parent_path();
    if (folder.empty()) folder = ".";
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;  // a folder that may be written, not read
    static_cast<void>(::fsync(fd));
    static_cast<void>(::close(fd));
  }

  /// What the kernel says that direct I/O wants; where it does not say, what it takes when tried.
  [[nodiscard]] bool find_alignment()
  {
#ifdef STATX_DIOALIGN
    struct statx told = {};
    if (::statx(fd_, "", AT_EMPTY_PATH, STATX_DIOALIGN, &told) == 0 && (told.stx_mask & STATX_DIOALIGN) != 0) {
      alignment_ = memory_alignment{.address = (std::max)(told.stx_dio_mem_align, 1U),
                                    .length = (std::max)(told.stx_dio_offset_align, 1U)};
      return told.stx_dio_offset_align != 0 && block_bytes % alignment_.length == 0;
    }
#endif
    static constexpr std::size_t least = 512;
    struct alignas(block_bytes) buffer
    {
      std::array<std::byte, block_bytes + least> bytes{};
    } into;
    for (const std::size_t tried : {least, block_bytes}) {
      alignment_ = memory_alignment{.address = tried, .length = tried};
      // An address and an offset that are multiples of `tried` and, as far as there is room, of nothing more.
      if (::pread(fd_, into.bytes.data() + (tried == least ? least : 0), tried, static_cast<::off_t>(tried)) >= 0)
        return true;
      if (errno != EINVAL) return true;  // I/Os will say so
    }
    alignment_ = {};
    return false;
  }

  std::string path_;
  int fd_ = -1;
  bool device_ = false, made_ = false, grown_ = false, direct_ = false;
  struct stat status_ = {};
  std::uint64_t bytes_ = 0;
  memory_alignment alignment_;
};

}  // namespace kvstrata::nvme
