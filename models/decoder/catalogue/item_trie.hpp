// The items that exist, as a trie of their tuples in compressed sparse rows.
//
// A node of level l is a prefix of l tokens that some item begins with, numbered in the order of the sorted tuples; level 0
// has the root alone, and nodes of the last level are the items. The children of a node are numbered one after the other, so
// a row of tokens says both: child j has token tokens[j] and node number first + j. A beam carries its node from step to step, and
// nothing is looked up again. The first level, which every request asks for, has a dense table besides.
//
// After the tables of RecVocabDict in xLLM and STATIC (arXiv 2602.22647): dense in front, sparse rows behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace decoder {

class item_trie
{
 public:
  /// `tuples` is [items][codebooks.size()], ascending and different; codebooks[level] the tokens that there are at a level.
  /// O(items x depth), 4 to 8 bytes a node. Throws kvstrata::config_error: codebooks as check_codebooks(), no item, more than
  /// 2^31, a list that ends within a tuple, and what fault_of() finds, with the number of the tuple.
  item_trie(std::span<const std::uint32_t> codebooks, std::span<const std::uint32_t> tuples);

  [[nodiscard]] std::uint32_t depth() const noexcept { return static_cast<std::uint32_t>(codebooks_.size()); }
  [[nodiscard]] std::span<const std::uint32_t> codebooks() const noexcept { return codebooks_; }
  [[nodiscard]] std::uint32_t items() const noexcept { return nodes(depth()); }
  /// Nodes of a level in [0, depth()].
  [[nodiscard]] std::uint32_t nodes(std::uint32_t level) const noexcept
  {
    return level == 0 ? 1 : static_cast<std::uint32_t>(tokens_[level - 1].size());
  }

  /// The tokens that may follow a node, ascending; the child by tokens[j] is node first + j of the next level.
  struct children
  {
    std::uint32_t first = 0;
    std::span<const std::uint32_t> tokens;
  };
  /// Of a node of a level below depth(). O(1).
  [[nodiscard]] children children_of(std::uint32_t level, std::uint32_t node) const noexcept
  {
    const std::uint32_t first = offsets_[level][node];
    return {first, std::span(tokens_[level]).subspan(first, offsets_[level][node + 1] - first)};
  }
  /// The child of a node by a token of that level's codebook, if there is one. O(1) at the root, O(log children) elsewhere.
  [[nodiscard]] std::optional<std::uint32_t> child(std::uint32_t level, std::uint32_t node,
                                                   std::uint32_t token) const noexcept;
  /// The item with this tuple, of depth() tokens, if there is one. Tokens may be anything.
  [[nodiscard]] std::optional<std::uint32_t> find(std::span<const std::uint32_t> tuple) const noexcept;

  /// Items whose tuples begin with a node: [begin, end). O(depth).
  struct item_range
  {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  [[nodiscard]] item_range items_below(std::uint32_t level, std::uint32_t node) const noexcept;

 private:
  static constexpr std::uint32_t none = 0xffffffff;

  std::vector<std::uint32_t> codebooks_;
  std::vector<std::vector<std::uint32_t>> tokens_;   // [depth][nodes(level + 1)] by which a node is its parent's child
  std::vector<std::vector<std::uint32_t>> offsets_;  // [depth][nodes(level) + 1] where a node's children begin
  std::vector<std::uint32_t> first_;                 // [codebooks[0]] node of level 1, or none
};

}  // namespace decoder
