// Blocks: tokens that are named by what they are, encoded once, by themselves, and used at any place of any context: an item's
// text, a review. In the cache they are read parts.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/plan/part.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a block's tokens are, and who encoded them. Another text of the same thing is another version.
struct block_key
{
  epoch_id model{};        ///< the cache's epoch
  std::uint32_t kind = 0;  ///< a key space of the caller's, not 0, which is users' histories
  std::uint64_t id = 0;    ///< within its kind
  std::uint64_t version = 0;

  friend constexpr bool operator==(const block_key&, const block_key&) = default;
};

[[nodiscard]] constexpr sequence_key key_of(const block_key& key) noexcept { return {.space = key.kind, .id = key.id}; }

/// A block at its place in a context: its tokens are the context's [start, start + tokens).
struct placed_block
{
  block_key key;
  token_count start = 0;
  token_count tokens = 0;  ///< all of the block's
};

/// As the cache is asked for it, and what becomes of the request where another lease encodes it just now.
[[nodiscard]] constexpr part part_of(const placed_block& block,
                                     computed_elsewhere if_computed_elsewhere = computed_elsewhere::wait) noexcept
{
  return {.key = key_of(block.key),
          .version = block.key.version,
          .tokens = block.tokens,
          .mode = part_mode::read,
          .if_computed_elsewhere = if_computed_elsewhere};
}

}  // namespace kvstrata
