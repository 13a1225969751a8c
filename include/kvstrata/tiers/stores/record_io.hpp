// What every I/O of a store that keeps records has in common: what it is, of whom, and which memory it moves.
#pragma once

#include <kvstrata/tiers/stores/layer_memory.hpp>
#include <kvstrata/tiers/stores/promised_io.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct record_io : promised_io
{
  enum class kind : std::uint8_t { ask, put, get, flush };

  kind what = kind::ask;
  sequence_key key;
  record_header header;
  token_interval wanted;         ///< of a get
  std::uint32_t page_bytes = 0;  ///< in all layers
  std::vector<io_piece> pieces;
  std::vector<byte_range> ranges;                     ///< the same
  std::vector<std::vector<byte_range>> layer_ranges;  ///< of what comes by layers

  void use(std::span<const io_piece> which, const fence& after)
  {
    pieces.assign(which.begin(), which.end());
    for (const io_piece& piece : pieces) ranges.push_back({piece.data, piece.bytes});
    ready = after;
  }

  /// The bytes of a get come layer by layer, each with a point of its own. Behind use(). O(pieces x layers).
  void come_by_layer(std::uint32_t layers)
  {
    layer_points.resize(layers);
    layer_ranges.resize(layers);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const stores::layer_memory mine(pieces, page_bytes, layers, layer);
      for (const io_piece& piece : mine.pieces()) layer_ranges[layer].push_back({piece.data, piece.bytes});
    }
  }

  /// What is promised: all of it, or one layer of several. Refers to this I/O's ranges.
  [[nodiscard]] host_io described(std::size_t layer, std::size_t layers) const
  {
    host_io out{.ready = ready};
    if (layers > 1) {
      out.label = "get of a layer";
      out.writes = layer_ranges[layer];
      return out;
    }
    switch (what) {
      case kind::ask: out.label = "ask"; break;
      case kind::put:
        out.label = "put";
        out.reads = ranges;
        break;
      case kind::get:
        out.label = "get";
        out.writes = ranges;
        break;
      case kind::flush: out.label = "flush"; break;
    }
    return out;
  }
};

}  // namespace kvstrata
