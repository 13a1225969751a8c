// An operation of a CUDA stream, for messages and the trace.
#pragma once

#include <kvstrata/device/cuda/lane.hpp>
#include <kvstrata/device/span.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// What is known of an operation before it runs.
struct work
{
  operation_kind kind = operation_kind::kernel;
  std::string_view label;
  std::size_t bytes = 0;
  std::size_t pieces = 0;

  [[nodiscard]] bool is_copy() const noexcept
  {
    return kind == operation_kind::copy_to_device || kind == operation_kind::copy_from_device ||
           kind == operation_kind::copy_on_host || kind == operation_kind::copy_kernel;
  }
};

/// "copy to device of 16 bytes on stream 'onload'".
[[nodiscard]] inline std::string name_of(const work& what, const lane& s)
{
  std::string text(kvstrata::name_of(what.kind));
  if (!what.label.empty()) text += " '" + std::string(what.label) + "'";
  if (what.kind != operation_kind::kernel) text += " of " + std::to_string(what.bytes) + " bytes";
  return text + " on stream '" + s.name + "'";
}

}  // namespace kvstrata::cuda
