// What the cases of blocks serve: prompts of texts, which are the replay's workload: the items of histories and its candidates, each
// with a text of its own, drawn by the seed.
#pragma once

#include "replay/decoder/blocks/options.hpp"
#include "replay/workload.hpp"

#include <kvstrata/assembly/block_list.hpp>
#include <kvstrata/recompute/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace replay {

/// Key spaces of these caches. An item's text is one block, be it in a history or a candidate.
enum : std::uint32_t { block_of_instruction = 1, block_of_item = 2, prefix_of_user = 3, block_of_stand_ins = 4 };

/// A text at its place in a prompt.
struct placed_text
{
  std::uint32_t kind = 0;
  std::uint64_t id = 0;
  kvstrata::token_count start = 0, tokens = 0;
  kvstrata::block_group group = kvstrata::block_group::items;
};

/// An instruction that all have, items of the history, candidates, a question, the start token.
struct block_prompt
{
  std::uint64_t user = 0, window = 0;  ///< whose, and the how manieth window of their history
  std::uint32_t answers = 1;
  std::vector<std::uint32_t> words{};
  std::vector<placed_text> texts{};  ///< ascending; what is between them is the prompt's own
  kvstrata::token_count prefix = 0;  ///< tokens of instruction and history
};

struct block_load
{
  workload_facts facts;
  std::vector<block_prompt> prompts;
  kvstrata::token_count longest = 0;                ///< tokens
  double prompt_mean = 0;                           ///< tokens
  double candidate_share = 0;                       ///< of all tokens
  std::vector<std::vector<std::uint32_t>> samples;  ///< texts of older items, for prototypes
  std::uint64_t distinct_texts = 0;
  std::uint64_t distinct_pages = 0;  ///< that they need: the working set of a cache of blocks
};

/// Throws as make_workload().
[[nodiscard]] block_load make_block_load(const block_options& o);

/// The words of a text.
[[nodiscard]] inline std::span<const std::uint32_t> words_of(const block_prompt& p, const placed_text& t)
{
  return std::span(p.words).subspan(t.start, t.tokens);
}

}  // namespace replay
