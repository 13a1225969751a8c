// The bytes of a file, front to back, through one buffer: what every reader of files stands on.
#pragma once

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace kvstrata {

/// Shows a stretch of the file, the reader consumes from its front, and more is read behind it. Constant memory.
/// Movable; for one thread.
class input_file
{
 public:
  /// So much can be shown at a time, and no line or record may be longer.
  static constexpr std::size_t buffer_bytes = std::size_t{1} << 20;

  /// Opens the file; data_error when there is none, or none that can be read.
  explicit input_file(const std::filesystem::path& path) : path_(path.string())
  {
    std::error_code problem;
    if (!std::filesystem::exists(path, problem)) fail("no such file");
    if (std::filesystem::is_directory(path, problem)) fail("is a folder, not a file");
    const std::uintmax_t size = std::filesystem::file_size(path, problem);
    if (!problem) size_ = size;  // a pipe has none
    file_.reset(std::fopen(path_.c_str(), "rb"));
    if (file_ == nullptr) fail("cannot be opened for reading");
    std::setvbuf(file_.get(), nullptr, _IONBF, 0);
    buffer_.resize(buffer_bytes);
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The stretch that is in the buffer and not consumed; valid until more().
  [[nodiscard]] std::string_view unread() const noexcept { return {buffer_.data() + begin_, filled_ - begin_}; }

  /// Where unread() begins in the file.
  [[nodiscard]] std::uint64_t offset() const noexcept { return read_ - (filled_ - begin_); }

  /// Gives up the first `bytes` of unread().
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }

  /// Reads on behind unread(); false at the end of the file. unread() must be shorter than the buffer.
  bool more()
  {
    std::memmove(buffer_.data(), buffer_.data() + begin_, filled_ - begin_);
    filled_ -= begin_;
    begin_ = 0;
    const std::size_t got = std::fread(buffer_.data() + filled_, 1, buffer_.size() - filled_, file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0) fail("reading failed");
    filled_ += got;
    read_ += got;
    return got != 0;
  }

  /// How much was consumed, from 0 to 1; 0 for what has no size, such as a pipe.
  [[nodiscard]] double progress() const noexcept
  {
    return size_ == 0 ? 0 : (std::min)(1.0, static_cast<double>(offset()) / static_cast<double>(size_));
  }

  /// Throws data_error for the file as a whole.
  [[noreturn]] void fail(std::string_view reason) const { throw data_error(path_, 0, reason); }

 private:
  struct closer
  {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };

  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
  std::uint64_t size_ = 0;
  std::uint64_t read_ = 0;    // from the file so far
  std::vector<char> buffer_;  // [begin_, filled_) is not consumed yet
  std::size_t begin_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace kvstrata
