// A get of records whose bodies are encoded: the pages that are wanted are decoded, checked, and only then written.
#pragma once

#include <kvstrata/tiers/nvme/calls/page_memory.hpp>
#include <kvstrata/tiers/nvme/codes/read_codes.hpp>
#include <kvstrata/tiers/stores/codes/piece_coder.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Decodes pages to wherever they go. Not for several threads.
class page_decoder
{
 public:
  page_decoder(const body_code& code, const page_memory& into) : decoder_(code), into_(&into) {}

  /// Writes one page in one layer. False: the code is malformed, or gives other bytes than were put; nothing was written.
  [[nodiscard]] bool put_down(const page_code& from, std::uint32_t layer, std::size_t page)
  {
    const std::span<const std::byte> raw = decoder_.decode(from);
    if (raw.empty()) return false;
    found_.clear();
    into_->append_layer(layer, page, 1, found_);
    piece_buffer::scatter(raw, std::span<const memory_piece>(found_));
    return true;
  }

 private:
  piece_decoder decoder_;
  const page_memory* into_;
  std::vector<memory_piece> found_;
};

/// As read_records_sync.
inline void decode_records_sync(store_core& core, const sequence_key& key, const record_header& header,
                                const page_memory& into, std::vector<record_read>& reads,
                                const std::function<void(std::uint32_t)>& layer_is_there)
{
  page_decoder decoder(*core.config.code, into);
  const auto take = [&](std::size_t record, std::uint32_t layer, std::span<const std::byte> part) {
    const record_read& r = reads[record];
    const page_interval has = pages_of(r.from.tokens, header.page_tokens);
    part_reader from(part, has.size());
    for (page_count p = has.begin; p < r.wanted.end; ++p) {
      page_code page;
      if (!from.next(page)) return false;
      if (p < r.wanted.begin) continue;
      if (!decoder.put_down(page, layer, r.first + (p - r.wanted.begin))) return false;
    }
    return true;
  };
  coded_reading(core, reads).read_sync(key, header, into.page_bytes(), take, layer_is_there);
}

/// Reads all of them, and says of each whether it is as it was written. Nothing is decoded.
inline void check_codes_sync(store_core& core, const sequence_key& key, const record_header& header,
                             std::size_t page_bytes, std::vector<record_read>& reads)
{
  coded_reading(core, reads)
      .read_sync(key, header, page_bytes, [](std::size_t, std::uint32_t, std::span<const std::byte>) { return true; });
}

}  // namespace kvstrata::nvme
