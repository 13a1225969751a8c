// Which items may be shown now: one bit an item, and one a prefix, set where an eligible item begins with it. So decoding never
// walks into a prefix below which nothing may be shown.
#pragma once

#include "decoder/catalogue/item_trie.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace decoder {

class eligible_items
{
 public:
  /// Bit i of `mask` (bit i % 64 of word i / 64) says it of item i; `bits` is how many there are. O(items / 64 + nodes), and a bit a
  /// node. Throws kvstrata::config_error where the mask is not of as many bits as the trie has items.
  eligible_items(std::shared_ptr<const item_trie> items, std::span<const std::uint64_t> mask, std::size_t bits);

  /// Of a node of level [0, depth].
  [[nodiscard]] bool allows(std::uint32_t level, std::uint32_t node) const noexcept
  {
    return (bits_[level][node / 64] >> (node % 64) & 1U) != 0;
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] const std::shared_ptr<const item_trie>& items() const noexcept { return items_; }

 private:
  std::shared_ptr<const item_trie> items_;
  std::vector<std::vector<std::uint64_t>> bits_;  // [depth + 1][nodes / 64]
  std::uint32_t count_ = 0;
};

}  // namespace decoder
