// Which tokens of reused blocks are computed anew: where not all can be, those that matter most. A selector gives each token a
// score; how many are taken is said by shares (recompute/choose.hpp), so that selectors are compared at equal cost.
//
// expression                       meaning
// -------------------------------- --------------------------------------------------------------------------------
// S::name -> std::string_view      what texts and options call it
// S::recomputes -> bool            false: nothing is computed anew, whatever the share
// S::reads_attention -> bool       score() wants token_readings::attention: layer 0 is computed in full
// S::reads_changes -> bool         score() wants keys and values: so is layer 0, and K and V of layer 1
// s.score(readings, to)            to[position] of every token in a block; the higher, the sooner it is computed anew. Others are
//                                  not looked at. Deterministic; finite
//
// Copyable; score() is const, and does not keep what it is given. Random is the control: a selector that does not beat
// it is not worth what it costs.
//
// tests/recompute/selector_conformance.hpp holds a selector of your own to this. Smallest model: recompute/first_k.hpp. Models:
// none, first_k (EPIC), k_deviation, v_deviation (CacheBlend), attention_and_divergence (RcLLM), random.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Blocks of different groups may have different shares computed anew.
enum class block_group : std::uint8_t { items, history };

/// Where a block lies in a context.
struct reused_block
{
  token_count start = 0;
  token_count tokens = 0;
  block_group group = block_group::items;
  bool stands_in =
      false;  ///< its rows are of other tokens that resemble these (prototypes/), so they are exact nowhere
};

/// How far K or V of a token, as computed here in layer 1 for all heads, are from what its block has.
struct token_change
{
  float squared = 0;   ///< sum of squares
  float absolute = 0;  ///< sum of absolute values
};

/// What a selector may look at. By position of the context.
struct token_readings
{
  std::span<const reused_block> blocks{};  ///< ascending, disjoint
  std::span<const float> attention{};    ///< received in layer 0: the weights of all rows behind and all heads, summed
  std::span<const token_change> keys{};  ///< at positions in blocks; elsewhere 0
  std::span<const token_change> values{};
};

template <class S>
concept token_selector = std::copyable<S> && requires(const S& s, const token_readings& readings, std::span<float> to) {
  { S::name } -> std::convertible_to<std::string_view>;
  { S::recomputes } -> std::convertible_to<bool>;
  { S::reads_attention } -> std::convertible_to<bool>;
  { S::reads_changes } -> std::convertible_to<bool>;
  { s.score(readings, to) } -> std::same_as<void>;
};

/// Calls each(position, token of its block, block) for every token in a block, ascending.
template <class Each>
constexpr void each_reused(std::span<const reused_block> blocks, Each&& each)
{
  for (const reused_block& b : blocks) {
    for (token_count t = 0; t < b.tokens; ++t) each(b.start + t, t, b);
  }
}

}  // namespace kvstrata
