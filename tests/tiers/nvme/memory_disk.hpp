// A disk in host memory that remembers what was written to it, and when it was told to make that durable: what crash states
// are made from (cuts.hpp). Its engine does at once what it is asked, so that in virtual time a store on it is deterministic;
// it may be used by several threads. Faults come by plan.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata_test {

inline constexpr std::size_t sector_bytes = 512;  ///< what a drive writes whole or not at all

/// Bytes, zeros at first. Copies share what neither has changed since.
class disk_image
{
 public:
  static constexpr std::size_t block = kvstrata::nvme::block_bytes;

  explicit disk_image(std::uint64_t bytes) : blocks_(static_cast<std::size_t>(bytes / block)) {}

  [[nodiscard]] std::uint64_t bytes() const noexcept { return std::uint64_t{blocks_.size()} * block; }

  void write(std::uint64_t offset, std::span<const std::byte> from)
  {
    each_part(offset, from.size(), [&](std::size_t b, std::size_t in_block, std::size_t done, std::size_t part) {
      std::copy_n(from.data() + done, part, own(b).data() + in_block);
    });
  }
  void read(std::uint64_t offset, std::span<std::byte> into) const
  {
    each_part(offset, into.size(), [&](std::size_t b, std::size_t in_block, std::size_t done, std::size_t part) {
      if (blocks_[b] == nullptr) std::fill_n(into.data() + done, part, std::byte{0});
      else std::copy_n(blocks_[b]->data() + in_block, part, into.data() + done);
    });
  }
  [[nodiscard]] std::byte at(std::uint64_t offset) const
  {
    std::byte out{};
    read(offset, {&out, 1});
    return out;
  }
  void flip(std::uint64_t offset, unsigned bit)
  {
    const std::byte flipped = at(offset) ^ static_cast<std::byte>(1U << bit);
    write(offset, {&flipped, 1});
  }

 private:
  using bytes_of_block = std::array<std::byte, block>;

  std::array<std::byte, block>& own(std::size_t b)
  {
    std::shared_ptr<bytes_of_block>& mine = blocks_[b];
    if (mine == nullptr) mine = std::make_shared<bytes_of_block>();
    else if (mine.use_count() != 1) mine = std::make_shared<bytes_of_block>(*mine);
    return *mine;
  }

  template <class Part>
  static void each_part(std::uint64_t offset, std::size_t bytes, Part&& part)
  {
    for (std::size_t done = 0; done < bytes;) {
      const std::uint64_t at = offset + done;
      const auto in_block = static_cast<std::size_t>(at % block);
      const std::size_t now = (std::min)(bytes - done, block - in_block);
      part(static_cast<std::size_t>(at / block), in_block, done, now);
      done += now;
    }
  }

  std::vector<std::shared_ptr<bytes_of_block>> blocks_;  // null: zeros
};

/// What happened to a disk. A write stands where it was over; one that failed, as far as it went.
struct disk_event
{
  enum class kind : std::uint8_t { write, flush_begin, flush_end };

  kind what = kind::write;
  std::uint64_t offset = 0;
  std::shared_ptr<const std::vector<std::byte>> bytes{};  ///< of a write
  std::size_t begun_at = 0;                               ///< of a flush that is over: where in the log it began
  int error = 0;
};

using disk_log = std::vector<disk_event>;

/// What an I/O has coming.
struct io_fault
{
  int error = 0;       ///< errno that it ends with. Of a write an eighth is there
  bool stale = false;  ///< a read brings what was there before the newest write, and says that all is well
};

/// Asked before each I/O: what it is and how many of its kind there were before.
using io_fault_plan = std::function<io_fault(disk_event::kind, bool is_read, std::uint64_t before)>;

/// The n-th (from 0) read, write or flush from the disk's making on ends with an error.
[[nodiscard]] inline io_fault_plan fail_read(std::uint64_t n, int error = EIO)
{
  return [=](disk_event::kind, bool is_read, std::uint64_t before) {
    return io_fault{is_read && before == n ? error : 0, false};
  };
}
[[nodiscard]] inline io_fault_plan fail_write(std::uint64_t n, int error = EIO)
{
  return [=](disk_event::kind what, bool is_read, std::uint64_t before) {
    return io_fault{!is_read && what == disk_event::kind::write && before == n ? error : 0, false};
  };
}
[[nodiscard]] inline io_fault_plan fail_flush(std::uint64_t n, int error = EIO)
{
  return [=](disk_event::kind what, bool, std::uint64_t before) {
    return io_fault{what == disk_event::kind::flush_end && before == n ? error : 0, false};
  };
}

/// All calls may come from several threads, but for log() and image() while others write.
class memory_disk
{
 public:
  explicit memory_disk(std::uint64_t bytes) : image_(bytes), before_(bytes) {}
  explicit memory_disk(disk_image image) : image_(std::move(image)), before_(image_) {}

  [[nodiscard]] std::uint64_t bytes() const noexcept { return image_.bytes(); }
  [[nodiscard]] const disk_log& log() const noexcept { return log_; }
  [[nodiscard]] disk_image& image() noexcept { return image_; }
  /// Where the log is now.
  [[nodiscard]] std::size_t mark() const
  {
    const std::lock_guard lock(mutex_);
    return log_.size();
  }
  void plan_faults(io_fault_plan plan)
  {
    const std::lock_guard lock(mutex_);
    plan_ = std::move(plan);
  }
  [[nodiscard]] kvstrata::nvme::engine_figures figures() const
  {
    const std::lock_guard lock(mutex_);
    return figures_;
  }

