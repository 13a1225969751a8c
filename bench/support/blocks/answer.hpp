// What a context gives, to be compared.
#pragma once

#include "decoder/blocks/context_rows.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace blocks_bench {

namespace kv = kvstrata;

/// Which blocks of a prompt are taken as blocks: the others' words are the context's own.
/// prototypes: as blocks, but prototypes stand in for the reviews' tokens. beside_prototypes, their control: as blocks, of which those
/// tokens that have no prototype are computed anew, too.
enum class reuse : std::uint8_t { nothing, prefix, blocks, prototypes, beside_prototypes };

struct answer
{
  std::vector<decoder::layer_rows> layers;  // K and V of all positions
  std::vector<float> logits;                // or scores
  std::optional<std::size_t> wanted{};      // which of them was to be the best, where that is known
};

}  // namespace blocks_bench
