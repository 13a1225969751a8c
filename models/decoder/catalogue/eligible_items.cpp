#include "decoder/catalogue/eligible_items.hpp"

#include <kvstrata/core/error.hpp>

#include <bit>
#include <string>
#include <utility>

namespace decoder {
namespace {

// Is a bit of [begin, end) set?
bool any(std::span<const std::uint64_t> bits, std::uint32_t begin, std::uint32_t end)
{
  while (begin < end) {
    const std::uint32_t skip = begin % 64;
    const std::uint32_t here = end - begin < 64 - skip ? end - begin : 64 - skip;
    const std::uint64_t mask = here == 64 ? ~std::uint64_t{0} : ((std::uint64_t{1} << here) - 1) << skip;
    if ((bits[begin / 64] & mask) != 0) return true;
    begin += here;
  }
  return false;
}

}  // namespace

eligible_items::eligible_items(std::shared_ptr<const item_trie> items, std::span<const std::uint64_t> mask,
                               std::size_t bits)
    : items_(std::move(items))
{
  if (items_ == nullptr) throw kvstrata::config_error("the catalogue of eligible items", "null", "there must be one");
  if (bits != items_->items()) {
    throw kvstrata::config_error("the mask of eligible items", std::to_string(bits) + " bits",
                                 "the catalogue has " + std::to_string(items_->items()) + " items");
  }
  if (mask.size() != (bits + 63) / 64) {
    throw kvstrata::config_error("the mask of eligible items", std::to_string(mask.size()) + " words",
                                 std::to_string(bits) + " bits take " + std::to_string((bits + 63) / 64));
  }
  const std::uint32_t depth = items_->depth();
  bits_.resize(depth + 1);
  bits_[depth].assign(mask.begin(), mask.end());
  if (bits % 64 != 0) bits_[depth].back() &= (std::uint64_t{1} << bits % 64) - 1;
  for (const std::uint64_t word : bits_[depth]) count_ += static_cast<std::uint32_t>(std::popcount(word));
  for (std::uint32_t level = depth; level-- > 0;) {
    bits_[level].assign((items_->nodes(level) + 63) / 64, 0);
    for (std::uint32_t node = 0; node < items_->nodes(level); ++node) {
      const item_trie::children below = items_->children_of(level, node);
      const auto end = below.first + static_cast<std::uint32_t>(below.tokens.size());
      if (any(bits_[level + 1], below.first, end)) bits_[level][node / 64] |= std::uint64_t{1} << node % 64;
    }
  }
}

}  // namespace decoder
