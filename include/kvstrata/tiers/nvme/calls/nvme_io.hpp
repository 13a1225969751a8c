// One I/O of an nvme_file, from the call that asks for it until its outcome is told.
#pragma once

#include <kvstrata/tiers/nvme/books/region_book.hpp>
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
};

struct nvme_io : promised_io
{
  enum class kind : std::uint8_t { ask, put, get, flush };

  kind what = kind::ask;
  bool erased = false;    ///< its sequence was, before it was over
  bool outdated = false;  ///< its sequence was erased before its outcome was told
  sequence_key key;
  record_header header;
  token_interval wanted;       ///< of a get
  std::size_t page_bytes = 0;  ///< in all layers
  std::vector<io_piece> pieces;
  std::vector<byte_range> ranges;
  std::uint64_t order = 0;           ///< of a put
  std::vector<chunk> chunks;         ///< of a put
  std::uint64_t failed_flushes = 0;  ///< that there had been when its records were written

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
    carry_out(std::exchange(whom, nullptr), *this);
    end();
  }
};

}  // namespace kvstrata::nvme
