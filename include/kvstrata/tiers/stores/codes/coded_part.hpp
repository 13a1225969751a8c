// Pages of a record in one layer, encoded: a row for each of its pages, then their codes, one behind the other.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/tiers/stores/format/fields.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

namespace at_page_row {                  // one after the other from the begin of the part
inline constexpr field32 code_bytes{0};  // and in its highest bit: these are the page's own bytes
inline constexpr field32 raw_crc{4};     // of the bytes that decoding gives
inline constexpr std::size_t end = 8;
inline constexpr std::uint32_t as_it_is = 1U << 31U;
static_assert(apart(0, end, code_bytes, raw_crc));
}  // namespace at_page_row

/// The code of one page in one layer.
struct page_code
{
  std::span<const std::byte> code{};
  std::uint32_t raw_crc = 0;
  bool as_it_is = false;  ///< `code` is the page's own bytes
};

/// Most bytes of a part of so many pages.
[[nodiscard]] constexpr std::uint64_t most_part_bytes(page_count pages, std::size_t most_code_bytes) noexcept
{
  return std::uint64_t{pages} * (at_page_row::end + most_code_bytes);
}

/// Reads the pages of a part one after the other, whatever bytes these are.
class part_reader
{
 public:
  part_reader(std::span<const std::byte> part, page_count pages) noexcept
      : part_(part), pages_(pages), at_(std::size_t{pages} * at_page_row::end)
  {
  }

  /// The next page's. False: it does not lie within the part, nor do those behind it.
  [[nodiscard]] bool next(page_code& out) noexcept
  {
    if (page_ == pages_ || at_ > part_.size()) return false;
    const std::byte* const row = part_.data() + std::size_t{page_} * at_page_row::end;
    const std::uint32_t length = load(row, at_page_row::code_bytes);
    const std::size_t bytes = length & ~at_page_row::as_it_is;
    if (bytes > part_.size() - at_) {
      page_ = pages_;
      return false;
    }
    out = {part_.subspan(at_, bytes), load(row, at_page_row::raw_crc), (length & at_page_row::as_it_is) != 0};
    at_ += bytes;
    ++page_;
    return true;
  }

 private:
  std::span<const std::byte> part_;
  page_count pages_;
  page_count page_ = 0;
  std::size_t at_;
};

}  // namespace kvstrata::stores
