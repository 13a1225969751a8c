// Copy engines behind one face, so that a benchmark is compiled once and not once an engine.
#pragma once

#include "laid_out.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// All layers of a batch, queued as the cache queues them. `up` and `down` do not block.
struct engine_in_use
{
  std::string name;
  std::function<kvstrata::ticket(const laid_out&, const kvstrata::fence&)> up;  ///< until the model may start
  /// As `up`, and on to the pages where they stay. The same as `up` but for an engine with a window.
  std::function<kvstrata::ticket(const laid_out&, const kvstrata::fence&)> up_to_pages;
  std::function<kvstrata::ticket(const kvstrata::copy_list&, const kvstrata::fence&)> down;
  bool lands_in_window = false;
};

template <class Engine, kvstrata::device Device>
[[nodiscard]] engine_in_use use(Device& d, std::string name)
{
  using transfer = kvstrata::layerwise_transfer<Engine>;
  const auto engine = std::make_shared<typename transfer::template on<Device>>(d);
  engine_in_use out;
  out.name = std::move(name);
  out.lands_in_window = transfer::lands_in_window;
  out.up = [engine](const laid_out& at, const kvstrata::fence& after) {
    return engine->onload(transfer::lands_in_window ? at.window : at.up, after);
  };
  out.up_to_pages = [engine](const laid_out& at, const kvstrata::fence& after) {
    if constexpr (transfer::lands_in_window) {
      return engine->relocate(at.relocate, engine->onload(at.window, after), {});
    } else {
      return engine->onload(at.up, after);
    }
  };
  out.down = [engine](const kvstrata::copy_list& list, const kvstrata::fence& after) {
    return engine->offload(list, {}, after);
  };
  return out;
}

/// Every engine as it is shipped, and the copy kernel with larger budgets.
template <kvstrata::device Device>
[[nodiscard]] std::vector<engine_in_use> all_engines(Device& d)
{
  using namespace kvstrata;
  return {use<per_page_copy>(d, "per_page"),     use<coalesced_copy>(d, "coalesced"),
          use<batched_copy<>>(d, "batched"),     use<staged_copy<>>(d, "staged"),
          use<window_copy<>>(d, "window"),       use<kernel_copy<8>>(d, "kernel, 8"),
          use<kernel_copy<16>>(d, "kernel, 16"), use<kernel_copy<0>>(d, "kernel, all")};
}

}  // namespace bench
