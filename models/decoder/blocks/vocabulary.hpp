// One number a token, whichever level it is of: the tokens of level 0, then those of level 1, and so on, then the start token. In a
// context of blocks a token's level does not follow from where it stands.
#pragma once

#include "decoder/config.hpp"
#include "decoder/weights.hpp"

#include <cstddef>
#include <cstdint>

namespace decoder {

/// The number of token `token` of level `level`.
[[nodiscard]] inline std::uint32_t word_of(const config& c, std::uint32_t level, std::uint32_t token) noexcept
{
  for (std::uint32_t l = 0; l < level; ++l) token += c.codebooks[l];
  return token;
}
/// That of the start token, behind which the next item begins: the last.
[[nodiscard]] inline std::uint32_t start_word(const config& c) noexcept { return word_of(c, depth_of(c), 0); }

/// What enters the first layer for a word, which must be at most start_word().
[[nodiscard]] inline const float* embedding_of(const config& c, const weights& w, std::uint32_t word) noexcept
{
  for (std::uint32_t level = 0; level < depth_of(c); ++level) {
    if (word < c.codebooks[level]) return w.tokens[level].data() + std::size_t{word} * c.hidden;
    word -= c.codebooks[level];
  }
  return w.start.data();
}

}  // namespace decoder
