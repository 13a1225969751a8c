// Memory that a ring has registered: which of its buffers some bytes lie in.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Spans of memory by address, each a buffer of the kernel's with a number. Not for several threads at once.
class registered_memory
{
 public:
  /// One buffer is of no more: the kernel refuses it.
  static constexpr std::size_t most_bytes = std::size_t{1} << 30U;

  /// Allocates. The next number is the number of spans that there are.
  void add(std::span<const std::byte> memory, int number)
  {
    const buffer added{.data = memory.data(), .bytes = memory.size(), .number = number};
    buffers_.insert(after(added.data), added);
  }
  /// The buffer that all these bytes lie in. O(log of the spans).
  [[nodiscard]] std::optional<int> find(const std::byte* data, std::size_t bytes) const noexcept
  {
    const auto next = after(data);
    if (next == buffers_.begin()) return std::nullopt;
    const buffer& found = *std::prev(next);
    const auto offset = static_cast<std::size_t>(data - found.data);
    if (offset > found.bytes || bytes > found.bytes - offset) return std::nullopt;
    return found.number;
  }
  [[nodiscard]] std::size_t size() const noexcept { return buffers_.size(); }

 private:
  struct buffer
  {
    const std::byte* data;
    std::size_t bytes;
    int number;
  };
  [[nodiscard]] std::vector<buffer>::const_iterator after(const std::byte* data) const noexcept
  {
    return std::upper_bound(buffers_.begin(), buffers_.end(), data,
                            [](const std::byte* at, const buffer& b) { return std::less<>{}(at, b.data); });
  }

  std::vector<buffer> buffers_;
};

}  // namespace kvstrata::nvme
