#include "store/read_engine.hpp"

#include <kvstrata/core/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace store_tool {

namespace nvme = kvstrata::nvme;

read_file::read_file(std::string path) : path_(std::move(path))
{
  struct stat found{};
  if (::stat(path_.c_str(), &found) != 0) refuse(errno == ENOENT ? "no such file" : "cannot be read", errno);
  if (S_ISDIR(found.st_mode)) refuse("that is a folder, not the file of a store", 0);
  if (!S_ISREG(found.st_mode) && !S_ISBLK(found.st_mode)) refuse("that is neither a file nor a block device", 0);
  // A device that is mounted or that a store has is opened exclusively.
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | (S_ISBLK(found.st_mode) ? O_EXCL : 0));
  if (fd_ < 0 && errno == EBUSY) refuse("it is in use: it is mounted, or another program has it", 0);
  if (fd_ < 0) refuse("cannot be read", errno);
  lock();
  const ::off_t end = ::lseek(fd_, 0, SEEK_END);
  if (end < 0) refuse("cannot be asked for its size", errno);
  bytes_ = static_cast<std::uint64_t>(end);
#ifdef POSIX_FADV_DONTNEED
  static_cast<void>(::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED));  // what the medium has, not what memory has of it
#endif
}

read_file::read_file(read_file&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_)
{
}

read_file& read_file::operator=(read_file&& other) noexcept
{
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

read_file::~read_file()
{
  if (fd_ >= 0) static_cast<void>(::close(fd_));
}

void read_file::refuse(const std::string& why, int fault)
{
  if (fd_ >= 0) static_cast<void>(::close(std::exchange(fd_, -1)));  // the constructor throws: nobody else does
  const bool told = fault != 0 && fault != ENOENT;
  throw kvstrata::data_error(path_, 0, why + (told ? std::string(": ") + std::strerror(fault) : std::string()));
}

void read_file::lock()
{
  struct ::flock all{};
  all.l_type = F_RDLCK;
  all.l_whence = SEEK_SET;
  while (::fcntl(fd_, F_OFD_SETLK, &all) != 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EACCES) {
      refuse("it is in use: a store has it open, here or in another process. It can be looked at once that is closed",
             0);
    }
    refuse("cannot be locked against being written meanwhile", errno);
  }
}

int read_file::read_sync(std::uint64_t offset, nvme::memory_piece into) const noexcept
{
  while (into.bytes != 0) {
    const ::ssize_t got = ::pread(fd_, into.data, into.bytes, static_cast<::off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? errno : EIO;
    into.data += got;
    into.bytes -= static_cast<std::size_t>(got);
    offset += static_cast<std::uint64_t>(got);
  }
  return 0;
}

void read_engine::run_sync(std::span<nvme::block_io> ios) noexcept
{
  for (nvme::block_io& io : ios) {
    const bool reads = io.what == nvme::block_io::kind::read;
    io.error = reads ? read_sync(io) : EROFS;
    if (io.error != 0) ++figures_.errors;
    else figures_.read_bytes += io.bytes();
    ++(reads ? figures_.reads : figures_.writes);
  }
}

int read_engine::flush_sync() noexcept { return EROFS; }

int read_engine::read_sync(const nvme::block_io& io) const noexcept
{
  const std::uint64_t stripe = io.offset / stripe_bytes_;
  const std::uint64_t within = io.offset % stripe_bytes_;
  const std::uint64_t end = files_.size() == 1 ? bytes_ - stripe * stripe_bytes_ : stripe_bytes_;
  if (io.offset >= bytes_ || io.bytes() > end - within) return EINVAL;
  const read_file& file = files_[static_cast<std::size_t>(stripe % files_.size())];
  std::uint64_t at = stripe / files_.size() * stripe_bytes_ + within;
  for (const nvme::memory_piece& piece : io.pieces) {
    if (const int fault = file.read_sync(at, piece)) return fault;
    at += piece.bytes;
  }
  return 0;
}

}  // namespace store_tool
