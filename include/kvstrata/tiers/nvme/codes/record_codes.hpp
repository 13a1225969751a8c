// A record whose body is encoded, as it is written: room for its head, and the layers' parts behind it.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/record_head.hpp>
#include <kvstrata/tiers/stores/codes/coded_part.hpp>
#include <kvstrata/tiers/stores/format/crc32c.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

using stores::page_code;  // not that of copies

/// Filled layer by layer, and in each page by page.
class record_codes
{
 public:
  /// Of so many pages; its body takes at most `most_blocks`.
  record_codes(page_count pages, std::uint32_t layers, std::uint64_t most_blocks)
      : memory_((1 + most_blocks) * block_bytes), pages_(pages)
  {
    parts_.reserve(layers);
  }

  void begin_layer() noexcept
  {
    part_ = at_;
    page_ = 0;
    at_ += std::size_t{pages_} * at_page_row::end;
  }
  /// Where the next page's code may be written.
  [[nodiscard]] std::span<std::byte> room() const noexcept { return {memory_.data() + at_, memory_.size() - at_}; }
  /// It has been: so many bytes.
  void took(std::size_t bytes, std::uint32_t raw_crc, bool as_it_is) noexcept
  {
    std::byte* const row = memory_.data() + part_ + std::size_t{page_++} * at_page_row::end;
    const std::uint32_t flag = as_it_is ? at_page_row::as_it_is : 0;
    store(row, at_page_row::code_bytes, static_cast<std::uint32_t>(bytes) | flag);
    store(row, at_page_row::raw_crc, raw_crc);
    at_ += bytes;
    code_bytes_ += bytes;
  }
  void add(const page_code& page) noexcept
  {
    if (!page.code.empty()) std::memcpy(room().data(), page.code.data(), page.code.size());
    took(page.code.size(), page.raw_crc, page.as_it_is);
  }
  void end_layer()
  {
    const std::size_t end = (at_ + block_bytes - 1) / block_bytes * block_bytes;
    std::memset(memory_.data() + at_, 0, end - at_);  // an encoder may have written further than it says
    at_ = end;
    parts_.push_back(
        {crc32c({memory_.data() + part_, end - part_}), static_cast<std::uint32_t>((end - part_) / block_bytes)});
  }

  [[nodiscard]] block_span head() noexcept { return memory_.block(0); }
  [[nodiscard]] std::span<const coded_part_mark> parts() const noexcept { return parts_; }
  [[nodiscard]] std::uint64_t body_blocks() const noexcept { return at_ / block_bytes - 1; }
  [[nodiscard]] std::uint64_t code_bytes() const noexcept { return code_bytes_; }
  /// Head and body.
  [[nodiscard]] memory_piece all() const noexcept { return {memory_.data(), at_}; }

 private:
  block_buffer memory_;
  page_count pages_;
  page_count page_ = 0;
  std::size_t part_ = 0;
  std::size_t at_ = block_bytes;
  std::uint64_t code_bytes_ = 0;
  std::vector<coded_part_mark> parts_;
};

/// A record of codes that are there: `codes` has those of a layer's pages one after the other, layer after layer.
[[nodiscard]] inline record_codes record_of_codes(std::span<const page_code> codes, page_count pages,
                                                  std::uint32_t layers)
{
  const auto of_layer = [&](std::uint32_t layer) { return codes.subspan(std::size_t{layer} * pages, pages); };
  std::uint64_t blocks = 0;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    std::uint64_t bytes = std::uint64_t{pages} * at_page_row::end;
    for (const page_code& page : of_layer(layer)) bytes += page.code.size();
    blocks += blocks_of(bytes);
  }
  record_codes out(pages, layers, blocks);
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    out.begin_layer();
    for (const page_code& page : of_layer(layer)) out.add(page);
    out.end_layer();
  }
  return out;
}

}  // namespace kvstrata::nvme
