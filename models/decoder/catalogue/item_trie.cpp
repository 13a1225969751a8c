#include "decoder/catalogue/item_trie.hpp"

#include "decoder/catalogue/tuples.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <string>

namespace decoder {

item_trie::item_trie(std::span<const std::uint32_t> codebooks, std::span<const std::uint32_t> tuples)
{
  check_codebooks(codebooks);
  const std::size_t depth = codebooks.size();
  const std::size_t items = tuples.size() / depth;
  constexpr std::size_t most = std::size_t{1} << 31;
  if (tuples.empty()) throw kvstrata::config_error("the catalogue's items", 0, "there must be at least 1");
  if (tuples.size() % depth != 0) {
    throw kvstrata::config_error("the catalogue's tokens", tuples.size(),
                                 "tuples of " + std::to_string(depth) + " tokens make a multiple of that");
  }
  if (items > most) throw kvstrata::config_error("the catalogue's items", items, "they may be at most 2147483648");

  codebooks_.assign(codebooks.begin(), codebooks.end());
  tokens_.resize(depth);
  offsets_.resize(depth);
  offsets_[0].push_back(0);
  std::span<const std::uint32_t> previous;
  for (std::size_t i = 0; i < items; ++i) {
    const std::span<const std::uint32_t> tuple = tuples.subspan(i * depth, depth);
    if (const std::string fault = fault_of(codebooks, previous, tuple); !fault.empty()) {
      throw kvstrata::config_error("the catalogue's tuple " + std::to_string(i), to_string(tuple), fault);
    }
    std::size_t level = 0;  // the first at which it differs from the one before
    if (!previous.empty()) {
      while (tuple[level] == previous[level]) ++level;
    }
    for (; level < depth; ++level) {
      tokens_[level].push_back(tuple[level]);
      if (level + 1 < depth) offsets_[level + 1].push_back(static_cast<std::uint32_t>(tokens_[level + 1].size()));
    }
    previous = tuple;
  }
  for (std::size_t level = 0; level < depth; ++level) {
    offsets_[level].push_back(static_cast<std::uint32_t>(tokens_[level].size()));
    tokens_[level].shrink_to_fit();
    offsets_[level].shrink_to_fit();
  }
  first_.assign(codebooks_[0], none);
  for (std::size_t node = 0; node < tokens_[0].size(); ++node)
    first_[tokens_[0][node]] = static_cast<std::uint32_t>(node);
}

std::optional<std::uint32_t> item_trie::child(std::uint32_t level, std::uint32_t node,
                                              std::uint32_t token) const noexcept
{
  if (level == 0) {
    if (token >= first_.size() || first_[token] == none) return std::nullopt;
    return first_[token];
  }
  const children all = children_of(level, node);
  const auto at = std::lower_bound(all.tokens.begin(), all.tokens.end(), token);
  if (at == all.tokens.end() || *at != token) return std::nullopt;
  return all.first + static_cast<std::uint32_t>(at - all.tokens.begin());
}

std::optional<std::uint32_t> item_trie::find(std::span<const std::uint32_t> tuple) const noexcept
{
  std::uint32_t node = 0;
  for (std::uint32_t level = 0; level < depth(); ++level) {
    const auto next = child(level, node, tuple[level]);
    if (!next) return std::nullopt;
    node = *next;
  }
  return node;
}

item_trie::item_range item_trie::items_below(std::uint32_t level, std::uint32_t node) const noexcept
{
  std::uint32_t begin = node;
  std::uint32_t end = node + 1;
  for (; level < depth(); ++level) {
    begin = offsets_[level][begin];
    end = offsets_[level][end];
  }
  return {begin, end};
}

}  // namespace decoder
