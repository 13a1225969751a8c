// The bytes of a file, front to back, through one buffer: what every reader of files stands on. Compressed ones are unpacked
// as they are read; a pipe, or "-" for standard input, is a file that can be read once.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Whether what lies at a path is gone when it was read: standard input, a pipe, a terminal.
[[nodiscard]] inline bool is_read_once(const std::filesystem::path& path)
{
  if (path == "-") return true;
  std::error_code ignored;
  const std::filesystem::file_status there = std::filesystem::status(path, ignored);
  return std::filesystem::is_fifo(there) || std::filesystem::is_character_file(there) ||
         std::filesystem::is_socket(there);
}

/// Shows a stretch of the file, the reader consumes from its front, and more is read behind it. Memory is the longest
/// stretch that was asked for, at least buffer_bytes. Movable; for one thread.
class input_file
{
 public:
  /// So much is shown at a time where nobody asks for more.
  static constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
  /// So much can be: no line or record may be longer.
  static constexpr std::size_t most_buffer_bytes = std::size_t{1} << 26;

  /// Opens the file; data_error when there is none, or none that can be read, or it is compressed in a way that
  /// `unpack` does not know: a null one knows none. What is no file that lasts is waited for.
  explicit input_file(const std::filesystem::path& path, unpacker_maker unpack = nullptr)
      : path_(path == "-" ? "standard input" : path.string())
  {
    std::error_code problem;
    if (path == "-") {
      file_.reset(stdin);
    } else {
      if (!std::filesystem::exists(path, problem)) fail("no such file");
      if (std::filesystem::is_directory(path, problem)) fail("is a folder, not a file");
      const std::uintmax_t size = std::filesystem::file_size(path, problem);
      if (!problem) size_ = size;  // a pipe has none
      file_.reset(std::fopen(path.c_str(), "rb"));
      if (file_ == nullptr) fail("cannot be opened for reading");
      std::setvbuf(file_.get(), nullptr, _IONBF, 0);
    }
    constexpr std::uint64_t least = 4096;
    const bool is_short = size_ != 0 && size_ < buffer_bytes;
    buffer_.resize(is_short ? static_cast<std::size_t>((std::max)(size_ + 1, least)) : buffer_bytes);
    while (filled_ < packing_bytes && more()) continue;
    if (const packing by = find_packing(unread()); by != packing::none) begin_unpacking(by, unpack);
    refuse_archive();
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The stretch that is in the buffer and not consumed; valid until more().
  [[nodiscard]] std::string_view unread() const noexcept { return {buffer_.data() + begin_, filled_ - begin_}; }

  /// Where unread() begins in the file, or in what it was unpacked to.
  [[nodiscard]] std::uint64_t offset() const noexcept { return shown_ - (filled_ - begin_); }

  /// Gives up the first `bytes` of unread().
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }

  /// Reads on behind unread(), which must be shorter than most_buffer_bytes; false at the end of the file.
  bool more()
  {
    if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, filled_ - begin_);
    filled_ -= begin_;
    begin_ = 0;
    if (filled_ == buffer_.size()) buffer_.resize((std::min)(2 * buffer_.size(), most_buffer_bytes));
    const std::span<char> free = std::span(buffer_).subspan(filled_);
    const std::size_t got = unpacker_ == nullptr ? read_into(free) : unpack_into(free);
    filled_ += got;
    shown_ += got;
    return got != 0;
  }

  /// At least so many bytes from where unread() begins, or all there are; nothing is consumed.
  [[nodiscard]] std::string_view peek(std::size_t bytes)
  {
    while (unread().size() < bytes && more()) continue;
    return unread();
  }

  /// Whether a compressed file ended in the middle; known when more() was false.
  [[nodiscard]] bool is_cut() const noexcept { return cut_; }

  /// How much was consumed, from 0 to 1; 0 for what has no size, such as a pipe.
  [[nodiscard]] double progress() const noexcept
  {
    if (size_ == 0) return 0;
    const std::uint64_t done = unpacker_ == nullptr ? offset() : read_ - (packed_end_ - packed_begin_);
    return (std::min)(1.0, static_cast<double>(done) / static_cast<double>(size_));
  }

  /// Throws data_error for the file as a whole.
  [[noreturn]] void fail(std::string_view reason) const { throw data_error(path_, 0, reason); }

 private:
  struct closer
  {
    void operator()(std::FILE* file) const noexcept
    {
      if (file != stdin) std::fclose(file);
    }
  };

  /// The head of a tar archive would pass for the first line of a text.
  void refuse_archive()
  {
    if (const std::string_view head = peek(512); head.size() >= 512 && head.substr(257, 5) == "ustar") {
      fail("the file holds a tar archive: unpack it (tar -x), and name what is in it");
    }
  }

  void begin_unpacking(packing by, unpacker_maker unpack)
  {
    if (by == packing::parquet) fail("the file is a Parquet table, which is not read: write it as CSV");
    unpacker_ = unpack == nullptr ? nullptr : unpack(by);
    if (unpacker_ == nullptr) {
      const bool known = by == packing::zstd || by == packing::gzip;
      fail("the file is compressed with " + std::string(name_of(by)) + ", which " +
           (known ? "this program was built without: unpack it first, or build with "
                  : "is not unpacked here: do it first") +
           (by == packing::zstd   ? "libzstd"
            : by == packing::gzip ? "zlib"
                                  : ""));
    }
    buffer_.resize(buffer_bytes);
    packed_.assign(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(filled_));
    packed_end_ = filled_;
    packed_.resize((std::max)(packed_.size(), std::size_t{1} << 17));
    filled_ = 0;
    shown_ = 0;
  }

  std::size_t read_into(std::span<char> out)
  {
    const std::size_t got = std::fread(out.data(), 1, out.size(), file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0) fail("reading failed");
    read_ += got;
    return got;
  }

  std::size_t unpack_into(std::span<char> out)
  {
    for (bool ended = false;;) {
      const unpacker::step done =
          unpacker_->take(std::span(packed_).subspan(packed_begin_, packed_end_ - packed_begin_), out);
      packed_begin_ += done.taken;
      if (done.made != 0) return done.made;
      if (!done.fault.empty()) {
        fail("the file cannot be unpacked beyond byte " + std::to_string(shown_) + ": " + std::string(done.fault));
      }
      if (done.taken != 0) continue;
      if (ended) {
        cut_ = !unpacker_->is_whole();
        return 0;
      }
      std::memmove(packed_.data(), packed_.data() + packed_begin_, packed_end_ - packed_begin_);
      packed_end_ -= packed_begin_;
      packed_begin_ = 0;
      const std::size_t got = read_into(std::span(packed_).subspan(packed_end_));
      packed_end_ += got;
      ended = got == 0;
    }
  }

  std::string path_;
  std::unique_ptr<std::FILE, closer> file_;
  std::uint64_t size_ = 0;
  std::uint64_t read_ = 0;    // from the file so far
  std::uint64_t shown_ = 0;   // what became of it
  std::vector<char> buffer_;  // [begin_, filled_) is not consumed yet
  std::size_t begin_ = 0;
  std::size_t filled_ = 0;
  std::unique_ptr<unpacker> unpacker_;
  std::vector<char> packed_;  // [packed_begin_, packed_end_) is not unpacked yet
  std::size_t packed_begin_ = 0;
  std::size_t packed_end_ = 0;
  bool cut_ = false;
};

}  // namespace kvstrata
