// What a decoding step reads and moves of KV, counted where it is read and moved; and what it should be.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Bytes of K and V, over all layers and heads of what was counted.
struct beam_traffic
{
  std::uint64_t prompt_bytes = 0;  ///< read of prompts
  std::uint64_t own_bytes = 0;     ///< read of beams' own tokens
  std::uint64_t moved_bytes = 0;   ///< of beams' own tokens, from beam to beam; each read and written once

  [[nodiscard]] constexpr std::uint64_t read() const noexcept { return prompt_bytes + own_bytes; }
  constexpr beam_traffic& operator+=(const beam_traffic& other) noexcept
  {
    prompt_bytes += other.prompt_bytes;
    own_bytes += other.own_bytes;
    moved_bytes += other.moved_bytes;
    return *this;
  }
  friend constexpr bool operator==(const beam_traffic&, const beam_traffic&) = default;
};

/// Tokens that one request's step reads in a layer, where beams have `own` tokens each and the prompt is shared.
[[nodiscard]] constexpr std::uint64_t separated_tokens(std::uint64_t prompt, std::uint64_t beams,
                                                       std::uint64_t own) noexcept
{
  return prompt + beams * own;
}
/// The same where every beam has a copy of the prompt.
[[nodiscard]] constexpr std::uint64_t copied_tokens(std::uint64_t prompt, std::uint64_t beams,
                                                    std::uint64_t own) noexcept
{
  return beams * (prompt + own);
}

}  // namespace kvstrata
