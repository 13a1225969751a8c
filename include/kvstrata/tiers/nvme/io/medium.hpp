// The files or block devices that a store lies in, as one row of bytes: stripe i lies in file i % files().
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>
#include <kvstrata/tiers/nvme/io/medium_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// One more sentence, if it is one.
inline void say(std::string& sentences, const std::string& added)
{
  if (!sentences.empty() && !added.empty()) sentences += ' ';
  sentences += added;
}

/// Where an I/O goes.
struct medium_place
{
  std::size_t file = 0;
  int fd = -1;
  std::uint64_t offset = 0;  ///< in the file
};

/// Files that are open, locked and as long as they must be.
///
/// `config.bytes` of each are used. A file that is missing or empty is made so long, with space that is really there;
/// one that is there keeps its length, so that a shorter one is refused, and what a longer one has beyond stays
/// untouched. Without `config.bytes` all must be there and of one size. Whatever is wrong is said, with the file's
/// name, before anything is written, and what had been made is removed again.
///
/// Its threads: const, any. Its own calls of the system are over when it is made.
class medium
{
 public:
  static constexpr std::uint32_t most_depth = 1024;

  /// Throws config_error for what is wrong whatever the files are.
  static void check(const medium_config& config)
  {
    if (config.paths.empty()) throw config_error("paths", "empty", "a store lies in at least one file");
    if (config.stripe_bytes == 0 || config.stripe_bytes % block_bytes != 0)
      throw config_error("stripe_bytes", config.stripe_bytes, "it is a multiple of " + std::to_string(block_bytes));
    if (config.bytes % config.stripe_bytes != 0)
      throw config_error("bytes", config.bytes,
                         "it is a multiple of stripe_bytes, " + std::to_string(config.stripe_bytes));
    if (config.depth == 0 || config.depth > most_depth)
      throw config_error("depth", config.depth, "it is from 1 to " + std::to_string(most_depth));
  }

  /// Throws config_error: no paths, one twice, one that is no file, sizes that do not fit. error: the system refuses,
  /// there is no space, another store has the file. Blocks as long as the file system takes to preallocate.
  explicit medium(const medium_config& config, io_filter* filter = nullptr)
      : stripe_bytes_(config.stripe_bytes), filter_(filter)
  {
    check(config);
    files_.reserve(config.paths.size());
    for (const std::string& path : config.paths) open(path, config.bytes != 0);
    for (const auto& file : files_) file->lock();
    file_bytes_ = config.bytes != 0 ? config.bytes : files_.front()->bytes();
    for (const auto& file : files_) check_size(*file, config.bytes);
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (files_[i]->is_empty()) files_[i]->allocate(file_bytes_, i, filter);
    }
    for (const auto& file : files_) {
      if (config.direct) go_direct(*file);
      file->keep();
    }
  }

  [[nodiscard]] std::size_t files() const noexcept { return files_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return file_bytes_ * files_.size(); }
  [[nodiscard]] std::uint64_t stripe_bytes() const noexcept { return stripe_bytes_; }
  [[nodiscard]] int fd(std::size_t file) const noexcept { return files_[file]->fd(); }
  /// What all files together want; 1 where none is direct.
  [[nodiscard]] memory_alignment alignment() const noexcept { return alignment_; }
  /// Sentences about files that are not as they were asked for; empty: all are.
  [[nodiscard]] const std::string& explanation() const noexcept { return explanation_; }
  [[nodiscard]] io_filter* filter() const noexcept { return filter_; }

  /// Where these bytes lie. Nothing: they do not lie in one stripe, or in the only file, are beyond the end, or are no blocks. O(1).
  [[nodiscard]] std::optional<medium_place> locate(std::uint64_t offset, std::uint64_t bytes) const noexcept
  {
    const std::uint64_t stripe = offset / stripe_bytes_, within = offset % stripe_bytes_;
    const std::uint64_t end = files_.size() == 1 ? file_bytes_ - stripe * stripe_bytes_ : stripe_bytes_;
    if (offset >= this->bytes() || bytes > end - within) return std::nullopt;
    if (offset % block_bytes != 0 || bytes % block_bytes != 0) return std::nullopt;
    const std::size_t file = stripe % files_.size();
    return medium_place{.file = file, .fd = fd(file), .offset = stripe / files_.size() * stripe_bytes_ + within};
  }

 private:
  void open(const std::string& path, bool may_make)
  {
    auto file = std::make_unique<medium_file>(path, may_make);
    for (const auto& other : files_) {
      if (other->is_same_as(*file))
        throw config_error("paths", file->quoted(), "that is the file that " + other->quoted() + " is");
    }
    files_.push_back(std::move(file));
  }
  void check_size(const medium_file& file, std::uint64_t asked) const
  {
    const std::string size = file.quoted() + " has " + std::to_string(file.bytes());
    if (asked != 0) {
      if (!file.is_empty() && file.bytes() < asked)
        throw config_error("bytes", asked, size + ", and a file that is there is not made longer");
      return;
    }
    if (file.bytes() == 0) throw config_error("bytes", asked, file.quoted() + " is empty and must be given a size");
    if (file.bytes() != file_bytes_)
      throw config_error("bytes", asked,
                         size + " and " + files_.front()->quoted() + ' ' + std::to_string(file_bytes_) +
                             ": say how many of each are used");
    if (file.bytes() % stripe_bytes_ != 0)
      throw config_error("bytes", asked,
                         size + ", which is no multiple of stripe_bytes, " + std::to_string(stripe_bytes_));
  }
  void go_direct(medium_file& file)
  {
    if (const std::string why = file.go_direct(); !why.empty()) {
      say(explanation_, file.quoted() + ' ' + why + '.');
      return;
    }
    alignment_.address = (std::max)(alignment_.address, file.alignment().address);
    alignment_.length = (std::max)(alignment_.length, file.alignment().length);
  }

  std::vector<std::unique_ptr<medium_file>> files_;
  std::uint64_t stripe_bytes_;
  std::uint64_t file_bytes_ = 0;
  memory_alignment alignment_;
  std::string explanation_;
  io_filter* filter_;
};

}  // namespace kvstrata::nvme
