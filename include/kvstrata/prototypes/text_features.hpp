// What a token of a text is compared by, in models whose inputs have no position in them.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstddef>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Turns what enters the first layer into features, in place: a token's own, and half of what the token before it has. So where it stands
/// counts: among which tokens. (RcLLM speaks of a position-aware embedding, and does not tell which.) [tokens][dimensions]
inline void add_what_came_before(std::span<float> tokens, std::size_t dimensions) noexcept
{
  for (std::size_t i = dimensions; i < tokens.size(); ++i) tokens[i] += 0.5F * tokens[i - dimensions];
}

}  // namespace kvstrata
