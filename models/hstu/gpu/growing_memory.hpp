// Memory of passes, from which the next ones are served.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

namespace hstu::gpu {

/// Memory that only grows, while it is small by half at least. Contents are lost when it does.
template <kvstrata::device Device>
class growing_memory
{
 public:
  /// Would reserve(bytes) allocate anew? Then nobody may use the old memory any more.
  [[nodiscard]] bool must_grow(std::size_t bytes) const { return bytes > size(); }

  std::byte* reserve(Device& d, bool pinned, std::size_t bytes, std::string_view name)
  {
    if (must_grow(bytes)) {
      const std::size_t larger = (std::max)(bytes, size() + (std::min)(size() / 2, most_ahead));
      memory_.reset();
      memory_.emplace(pinned ? d.allocate_pinned(larger, name) : d.allocate_device(larger, name));
    }
    return data();
  }

  [[nodiscard]] std::byte* data() const { return memory_ ? memory_->data() : nullptr; }
  [[nodiscard]] std::size_t size() const { return memory_ ? memory_->size() : 0; }

 private:
  static constexpr std::size_t most_ahead = std::size_t{256} << 20;

  std::optional<typename Device::memory> memory_;
};

}  // namespace hstu::gpu
