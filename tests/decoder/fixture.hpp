// Histories of semantic IDs, and pages for them and for scratch.
#pragma once

#include "decoder/model.hpp"
#include "decoder/prompt_forward.hpp"
#include "hstu/fixture.hpp"

#include <kvstrata/core/interval.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace decoder_test {

using generator = std::mt19937_64;
using hstu_test::pages;  // in a vector, under shuffled ids, full of NaN

inline decoder::config tiny(std::vector<std::uint32_t> codebooks, std::uint64_t seed = 1)
{
  return {.layers = 2,
          .hidden = 24,
          .heads = 2,
          .head_dim = 12,
          .ffn = 40,
          .codebooks = std::move(codebooks),
          .seed = seed};
}

inline std::vector<std::uint32_t> random_history(generator& random, const decoder::config& c, std::size_t tokens,
                                                 std::uint32_t first = 0)
{
  std::vector<std::uint32_t> out;
  for (std::size_t t = 0; t < tokens; ++t) {
    out.push_back(static_cast<std::uint32_t>(random() % c.codebooks[(first + t) % c.codebooks.size()]));
  }
  return out;
}

/// Histories in pages, computed.
struct prompts_in_pages
{
  std::vector<std::vector<std::uint32_t>> tokens;
  pages kv;

  prompts_in_pages(generator& random, const decoder::model& m, const std::vector<kvstrata::token_count>& lengths,
                   kvstrata::token_count page_tokens)
      : kv(random, m.shape(), page_tokens, lengths)
  {
    std::vector<decoder::prompt> prompts;
    std::vector<kvstrata::token_interval> all;
    for (const auto length : lengths) {
      tokens.push_back(random_history(random, m.options(), length));
      all.push_back({0, length});
    }
    for (std::size_t r = 0; r < lengths.size(); ++r) {
      prompts.push_back({tokens[r], lengths[r], std::span(all).subspan(r, 1), 0});
    }
    decoder::prompt_forward(m, prompts, kv.view()).run();
  }
};

}  // namespace decoder_test
