// One I/O of an nvme_file, from the call that asks for it until its outcome is told.
#pragma once

#include <kvstrata/tiers/nvme/region_book.hpp>
#include <kvstrata/tiers/stores/promised_io.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::nvme {

/// What becomes one record of a put.
struct chunk
{
  token_interval tokens;
  page_interval pages;
  record_place place{};
};

struct nvme_io : promised_io
{
  enum class kind : std::uint8_t { ask, put, get, flush };

  kind what = kind::ask;
  bool erased = false;  ///< its sequence was, meanwhile
  sequence_key key;
  record_header header;
  token_interval wanted;       ///< of a get
  std::size_t page_bytes = 0;  ///< in all layers
  std::vector<io_piece> pieces;
  std::vector<byte_range> ranges;
  std::uint64_t order = 0;    ///< of a put
  std::vector<chunk> chunks;  ///< of a put

  void (*carry_out)(void* whom, nvme_io& io) noexcept = nullptr;
  void* whom = nullptr;

  void use(std::span<const io_piece> which, const fence& after)
  {
    pieces.assign(which.begin(), which.end());
    for (const io_piece& piece : pieces) ranges.push_back({piece.data, piece.bytes});
    ready = after;
  }

  [[nodiscard]] host_io described() const
  {
    host_io out{.ready = ready};
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
    carry_out(whom, *this);
    end();
  }
};

}  // namespace kvstrata::nvme
