// A device whose work is done when it is queued and costs nothing: leaves the control plane alone on the clock.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bench {

class null_device
{
 public:
  class memory
  {
   public:
    explicit memory(std::size_t bytes) : bytes_(bytes) {}
    [[nodiscard]] std::byte* data() const noexcept { return nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

   private:
    std::size_t bytes_;
  };

  memory allocate_device(std::size_t bytes, std::string_view) { return memory(bytes); }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return memory(bytes); }
  kvstrata::stream_id create_stream(std::string_view)
  {
    streams_.push_back(0);
    return static_cast<kvstrata::stream_id>(streams_.size() - 1);
  }
  kvstrata::event record(kvstrata::stream_id stream) { return {stream, ++streams_[static_cast<std::size_t>(stream)]}; }
  void wait(kvstrata::stream_id, kvstrata::event) {}
  bool query(kvstrata::event) { return true; }
  void wait_sync(kvstrata::event) {}
  void copy(kvstrata::stream_id, kvstrata::copy_direction, std::byte*, const std::byte*, std::size_t) { ++copies_; }
  void copy_batch(kvstrata::stream_id, kvstrata::copy_direction, std::span<const kvstrata::copy_piece> pieces)
  {
    if (!pieces.empty()) ++copies_;
  }
  void copy_kernel_launch(kvstrata::stream_id, const kvstrata::copy_kernel&,
                          std::span<const kvstrata::copy_piece> pieces)
  {
    if (!pieces.empty()) ++copies_;
  }

  /// Calls that copy, whatever they are made of.
  [[nodiscard]] std::uint64_t copies() const noexcept { return copies_; }

 private:
  std::vector<std::uint64_t> streams_;
  std::uint64_t copies_ = 0;
};

static_assert(kvstrata::device<null_device>);
static_assert(kvstrata::batches_copies<null_device> && kvstrata::runs_copy_kernels<null_device>);

}  // namespace bench
