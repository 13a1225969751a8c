// One I/O of an nvme_file, from the call that asks for it until its outcome is told.
#pragma once

#include <kvstrata/tiers/nvme/books/region_book.hpp>
#include <kvstrata/tiers/nvme/codes/record_codes.hpp>
#include <kvstrata/tiers/stores/record_io.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// What becomes one record of a put.
struct chunk
{
  token_interval tokens;
  page_interval pages;
  record_place place{};
  std::uint64_t body_blocks = 0;
};

struct nvme_io : record_io
{
  bool erased = false;                ///< its sequence was, before it was over
  bool waits = false;                 ///< a put, for places
  bool has_none = false;              ///< a put that waited for nothing
  bool outdated = false;              ///< its sequence was erased before its outcome was told
  std::uint64_t order = 0;            ///< of a put
  std::vector<chunk> chunks;          ///< of a put
  std::vector<record_codes> codes;    ///< of a put that is encoded, of each chunk
  std::uint64_t promised_blocks = 0;  ///< of a put that is not yet encoded, at most
  std::uint64_t failed_flushes = 0;   ///< that there had been when its records were written

  /// Who carries it out, or gives its places back where nobody did.
  void (*carry_out)(void* whom, nvme_io& io) noexcept = nullptr;
  void (*abandon)(void* whom, nvme_io& io) noexcept = nullptr;
  void* whom = nullptr;

  nvme_io() = default;
  ~nvme_io()
  {
    if (whom != nullptr) abandon(whom, *this);
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
