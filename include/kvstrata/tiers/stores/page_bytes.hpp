// What a put or a get says of pages is looked at before anything is begun.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/stores/codes/body_code.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// Bytes of a page, in all its layers. Throws usage_error where the pieces are no `pages` pages of `layers` equal layers, each
/// page below 4 GiB, or not what the codec encodes; `code` is null where there is none.
[[nodiscard]] inline std::uint32_t bytes_of_a_page(std::string_view store, std::string_view call,
                                                   std::span<const io_piece> pieces, const record_header& header,
                                                   page_count pages, std::uint32_t layers, const body_code* code)
{
  std::size_t bytes = 0;
  for (const io_piece& piece : pieces) bytes += piece.bytes;
  const auto begin = [&] {
    return std::string(store) + ": " + std::string(call) + " names " + std::to_string(bytes) + " bytes for " +
           std::to_string(pages) + " pages";
  };
  if (pages == 0 || bytes == 0 || bytes % pages != 0) throw usage_error(begin());
  const std::size_t page = bytes / pages;
  if (page % layers != 0 || page > (std::numeric_limits<std::uint32_t>::max)()) {
    throw usage_error(begin() + ", which are not " + std::to_string(layers) +
                      " equal layers each of a page below 4 GiB (" + std::string(store) + ".layers)");
  }
  if (code != nullptr) {
    const piece_shape& piece = code->piece();
    if (page != piece.bytes() * layers || header.page_tokens != piece.tokens) {
      throw usage_error(begin() + " of " + std::to_string(header.page_tokens) +
                        " tokens, and the store's codec encodes pages of " + std::to_string(piece.tokens) +
                        " tokens and " + std::to_string(piece.bytes()) + " bytes in each of " + std::to_string(layers) +
                        " layers (" + std::string(store) + ".piece)");
    }
  }
  return static_cast<std::uint32_t>(page);
}

}  // namespace kvstrata::stores
