// One I/O of an nvme_file, from the call that asks for it until its outcome is told.
#pragma once

#include <kvstrata/tiers/nvme/books/region_book.hpp>
#include <kvstrata/tiers/nvme/calls/page_memory.hpp>
#include <kvstrata/tiers/nvme/codes/record_codes.hpp>
#include <kvstrata/tiers/stores/promised_io.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::nvme {

/// What becomes one record of a put.
struct chunk
{
  token_interval tokens;
  page_interval pages;
  record_place place{};
  std::uint64_t body_blocks = 0;
};

struct nvme_io : promised_io
{
  enum class kind : std::uint8_t { ask, put, get, flush };

  kind what = kind::ask;
  bool erased = false;    ///< its sequence was, before it was over
  bool waits = false;     ///< a put, for places
  bool has_none = false;  ///< a put that waited for nothing
  bool outdated = false;  ///< its sequence was erased before its outcome was told
  sequence_key key;
  record_header header;
  token_interval wanted;       ///< of a get
  std::size_t page_bytes = 0;  ///< in all layers
  std::vector<io_piece> pieces;
  std::vector<byte_range> ranges;
  std::vector<std::vector<byte_range>> layer_ranges;  ///< of what comes by layers
  std::uint64_t order = 0;                            ///< of a put
  std::vector<chunk> chunks;                          ///< of a put
  std::vector<record_codes> codes;                    ///< of a put that is encoded, of each chunk
  std::uint64_t promised_blocks = 0;                  ///< of a put that is not yet encoded, at most
  std::uint64_t failed_flushes = 0;                   ///< that there had been when its records were written

  /// Who carries it out, or gives its places back where nobody did.
  void (*carry_out)(void* whom, nvme_io& io) noexcept = nullptr;
  void (*abandon)(void* whom, nvme_io& io) noexcept = nullptr;
  void* whom = nullptr;

  nvme_io() = default;
  ~nvme_io()
  {
    if (whom != nullptr) abandon(whom, *this);
  }

  void use(std::span<const io_piece> which, const fence& after)
  {
    pieces.assign(which.begin(), which.end());
    for (const io_piece& piece : pieces) ranges.push_back({piece.data, piece.bytes});
    ready = after;
  }

  /// The bytes of a get come layer by layer, each with a point of its own.
  void come_by_layer(std::uint32_t layers)
  {
    const page_memory pages(std::span<const io_piece>(pieces), page_bytes, layers);
    layer_points.resize(layers);
    layer_ranges.resize(layers);
    std::vector<memory_piece> mine;
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      mine.clear();
      pages.append_layer(layer, 0, pages_of(wanted, header.page_tokens).size(), mine);
      for (const memory_piece& piece : mine) layer_ranges[layer].push_back({piece.data, piece.bytes});
    }
  }

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

  void run() noexcept
  {
    run_first();
    if (layer_is_there) layer_is_there(static_cast<std::uint32_t>(layer_points.size()));  // also where one was lost
    end();
  }
  void run_first() noexcept
  {
    if (whom != nullptr) carry_out(std::exchange(whom, nullptr), *this);
  }
};

}  // namespace kvstrata::nvme
