// Tensors of a model in device memory, brought there one by one.
#pragma once

#include "hstu/gpu/bf16.hpp"

#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace hstu::gpu {

template <kvstrata::device Device>
class device_tensors
{
 public:
  /// With a little pinned memory to go by. Throws capacity_error.
  device_tensors(Device& d, kvstrata::stream_id stream)
      : device_(d), stream_(stream), staging_(d.allocate_pinned(staging_bytes, "weights on their way"))
  {
  }

  /// Copies values, rounded where To is bf16; null for none. Blocks until all is there. Throws capacity_error.
  template <class To, class From>
  const To* place(const std::vector<From>& values, std::string_view name)
  {
    if (values.empty()) return nullptr;
    parts_.push_back(device_.allocate_device(values.size() * sizeof(To), name));
    std::byte* to = parts_.back().data();
    constexpr std::size_t at_once = staging_bytes / sizeof(To);
    for (std::size_t first = 0; first < values.size(); first += at_once) {
      const std::size_t count = (std::min)(at_once, values.size() - first);
      for (std::size_t i = 0; i < count; ++i) {
        const To value = rounded<To>(values[first + i]);
        std::memcpy(staging_->data() + i * sizeof(To), &value, sizeof(To));
      }
      device_.copy(stream_, kvstrata::copy_direction::to_device, to + first * sizeof(To), staging_->data(),
                   count * sizeof(To));
      device_.wait_sync(device_.record(stream_));
    }
    return reinterpret_cast<const To*>(to);
  }

  /// No more will come: gives the pinned memory back.
  void close() { staging_.reset(); }

  /// Device memory in all.
  [[nodiscard]] std::size_t bytes() const
  {
    std::size_t sum = 0;
    for (const auto& part : parts_) sum += part.size();
    return sum;
  }

 private:
  using memory = typename Device::memory;
  static constexpr std::size_t staging_bytes = std::size_t{8} << 20;

  template <class To, class From>
  static To rounded(From value)
  {
    if constexpr (std::same_as<To, bf16>) return to_bf16(value);
    else return value;
  }

  Device& device_;
  kvstrata::stream_id stream_;
  std::optional<memory> staging_;
  std::vector<memory> parts_;
};

}  // namespace hstu::gpu
