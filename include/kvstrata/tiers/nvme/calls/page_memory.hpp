// Pages in memory, page by page and in each its layers, as they lie on disk: layer by layer, and in each the pages.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Pieces seen as one row of pages. Not written by it.
class page_memory
{
 public:
  page_memory(std::span<const io_piece> pieces, std::size_t page_bytes, std::uint32_t layers)
      : page_bytes_(page_bytes), layer_bytes_(page_bytes / layers)
  {
    begins_.reserve(pieces.size());
    std::size_t at = 0;
    for (const io_piece& piece : pieces) {
      if (piece.bytes == 0) continue;
      begins_.push_back(at);
      pieces_.push_back(piece);
      at += piece.bytes;
    }
  }

  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
  [[nodiscard]] std::size_t layer_bytes() const noexcept { return layer_bytes_; }  ///< of a page

  /// Appends the memory of one layer of pages [first, first + count), joined where it is one.
  void append_layer(std::uint32_t layer, std::size_t first, std::size_t count, std::vector<memory_piece>& out) const
  {
    for (std::size_t page = first; page < first + count; ++page) {
      append(page * page_bytes_ + layer * layer_bytes_, layer_bytes_, out);
    }
  }

  /// Adds a piece behind others, as part of the last one where it follows it in memory.
  static void add(memory_piece piece, std::vector<memory_piece>& out)
  {
    if (!out.empty() && out.back().data + out.back().bytes == piece.data) out.back().bytes += piece.bytes;
    else out.push_back(piece);
  }

 private:
  void append(std::size_t at, std::size_t bytes, std::vector<memory_piece>& out) const
  {
    auto i = static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), at) - begins_.begin()) - 1;
    for (; bytes != 0; ++i) {
      const std::size_t skipped = at - begins_[i];
      const std::size_t part = (std::min)(bytes, pieces_[i].bytes - skipped);
      add({pieces_[i].data + skipped, part}, out);
      at += part;
      bytes -= part;
    }
  }

  std::size_t page_bytes_;
  std::size_t layer_bytes_;
  std::vector<io_piece> pieces_;
  std::vector<std::size_t> begins_;
};

}  // namespace kvstrata::nvme
