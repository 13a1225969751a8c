// When one operation of a device ran, and what it was: the same words for every device that keeps a trace.
#pragma once

#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class operation_kind : std::uint8_t {
  copy_to_device,
  copy_from_device,
  copy_on_host,
  copy_kernel,  ///< a kernel that moves bytes, whichever way
  kernel,
  fill,
  poison,
  wait,
  host_io,  ///< the host's, on a host stream: of I/Os side by side what each took beyond the one before
};

/// What an operation is called where it has no label of its own.
[[nodiscard]] constexpr std::string_view name_of(operation_kind kind) noexcept
{
  switch (kind) {
    case operation_kind::copy_to_device: return "copy to device";
    case operation_kind::copy_from_device: return "copy from device";
    case operation_kind::copy_on_host: return "copy on the host";
    case operation_kind::copy_kernel: return "copy kernel";
    case operation_kind::kernel: return "kernel";
    case operation_kind::fill: return "fill";
    case operation_kind::poison: return "poison";
    case operation_kind::wait: return "wait";
    case operation_kind::host_io: return "host I/O";
  }
  return "unknown";
}

/// Times are seconds of the device's clock. A span of kind `wait` is a stall: the stream stood still for so long with
/// work queued behind the wait; its label tells for which stream.
struct op_span
{
  stream_id stream{};
  std::string stream_name;
  std::string label;
  operation_kind kind = operation_kind::kernel;
  double begin = 0;
  double end = 0;
  std::size_t bytes = 0;    ///< copies and copy kernels: all pieces together; fills
  std::size_t pieces = 0;   ///< copies and copy kernels
  std::uint64_t point = 0;  ///< the first point of the stream that stands behind it; 0: not known, as of stalls

  friend bool operator==(const op_span&, const op_span&) = default;
};

}  // namespace kvstrata
