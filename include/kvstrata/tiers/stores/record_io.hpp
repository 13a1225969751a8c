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

/// Plain data: it touches none of the bytes that it names, and makes no call. The store fills it in under its lock, before it is
/// promised (store_ios::begin); from then on its description stays as it is, so that who carries it out reads it without a lock. It
/// does not own the memory of its pieces: that must stay, and nobody else may write it, from when `ready` has passed until `point`
/// has, whatever the outcome. What goes wrong stands in promised_io::outcome; the calls here throw std::bad_alloc alone.
struct record_io : promised_io
{
  enum class kind : std::uint8_t { ask, put, get, flush };

  kind what = kind::ask;
  sequence_key key;       ///< of ask, put and get
  record_header header;   ///< of put and get: of a get that of the record it was told of, which may be gone by now
  token_interval wanted;  ///< of a get
  std::uint32_t page_bytes = 0;                       ///< of a page in all layers, where the store wants it
  std::vector<io_piece> pieces;                       ///< of put and get: whole pages, in the order of their tokens
  std::vector<byte_range> ranges;                     ///< the same bytes, as a device is told of them
  std::vector<std::vector<byte_range>> layer_ranges;  ///< [layer] of a get that comes by layers, else empty

  /// The memory that a put takes bytes from, or a get brings them to, from when `after` has passed. Once. Copies the list, and
  /// refers to its bytes. O(pieces).
  void use(std::span<const io_piece> which, const fence& after)
  {
    pieces.assign(which.begin(), which.end());
    for (const io_piece& piece : pieces) ranges.push_back({piece.data, piece.bytes});
    ready = after;
  }

  /// The bytes of a get come layer by layer, each with a point of its own, which store_ios::begin() makes. Once, behind use(), with
  /// page_bytes set: a multiple of `layers`, at least one. O((pieces + pages) x layers).
  void come_by_layer(std::uint32_t layers)
  {
    layer_points.resize(layers);
    layer_ranges.resize(layers);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const stores::layer_memory mine(pieces, page_bytes, layers, layer);
      for (const io_piece& piece : mine.pieces()) layer_ranges[layer].push_back({piece.data, piece.bytes});
    }
  }

  /// What is promised: all of it, or that layer of several. Its spans are this I/O's ranges: for the call that promises it.
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
