// A device without data and without time: what is queued is done. A cache on it is its control plane alone, index, plan,
// policies and books as they are in production, for simulators and for measuring what deciding costs.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Memory is a range of addresses that nothing lies at, as much as is asked for. Events are recorded and waited for as on
/// any device, so that what fences cost is not left out; all have come to pass. Unlike other devices it is for one thread
/// at a time: a cache calls it under its lock, a lease without.
class dataless_device
{
 public:
  static constexpr bool has_data = false;

  class memory
  {
   public:
    memory(std::byte* begin, std::size_t bytes) noexcept : begin_(begin), bytes_(bytes) {}
    [[nodiscard]] std::byte* data() const noexcept { return begin_; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

   private:
    std::byte* begin_;  // to be reckoned with, never to be read or written
    std::size_t bytes_;
  };

  [[nodiscard]] memory allocate_device(std::size_t bytes, std::string_view) noexcept { return reserve(bytes); }
  [[nodiscard]] memory allocate_pinned(std::size_t bytes, std::string_view) noexcept { return reserve(bytes); }

  [[nodiscard]] stream_id create_stream(std::string_view)
  {
    recorded_.push_back(0);
    return static_cast<stream_id>(recorded_.size() - 1);
  }
  [[nodiscard]] event record(stream_id stream) noexcept
  {
    return {stream, ++recorded_[static_cast<std::size_t>(stream)]};
  }
  void wait(stream_id, event) const noexcept {}
  [[nodiscard]] bool query(event) const noexcept { return true; }
  void wait_sync(event) const noexcept {}

  void copy(stream_id, copy_direction, std::byte*, const std::byte*, std::size_t) const noexcept {}
  void copy_batch(stream_id, copy_direction, std::span<const copy_piece>) const noexcept {}
  void copy_kernel_launch(stream_id, const copy_kernel&, std::span<const copy_piece>) const noexcept {}
  void code_kernel_launch(stream_id, const copy_kernel&, coding, std::span<const coded_piece>) const noexcept {}

 private:
  [[nodiscard]] memory reserve(std::size_t bytes) noexcept
  {
    constexpr std::uintptr_t aligned = 256;
    const std::uintptr_t begin = next_;
    next_ += (bytes + aligned - 1) / aligned * aligned;
    return {reinterpret_cast<std::byte*>(begin), bytes};
  }

  std::uintptr_t next_ = std::uintptr_t{1} << 20U;
  std::vector<std::uint64_t> recorded_;  // by stream
};

static_assert(device<dataless_device>);
static_assert(batches_copies<dataless_device> && runs_copy_kernels<dataless_device>);

}  // namespace kvstrata
