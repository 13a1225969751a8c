// A copy list, layer by layer, as one ticket.
#pragma once

#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/transfer/copy_engine.hpp>
#include <kvstrata/transfer/ticket.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Queues all layers of a list, each by layer(l) -> copied, which asks `engine`. When that throws, nothing that was
/// queued is under way any more. Does not block otherwise.
template <class Engine, class Layer>
[[nodiscard]] ticket queue_layers(Engine& engine, const copy_list& list, Layer&& layer)
{
  ticket done;
  if (list.empty()) return done;
  done.bytes = list.bytes();
  done.layers.reserve(list.layers);
  try {
    for (layer_index l = 0; l < list.layers; ++l) {
      const copied moved = layer(l);
      done.copies += moved.calls;
      done.pieces += moved.pieces;
      done.layers.push_back(moved.done);
    }
  } catch (...) {
    engine.drain_sync();  // nobody gets a ticket for the copies that are queued already
    throw;
  }
  return done;
}

}  // namespace kvstrata
