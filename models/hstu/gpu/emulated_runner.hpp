// Runs a model's kernels on an emulated_device, so that all of it but the speed can be tried without a GPU.
#pragma once

#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/emulated_block.hpp"
#include "hstu/gpu/footprint.hpp"
#include "hstu/gpu/runner.hpp"

#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hstu::gpu {

/// Kernels by emulated_block, products by plain loops. Slow. Link kvstrata_hstu_gpu. The device must outlive it;
/// calls as for the device.
class emulated_runner
{
 public:
  using device_type = kvstrata::emulated_device;

  /// Acts as a GPU of so many multiprocessors, among which attention shares long histories; 0: never.
  explicit emulated_runner(device_type& d, std::uint32_t multiprocessors = 0)
      : device_(d), multiprocessors_(multiprocessors)
  {
  }

  [[nodiscard]] device_type& device() const noexcept { return device_; }
  [[nodiscard]] std::uint32_t multiprocessors() const noexcept { return multiprocessors_; }

  template <kernel Kernel>
  void launch(kvstrata::stream_id stream, std::string_view label, const Kernel& k)
  {
    if (k.blocks() == 0) return;
    device_.launch(stream, {.label = label}, [k] { run_emulated(k); });
  }

  /// Throws kvstrata::config_error when the attention kernel does not take the heads or the pages.
  void attend(kvstrata::stream_id stream, std::string_view label, const attention_arguments& what,
              std::uint32_t head_dim);

  void multiply(kvstrata::stream_id stream, std::string_view label, const product& p);

  void zero(kvstrata::stream_id stream, std::byte* data, std::size_t bytes)
  {
    device_.fill(stream, data, std::byte{0}, bytes);
  }

  /// The kernels themselves do not say what they touch: the device is told by a kernel that does nothing.
  [[nodiscard]] bool watches() const { return device_.config().check_ordering; }
  void touches(kvstrata::stream_id stream, std::string_view label, std::span<const touched_bytes> reads,
               std::span<const touched_bytes> writes)
  {
    const auto ranges = [](std::span<const touched_bytes> from) {
      std::vector<device_type::memory_range> out;
      for (const touched_bytes& t : from) out.push_back({t.data, t.bytes});
      return out;
    };
    const auto read = ranges(reads);
    const auto written = ranges(writes);
    device_.launch(stream, {.label = label, .reads = read, .writes = written}, [] {});
  }

 private:
  device_type& device_;
  std::uint32_t multiprocessors_;
};

static_assert(runner<emulated_runner> && watches_pages<emulated_runner>);

}  // namespace hstu::gpu