  [[nodiscard]] int read(std::uint64_t offset, std::span<const kvstrata::nvme::memory_piece> pieces)
  {
    const std::lock_guard lock(mutex_);
    const io_fault fault = ask(disk_event::kind::write, true, figures_.reads++);
    if (fault.error != 0) return fail(fault.error);
    for (const auto& piece : pieces) {
      (fault.stale ? before_ : image_).read(offset, {piece.data, piece.bytes});
      offset += piece.bytes;
      figures_.read_bytes += piece.bytes;
    }
    return 0;
  }

  [[nodiscard]] int write(std::uint64_t offset, std::span<const kvstrata::nvme::memory_piece> pieces)
  {
    std::vector<std::byte> all;
    for (const auto& piece : pieces) all.insert(all.end(), piece.data, piece.data + piece.bytes);
    const std::lock_guard lock(mutex_);
    const io_fault fault = ask(disk_event::kind::write, false, figures_.writes++);
    if (fault.error != 0) all.resize(all.size() / sector_bytes / 8 * sector_bytes);
    std::vector<std::byte> old(all.size());
    image_.read(offset, old);
    before_.write(offset, old);
    image_.write(offset, all);
    if (fault.error == 0) figures_.written_bytes += all.size();
    auto kept = std::make_shared<const std::vector<std::byte>>(std::move(all));
    log_.push_back({disk_event::kind::write, offset, std::move(kept), 0, fault.error});
    return fault.error == 0 ? 0 : fail(fault.error);
  }

  [[nodiscard]] int flush()
  {
    const std::lock_guard lock(mutex_);
    const io_fault fault = ask(disk_event::kind::flush_end, false, figures_.flushes++);
    const std::size_t begun = log_.size();
    log_.push_back({disk_event::kind::flush_begin, 0, nullptr, 0, 0});
    log_.push_back({disk_event::kind::flush_end, 0, nullptr, begun, fault.error});
    return fault.error == 0 ? 0 : fail(fault.error);
  }

 private:
  io_fault ask(disk_event::kind what, bool is_read, std::uint64_t before)
  {
    return plan_ ? plan_(what, is_read, before) : io_fault{};
  }
  int fail(int error) noexcept
  {
    ++figures_.errors;
    return error;
  }

  mutable std::mutex mutex_;
  disk_image image_;
  disk_image before_;  // of each block what the newest write to it found
  disk_log log_;
  io_fault_plan plan_;
  kvstrata::nvme::engine_figures figures_;
};

/// The engine of a disk, which several may share, one after the other.
class recording_engine : public kvstrata::nvme::block_engine
{
 public:
  explicit recording_engine(std::shared_ptr<memory_disk> disk) : disk_(std::move(disk)) {}

  void run_sync(std::span<kvstrata::nvme::block_io> ios) noexcept override
  {
    using kind = kvstrata::nvme::block_io::kind;
    for (auto& io : ios) {
      if (io.what == kind::read) io.error = in_it(io) ? disk_->read(io.offset, io.pieces) : EINVAL;
    }
    for (auto& io : ios) {
      if (io.what == kind::write) io.error = in_it(io) ? disk_->write(io.offset, io.pieces) : EINVAL;
    }
  }
  [[nodiscard]] int flush_sync() noexcept override { return disk_->flush(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept override { return disk_->bytes(); }
  [[nodiscard]] kvstrata::nvme::memory_alignment alignment() const noexcept override { return {512, 512}; }
  [[nodiscard]] std::string_view name() const noexcept override { return "recording"; }
  [[nodiscard]] kvstrata::nvme::engine_figures figures() const noexcept override { return disk_->figures(); }

 protected:
  [[nodiscard]] memory_disk& disk() noexcept { return *disk_; }

 private:
  /// Whole blocks of the medium, to and from memory as it should be.
  [[nodiscard]] bool in_it(const kvstrata::nvme::block_io& io) const noexcept
  {
    const auto whole = [](const kvstrata::nvme::memory_piece& piece) {
      return piece.bytes % 512 == 0 && reinterpret_cast<std::uintptr_t>(piece.data) % 512 == 0;
    };
    return io.offset % kvstrata::nvme::block_bytes == 0 && io.bytes() % kvstrata::nvme::block_bytes == 0 &&
           io.offset + io.bytes() <= disk_->bytes() && std::all_of(io.pieces.begin(), io.pieces.end(), whole);
  }

  std::shared_ptr<memory_disk> disk_;
};

/// What a store is to be made with so that it lies on `disk`.
template <class Engine = recording_engine>
[[nodiscard]] kvstrata::nvme::engine_maker engine_on(std::shared_ptr<memory_disk> disk)
{
  return [disk](const kvstrata::nvme::medium_config& c) -> std::unique_ptr<kvstrata::nvme::block_engine> {
    if (c.bytes * (std::max)(std::size_t{1}, c.paths.size()) > disk->bytes()) {
      throw kvstrata::error("the disk has " + std::to_string(disk->bytes()) + " bytes, fewer than are wanted");
    }
    return std::make_unique<Engine>(disk);
  };
}

}  // namespace kvstrata_test
