// What a put does first where the store has a codec: it encodes its records, since only then is known what place they take.
#pragma once

#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/codes/record_codes.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/stores/codes/piece_coder.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Encodes pages that lie anywhere. Not for several threads.
class page_encoder
{
 public:
  page_encoder(const body_code& code, const page_memory& pages)
      : encoder_(code), pages_(&pages), raw_(pages.layer_bytes())
  {
  }

  /// Most bytes that add takes.
  [[nodiscard]] std::size_t most_bytes() const noexcept { return encoder_.most_bytes(); }

  /// Adds one page in one layer. `as_it_is`: whatever the codec could do. Throws error where the codec cannot decode its own
  /// code.
  void add(std::uint32_t layer, std::size_t page, bool as_it_is, record_codes& to)
  {
    found_.clear();
    pages_->append_layer(layer, page, 1, found_);
    const page_code made = encoder_.encode(raw_.gather(std::span<const memory_piece>(found_)), to.room(), as_it_is);
    to.took(made.code.size(), made.raw_crc, made.as_it_is);
  }

 private:
  piece_encoder encoder_;
  const page_memory* pages_;
  piece_buffer raw_;
  std::vector<memory_piece> found_;
};

/// Encodes all of a put. A lossy codec leaves pages that its tokens fill in part as they are: what else lies there may be
/// anything, and would have its say in how the tokens are rounded. O(bytes).
inline void encode_put(const store_core& core, nvme_io& io)
{
  const body_code& code = *core.config.code;
  const page_memory pages(io.pieces, io.page_bytes, core.config.layers);
  const page_count first = io.header.pages().begin;
  page_encoder encoder(code, pages);
  for (const chunk& c : chunks_of(io.header, io.page_bytes, core.config.chunk_bytes)) {
    const std::uint64_t most = core.config.layers * blocks_of(most_part_bytes(c.pages.size(), encoder.most_bytes()));
    record_codes& record = io.codes.emplace_back(c.pages.size(), core.config.layers, most);
    for (std::uint32_t layer = 0; layer < core.config.layers; ++layer) {
      record.begin_layer();
      for (page_count p = c.pages.begin; p < c.pages.end; ++p) {
        const token_interval whole{p * io.header.page_tokens, (p + 1) * io.header.page_tokens};
        encoder.add(layer, p - first, code.lossy() && !c.tokens.contains(whole), record);
      }
      record.end_layer();
    }
  }
}

}  // namespace kvstrata::nvme
