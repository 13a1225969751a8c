// What a put does first where the store has a codec: it encodes its records, since only then is known what place they take.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/codes/record_codes.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvstrata::nvme {

/// Encodes pages that lie anywhere. Not for several threads.
class page_encoder
{
 public:
  page_encoder(const body_code& code, const page_memory& pages)
      : code_(&code),
        pages_(&pages),
        bytes_(pages.layer_bytes()),
        most_(code.most_bytes()),
        raw_(pages.layer_bytes()),
        back_(code.lossy() ? pages.layer_bytes() : 0)
  {
  }

  /// Most bytes that add takes.
  [[nodiscard]] std::size_t most_bytes() const noexcept { return (std::max)(most_, bytes_); }

  /// Adds one page in one layer. `as_it_is`: whatever the codec could do. Throws error where the codec cannot decode its own
  /// code.
  void add(std::uint32_t layer, std::size_t page, bool as_it_is, record_codes& to)
  {
    const std::span<const std::byte> raw = piece_of(layer, page);
    const std::span<std::byte> room = to.room();
    const std::size_t made = as_it_is ? bytes_ : code_->encode(raw, room);
    if (made >= bytes_) {
      std::memcpy(room.data(), raw.data(), bytes_);
      return to.took(bytes_, crc32c(raw), true);
    }
    if (!code_->lossy()) return to.took(made, crc32c(raw), false);
    const std::span<std::byte> back(back_.data(), bytes_);  // what a get will give
    if (!code_->decode(room.first(made), back)) throw error("nvme_file: the codec cannot decode its own code");
    to.took(made, crc32c(back), false);
  }

 private:
  /// In one piece, and aligned as codecs want it.
  [[nodiscard]] std::span<const std::byte> piece_of(std::uint32_t layer, std::size_t page)
  {
    constexpr std::uintptr_t alignment = 16;
    found_.clear();
    pages_->append_layer(layer, page, 1, found_);
    if (found_.size() == 1 && reinterpret_cast<std::uintptr_t>(found_.front().data) % alignment == 0) {
      return {found_.front().data, bytes_};
    }
    std::size_t at = 0;
    for (const memory_piece& part : found_) {
      std::memcpy(raw_.data() + at, part.data, part.bytes);
      at += part.bytes;
    }
    return {raw_.data(), bytes_};
  }

  const body_code* code_;
  const page_memory* pages_;
  std::size_t bytes_;
  std::size_t most_;
  block_buffer raw_, back_;
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
    const std::uint64_t most = core.config.layers * most_part_blocks(c.pages.size(), encoder.most_bytes());
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
