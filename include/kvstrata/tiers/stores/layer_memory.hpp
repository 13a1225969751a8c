// One layer of pages in memory, which lie page by page and in each its layers, seen as one row of bytes.
#pragma once

#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::stores {

/// A list of places: it owns none of the memory, reads and writes none, and is of use while that stays. Does not change once it is
/// made, so that any threads may ask it at once.
class layer_memory
{
 public:
  /// `all`: whole pages of `page_bytes`, in any pieces, which are read here only; layer `layer` of `layers` equal ones. Throws
  /// std::bad_alloc alone: what the numbers say is the caller's to check. O(pieces + pages).
  layer_memory(std::span<const io_piece> all, std::size_t page_bytes, std::uint32_t layers, std::uint32_t layer)
  {
    const std::size_t bytes = page_bytes / layers;
    std::size_t next = layer * bytes;  // where the next part begins, in all bytes
    std::size_t end = next + bytes;
    std::size_t at = 0;
    for (const io_piece& piece : all) {
      while (next < at + piece.bytes) {
        const std::size_t part = (std::min)(end, at + piece.bytes) - next;
        add({piece.data + (next - at), part});
        next += part;
        if (next != end) break;
        next = end - bytes + page_bytes;
        end = next + bytes;
      }
      at += piece.bytes;
    }
  }

  /// In their order; what lies side by side is one piece.
  [[nodiscard]] const std::vector<io_piece>& pieces() const noexcept { return pieces_; }

  /// Calls use(data, bytes) with the memory of bytes [begin, begin + bytes) of the row, in their order; the row has them all. What
  /// use() throws, comes out. O(log pieces), and a call a piece.
  template <class Use>
  void each(std::size_t begin, std::size_t bytes, Use&& use) const
  {
    auto i = static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), begin) - begins_.begin()) - 1;
    for (; bytes != 0; ++i) {
      const std::size_t skipped = begin - begins_[i];
      const std::size_t part = (std::min)(bytes, pieces_[i].bytes - skipped);
      use(pieces_[i].data + skipped, part);
      begin += part;
      bytes -= part;
    }
  }

 private:
  void add(io_piece piece)
  {
    if (!pieces_.empty() && pieces_.back().data + pieces_.back().bytes == piece.data) {
      pieces_.back().bytes += piece.bytes;
    } else {
      begins_.push_back(bytes_);
      pieces_.push_back(piece);
    }
    bytes_ += piece.bytes;
  }

  std::vector<io_piece> pieces_;
  std::vector<std::size_t> begins_;  // of each piece, in the row
  std::size_t bytes_ = 0;
};

}  // namespace kvstrata::stores
