// What may be decoded: the items that exist and which of them may be shown, as one version; and the versions, one after the
// other, under requests that run.
#pragma once

#include "decoder/catalogue/eligible_items.hpp"
#include "decoder/catalogue/item_trie.hpp"

#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace decoder {

/// A version: immutable, shared by all requests that began with it.
class catalogue
{
 public:
  /// All items may be shown. Throws kvstrata::config_error for a null pointer.
  explicit catalogue(std::shared_ptr<const item_trie> items) : items_(std::move(items))
  {
    if (items_ == nullptr) throw kvstrata::config_error("the catalogue's items", "null", "there must be some");
  }
  /// Those may be shown that `eligible` says, of its items.
  explicit catalogue(std::shared_ptr<const eligible_items> eligible) : eligible_(std::move(eligible))
  {
    if (eligible_ == nullptr) throw kvstrata::config_error("the eligible items", "null", "there must be some");
    items_ = eligible_->items();
  }

  [[nodiscard]] const item_trie& items() const noexcept { return *items_; }
  /// Null where all items may be shown.
  [[nodiscard]] const eligible_items* eligible() const noexcept { return eligible_.get(); }
  /// Items that may be shown.
  [[nodiscard]] std::uint32_t showable() const noexcept { return eligible_ ? eligible_->count() : items_->items(); }

  /// Calls each(token, node) for the tokens that may follow a node of a level below the depth, ascending; `node` is the child.
  /// The list of allowed tokens.
  template <class Each>
  void allowed(std::uint32_t level, std::uint32_t node, Each each) const
  {
    const item_trie::children all = items_->children_of(level, node);
    for (std::uint32_t j = 0; j < all.tokens.size(); ++j) {
      if (!eligible_ || eligible_->allows(level + 1, all.first + j)) each(all.tokens[j], all.first + j);
    }
  }
  /// The same as a mask: bit t is set where token t may follow, all others are not. `mask` has a word for every 64 tokens of
  /// the level's codebook; throws kvstrata::usage_error, and nothing is written, where it has more or fewer.
  void mask(std::uint32_t level, std::uint32_t node, std::span<std::uint64_t> mask) const
  {
    const std::size_t words = (std::size_t{items_->codebooks()[level]} + 63) / 64;
    if (mask.size() != words) {
      throw kvstrata::usage_error("a mask of level " + std::to_string(level) + " has " + std::to_string(words) +
                                  " words, but this one has " + std::to_string(mask.size()));
    }
    for (std::uint64_t& word : mask) word = 0;
    allowed(level, node,
            [&](std::uint32_t token, std::uint32_t) { mask[token / 64] |= std::uint64_t{1} << token % 64; });
  }

 private:
  std::shared_ptr<const item_trie> items_;
  std::shared_ptr<const eligible_items> eligible_;  // null: all
};

/// The version that new requests begin with. Safe to use from several threads; a request keeps what it began with, and the
/// last one gives it back.
class catalogue_versions
{
 public:
  explicit catalogue_versions(std::shared_ptr<const catalogue> first) { publish(std::move(first)); }

  [[nodiscard]] std::shared_ptr<const catalogue> current() const
  {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  /// Throws kvstrata::usage_error for a null pointer, and the version stays.
  void publish(std::shared_ptr<const catalogue> next)
  {
    if (next == nullptr) throw kvstrata::usage_error("a catalogue that is published must not be null");
    const std::lock_guard lock(mutex_);
    current_.swap(next);  // the old one, if nobody has it, goes when the lock is free again
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const catalogue> current_;
};

}  // namespace decoder
