// The files of a store, open for reading and never written: what whoever looks at a store reads it through.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace store_tool {

/// A file or block device that nobody writes while this is there: its lock is shared by those who read and refused to a
/// store, and one that a store has open refuses it.
class read_file
{
 public:
  /// Throws data_error: it is not there, is no file, cannot be read, or is in use.
  explicit read_file(std::string path);
  read_file(read_file&& other) noexcept;
  read_file& operator=(read_file&& other) noexcept;
  ~read_file();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// 0, or an errno: EIO where the file ends before.
  [[nodiscard]] int read_sync(std::uint64_t offset, kvstrata::nvme::memory_piece into) const noexcept;

 private:
  [[noreturn]] void refuse(const std::string& why, int fault);
  void lock();

  std::string path_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

/// Stripe i lies in file i % files. Reads one I/O after the other; writes and flushes fail with EROFS.
class read_engine final : public kvstrata::nvme::block_engine
{
 public:
  /// `bytes`: of the medium, whatever the files have.
  read_engine(std::vector<read_file> files, std::uint64_t stripe_bytes, std::uint64_t bytes)
      : files_(std::move(files)), stripe_bytes_(stripe_bytes), bytes_(bytes)
  {
  }

  void run_sync(std::span<kvstrata::nvme::block_io> ios) noexcept override;
  [[nodiscard]] int flush_sync() noexcept override;
  [[nodiscard]] std::uint64_t bytes() const noexcept override { return bytes_; }
  [[nodiscard]] kvstrata::nvme::memory_alignment alignment() const noexcept override { return {}; }
  [[nodiscard]] std::string_view name() const noexcept override { return "reading"; }
  [[nodiscard]] kvstrata::nvme::engine_figures figures() const noexcept override { return figures_; }

 private:
  [[nodiscard]] int read_sync(const kvstrata::nvme::block_io& io) const noexcept;

  std::vector<read_file> files_;
  std::uint64_t stripe_bytes_;
  std::uint64_t bytes_;
  kvstrata::nvme::engine_figures figures_;
};

}  // namespace store_tool
