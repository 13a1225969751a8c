// The completion of one transfer: one event per layer.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/device/event.hpp>

#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Empty when there was nothing to move. Otherwise layers[l] comes to pass when layer l has arrived.
struct ticket
{
  std::vector<event> layers;
  std::uint64_t bytes = 0;   ///< moved in all layers together
  std::uint64_t copies = 0;  ///< calls to the device that took: copies, batches, copy kernels
  std::uint64_t pieces = 0;  ///< contiguous parts that these calls named, each with an address at both ends

  [[nodiscard]] bool empty() const noexcept { return layers.empty(); }
  [[nodiscard]] event layer(layer_index l) const { return layers.empty() ? event{} : layers[l]; }
  /// When everything has arrived.
  [[nodiscard]] event last() const noexcept { return layers.empty() ? event{} : layers.back(); }
};

}  // namespace kvstrata
