// What a context is made of: blocks at their places, and between them tokens that are the request's own.
#pragma once

#include <kvstrata/assembly/block.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/sequence_name.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Checked as it is made. Serves context after context, and allocates nothing in steady state. Not synchronised.
class block_list
{
 public:
  /// Begins anew: a context of so many tokens, of one model, and what becomes of the request for it where another lease encodes one
  /// of its blocks just now (parts()).
  void start(epoch_id model, token_count context, computed_elsewhere if_computed_elsewhere = computed_elsewhere::wait)
  {
    model_ = model;
    context_ = context;
    if_computed_elsewhere_ = if_computed_elsewhere;
    free_ = 0;
    blocks_.clear();
    parts_.clear();
    part_of_.clear();
    std::fill(slots_.begin(), slots_.end(), 0U);
  }

  /// The next block. O(1). Throws usage_error, and nothing has changed, for one without tokens, of no kind, of another model,
  /// that begins before the last one ends, or that ends beyond the context; and for one that is there already as another
  /// version, or with another number of tokens.
  void add(const placed_block& block)
  {
    // What must hold, in few instructions; which of it does not is nobody's hurry.
    const bool fits =
        block.tokens != 0 && block.start >= free_ && std::uint64_t{block.start} + block.tokens <= context_;
    if (!fits || block.key.model != model_ || block.key.kind == 0) [[unlikely]]
      refuse(block);
    if (blocks_.size() == blocks_.capacity()) [[unlikely]]
      make_room();
    std::uint32_t& slot = slot_of(key_of(block.key));
    if (slot != 0) {
      require_same(parts_[slot - 1], block);
    } else {
      parts_.push_back(part_of(block, if_computed_elsewhere_));
      slot = static_cast<std::uint32_t>(parts_.size());
    }
    blocks_.push_back(block);
    part_of_.push_back(slot - 1);
    free_ = block.start + block.tokens;
  }

  [[nodiscard]] epoch_id model() const noexcept { return model_; }
  [[nodiscard]] token_count context() const noexcept { return context_; }
  [[nodiscard]] std::span<const placed_block> blocks() const noexcept { return blocks_; }

  /// What to ask the cache for: each block once, however often it is in the context. Valid until the next change.
  [[nodiscard]] std::span<const part> parts() const noexcept { return parts_; }
  /// Which of them a block is.
  [[nodiscard]] std::uint32_t part_number(std::size_t block) const noexcept { return part_of_[block]; }

  /// Tokens in blocks.
  [[nodiscard]] token_count block_tokens() const noexcept
  {
    token_count all = 0;
    for (const placed_block& b : blocks_) all += b.tokens;
    return all;
  }
  /// Calls each(interval) for the context's tokens that are in no block, ascending.
  template <class Each>
  void each_own(Each&& each) const
  {
    token_count at = 0;
    for (const placed_block& b : blocks_) {
      if (at < b.start) each(token_interval{at, b.start});
      at = b.start + b.tokens;
    }
    if (at < context_) each(token_interval{at, context_});
  }

 private:
  [[noreturn]] void refuse(const placed_block& block, const std::string& what) const
  {
    throw usage_error("block " + std::to_string(blocks_.size()) + " (" + name_of(key_of(block.key)) + ") " + what);
  }

  /// So that nothing throws later.
  [[gnu::noinline, gnu::cold]] void make_room()
  {
    const std::size_t more = 2 * blocks_.size() + 8;
    parts_.reserve(more);
    part_of_.reserve(more);
    std::vector<std::uint32_t> slots(std::bit_ceil(2 * more));
    blocks_.reserve(more);
    slots_.swap(slots);
    for (std::size_t p = 0; p < parts_.size(); ++p) slot_of(parts_[p].key) = static_cast<std::uint32_t>(p + 1);
  }

  /// The slot of a key, or where it belongs: 0.
  [[nodiscard]] std::uint32_t& slot_of(const sequence_key& key) noexcept
  {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = sequence_key_hash()(key) & mask;
    while (slots_[at] != 0 && !(parts_[slots_[at] - 1].key == key)) at = (at + 1) & mask;
    return slots_[at];
  }

  [[noreturn, gnu::noinline, gnu::cold]] void refuse(const placed_block& block) const
  {
    if (block.tokens == 0) refuse(block, "has no tokens");
    if (block.start < free_) {
      refuse(block, "begins at token " + std::to_string(block.start) + ", but the one before it ends at token " +
                        std::to_string(free_) + "; blocks ascend and do not overlap");
    }
    if (block.key.kind == 0) refuse(block, "is of kind 0, which is users' histories; blocks have a kind of their own");
    if (block.start > context_ || block.tokens > context_ - block.start) {
      refuse(block, "has " + std::to_string(block.tokens) + " tokens from token " + std::to_string(block.start) +
                        " on, but the context has " + std::to_string(context_));
    }
    refuse(block, "is of model " + std::to_string(to_number(block.key.model)) + ", but the context is of model " +
                      std::to_string(to_number(model_)));
  }

  void require_same(const part& before, const placed_block& now) const
  {
    if (before.version == now.key.version && before.tokens == now.tokens) return;
    refuse(now, "is twice in a context, as version " + std::to_string(before.version) + " of " +
                    std::to_string(before.tokens) + " tokens and as version " + std::to_string(now.key.version) +
                    " of " + std::to_string(now.tokens) + " tokens");
  }

  epoch_id model_{};
  token_count context_ = 0;
  token_count free_ = 0;  // from here on
  computed_elsewhere if_computed_elsewhere_ = computed_elsewhere::wait;
  std::vector<placed_block> blocks_;
  std::vector<part> parts_;
  std::vector<std::uint32_t> part_of_;  // [block]
  std::vector<std::uint32_t>
      slots_;  // by hash, then the next free one: a part's number plus one; a power of two, half free
};

}  // namespace kvstrata
