// The command line of `replay --model decoder`.
#pragma once

#include "replay/options.hpp"

#include "decoder/config.hpp"
#include "decoder/search/request_beams.hpp"

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

struct decoder_options
{
  options common;
  std::uint32_t beams = 128;
  std::uint32_t steps = 3;  ///< tokens of an item
  std::uint32_t codebook = 256;
  std::vector<std::string> cases;  ///< keys; empty: all
};

/// How a case keeps the KV of prompts.
enum class prompt_keeping : std::uint8_t {
  copied,  ///< computed for each batch, a copy a beam
  batch,   ///< computed for each batch, shared by its beams
  cached,  ///< a part of a lease, shared by its beams
};

struct decoder_case
{
  std::string_view key, name, description;
  prompt_keeping keeping = prompt_keeping::cached;
  bool early_termination = true;
  bool constrained = true;
};

[[nodiscard]] const std::vector<decoder_case>& decoder_cases();

/// As parse() of the replay.
[[nodiscard]] std::optional<int> parse_decoder(int argc, const char* const* argv, decoder_options& o, std::ostream& out,
                                               std::ostream& err);

/// Throws kvstrata::config_error naming the option, its value and the limit it breaks.
void check(const decoder_options& o);

[[nodiscard]] decoder::config config_of(const decoder_options& o);
[[nodiscard]] decoder::search_options search_of(const decoder_options& o, const decoder_case& c);

}  // namespace replay
