// The command line of `replay --model decoder --blocks`.
#pragma once

#include "replay/options.hpp"

#include "decoder/config.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

struct block_options
{
  options common;
  std::uint32_t words = 768;        ///< of the vocabulary that texts are made of
  std::uint32_t least_tokens = 50;  ///< of an item's text
  std::uint32_t most_tokens = 200;
  std::uint32_t candidates = 8;
  std::uint32_t history_items = 4;  ///< of the user's, in a prompt, at least
  std::uint32_t prototypes = 0;     ///< of history tokens; 0: none stands in for anything
  float least_cosine = 0.9F;        ///< a token that is farther from all of them is computed
  std::vector<double> shares{0.1, 0.3, 1};
  std::vector<std::string> cases;  ///< keys without their shares; empty: all
};

/// What a case does with texts that it has seen before.
enum class text_reuse : std::uint8_t {
  prefix,  ///< instruction and history are a prefix of the user's, served as far as it goes: exact
  blocks,  ///< all texts are blocks, wherever they stand: approximate
};

/// Who chooses what of blocks is computed anew.
enum class chooser : std::uint8_t { none, first_k, k_deviation, v_deviation, attention_and_divergence, random };

struct block_case
{
  std::string_view key, description;
  text_reuse reuse = text_reuse::blocks;
  chooser by = chooser::none;
  double share = 0;
  bool stands_in = false;  ///< prototypes stand in for the history's tokens
};

/// What `--cases` names; without it those that need prototypes run where there are some. Selectors stand for one case a share.
[[nodiscard]] const std::vector<block_case>& block_cases();
/// The cases of a run, in the order of block_cases(), shares ascending.
[[nodiscard]] std::vector<block_case> chosen_cases(const block_options& o);
/// "k_deviation, 0.3".
[[nodiscard]] std::string name_of(const block_case& c);

/// Is `--blocks` on the command line?
[[nodiscard]] bool asks_for_blocks(int argc, const char* const* argv);

/// Defaults that differ from the other models'.
[[nodiscard]] block_options usual_block_options();

/// As parse() of the replay.
[[nodiscard]] std::optional<int> parse_blocks(int argc, const char* const* argv, block_options& o, std::ostream& out,
                                              std::ostream& err);

/// Throws kvstrata::config_error naming the option, its value and the limit it breaks.
void check(const block_options& o);

[[nodiscard]] decoder::config config_of(const block_options& o);

}  // namespace replay
