// A memory tier over a memory-mapped file, as a third party would write one.
//
//   mapped_file<[a write policy], [evict_front | evict_whole], [replaced_by<Policy>]>
//
// The file has no name: it is unlinked as soon as it is open, so nothing is left behind whatever happens. The page cache
// is its memory: what does not fit there is on the disk. A tier is addressed directly by copies, so a mapping is all it
// takes; handing out frames, and remembering when they may be written again, is frame_store's part.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/frame_store.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace example {

/// Owns one mapping of a nameless file. All that the library asks of memory: it moves, and has data() and size().
class file_mapping
{
 public:
  /// Reserves `bytes` on the disk at once, so that a full disk shows here and not as a signal in the middle of a copy.
  /// Throws config_error when no file can be made in `directory`, capacity_error when there is no room for it.
  file_mapping(const std::string& directory, std::size_t bytes) : bytes_(bytes)
  {
    const auto reason = [](int number) { return std::generic_category().message(number); };
    std::string path = directory + "/kvstrata-XXXXXX";
    const int file = ::mkstemp(path.data());
    if (file < 0) {
      throw kvstrata::config_error("mapped_file.directory", "'" + directory + "'",
                                   "a file must be creatable there: " + reason(errno));
    }
    ::unlink(path.c_str());
    int failed = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
    if (failed == 0) {
      void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
      if (at != MAP_FAILED) data_ = static_cast<std::byte*>(at);
      else failed = errno;
    }
    ::close(file);  // the mapping keeps it
    if (data_ == nullptr) {
      throw kvstrata::capacity_error("a file of " + std::to_string(bytes) + " bytes cannot be had in '" + directory +
                                     "': " + reason(failed));
    }
  }
  file_mapping(file_mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  file_mapping& operator=(file_mapping&& other) noexcept
  {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~file_mapping()
  {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

/// The recipe: options and a config. `on<Device>` is the tier.
template <kvstrata::option... Options>
struct mapped_file
{
  using shedding = kvstrata::find_option_t<kvstrata::shedding_option, kvstrata::evict_front, Options...>;
  using replacement = kvstrata::find_option_t<kvstrata::replacement_option, kvstrata::replaced_as_cache, Options...>;
  using writes = kvstrata::find_option_t<kvstrata::write_policy_option, kvstrata::page_write_through, Options...>;
  static constexpr std::string_view name = "mapped_file";

  struct config
  {
    std::string directory = "/tmp";  ///< where the file is made
    std::size_t bytes = 0;           ///< rounded down to whole pages
  };

  template <kvstrata::device Device>
  class on : public kvstrata::frame_store<Device, file_mapping>
  {
   public:
    on(Device& d, const config& c, std::size_t frame_bytes)
        : on(d, c, kvstrata::frames_in("mapped_file.bytes", c.bytes, frame_bytes), frame_bytes)
    {
    }

   private:
    on(Device& d, const config& c, kvstrata::page_count frames, std::size_t frame_bytes)
        : kvstrata::frame_store<Device, file_mapping>(d, file_mapping(c.directory, frames * frame_bytes), frames)
    {
    }
  };
};

}  // namespace example
