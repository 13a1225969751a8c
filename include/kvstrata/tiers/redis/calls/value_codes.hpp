// Bodies of values that are encoded: whole pages of a layer, their codes one behind the other (stores/codes/coded_part.hpp).
#pragma once

#include <kvstrata/tiers/stores/codes/piece_coder.hpp>
#include <kvstrata/tiers/stores/layer_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// Not for several threads.
class value_encoder
{
 public:
  /// `header`: of the put.
  value_encoder(const stores::body_code& code, const record_header& header)
      : code_(&code), header_(header), encoder_(code), raw_(code.piece().bytes())
  {
  }

  /// Of bytes [begin, begin + bytes) of a layer of the put's pages, which are whole pages. A lossy codec leaves pages that the
  /// put's tokens fill in part as they are: what else lies there may be anything, and would have its say in how the tokens are
  /// rounded. Throws error where the codec cannot decode its own code.
  [[nodiscard]] std::vector<std::byte> encode(const stores::layer_memory& memory, std::uint64_t begin,
                                              std::uint64_t bytes)
  {
    using namespace stores;
    const std::size_t page_bytes = code_->piece().bytes();
    const auto pages = static_cast<page_count>(bytes / page_bytes);
    std::size_t at = std::size_t{pages} * at_page_row::end;
    room_.resize(at + (pages - 1) * page_bytes + encoder_.most_bytes());
    for (page_count i = 0; i < pages; ++i) {
      const std::uint64_t from = begin + std::uint64_t{i} * page_bytes;
      const page_count page = header_.pages().begin + static_cast<page_count>(from / page_bytes);
      const token_interval whole{page * header_.page_tokens, (page + 1) * header_.page_tokens};
      found_.clear();
      memory.each(from, page_bytes, [this](std::byte* data, std::size_t n) { found_.push_back({data, n}); });
      const stores::page_code made =
          encoder_.encode(raw_.gather(std::span<const io_piece>(found_)), std::span(room_).subspan(at),
                          code_->lossy() && !header_.tokens.contains(whole));
      std::byte* const row = room_.data() + std::size_t{i} * at_page_row::end;
      const std::uint32_t flag = made.as_it_is ? at_page_row::as_it_is : 0;
      store(row, at_page_row::code_bytes, static_cast<std::uint32_t>(made.code.size()) | flag);
      store(row, at_page_row::raw_crc, made.raw_crc);
      at += made.code.size();
    }
    return {room_.begin(), room_.begin() + static_cast<std::ptrdiff_t>(at)};
  }

 private:
  const stores::body_code* code_;
  record_header header_;
  stores::piece_encoder encoder_;
  stores::piece_buffer raw_;
  std::vector<io_piece> found_;
  std::vector<std::byte> room_;
};

/// What of a value's pages is wanted, and where it goes.
struct wanted_pages
{
  page_count pages = 0;      ///< of the value
  page_count skipped = 0;    ///< before the first that is wanted
  page_count used = 0;       ///< that are wanted
  std::uint64_t memory = 0;  ///< where the first goes, in bytes of the layer of the get's pages
};

/// Not for several threads.
class value_decoder
{
 public:
  explicit value_decoder(const stores::body_code& code) : bytes_(code.piece().bytes()), decoder_(code) {}

  /// False: the body is not what was put; pages of it may have been written.
  [[nodiscard]] bool decode(std::span<const std::byte> body, const wanted_pages& wanted,
                            const stores::layer_memory& memory)
  {
    if (body.size() < std::size_t{wanted.pages} * stores::at_page_row::end) return false;
    stores::part_reader from(body, wanted.pages);
    for (page_count i = 0; i < wanted.skipped + wanted.used; ++i) {
      stores::page_code page;
      if (!from.next(page)) return false;
      if (i < wanted.skipped) continue;
      const std::span<const std::byte> raw = decoder_.decode(page);
      if (raw.empty()) return false;
      found_.clear();
      memory.each(wanted.memory + std::uint64_t{i - wanted.skipped} * bytes_, bytes_,
                  [this](std::byte* data, std::size_t n) { found_.push_back({data, n}); });
      stores::piece_buffer::scatter(raw, std::span<const io_piece>(found_));
    }
    return true;
  }

 private:
  std::size_t bytes_;
  stores::piece_decoder decoder_;
  std::vector<io_piece> found_;
};

}  // namespace kvstrata::redis
