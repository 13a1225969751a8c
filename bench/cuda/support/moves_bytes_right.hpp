// A benchmark of an engine that moves the wrong bytes would be fast: what goes up, and down again elsewhere, must come
// out as it went in.
#pragma once

#include "engines.hpp"
#include "machine.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace bench {

/// Writes to the extents of `up` and `back`; the machine must be idle. Blocks.
template <machine Machine>
[[nodiscard]] bool moves_bytes_right(Machine& m, const engine_in_use& engine, const laid_out& at)
{
  using namespace kvstrata;
  std::vector<std::byte*> from, to;  // pages of the extents, layer by layer, in the order of the history
  const std::size_t bytes = at.up.piece_bytes;
  for (layer_index layer = 0; layer < at.up.layers; ++layer) {
    const auto each_page = [](const copy_list& list, auto&& page) {
      for (const copy_run& run : list.runs) {
        for (page_count i = 0; i < run.pages; ++i) page(run, i);
      }
    };
    each_page(at.up, [&](const copy_run& run, page_count i) { from.push_back(run.from.page(layer, i)); });
    each_page(at.back, [&](const copy_run& run, page_count i) { to.push_back(run.to.page(layer, i)); });
  }
  std::uint64_t seed = 0;  // from what lies there, so that no bytes of the call before are right in this one
  std::memcpy(&seed, from.front(), (std::min)(sizeof seed, bytes));
  std::mt19937_64 random(seed + 1);
  for (std::size_t i = 0; i < from.size(); ++i) {
    for (std::size_t b = 0; b < bytes; b += sizeof(std::uint64_t)) {
      const std::uint64_t word = random();
      std::memcpy(from[i] + b, &word, (std::min)(sizeof word, bytes - b));
    }
    std::memset(to[i], 0, bytes);
  }
  m.device().wait_sync(engine.up_to_pages(at, {}).last());
  m.device().wait_sync(engine.down(at.back, {}).last());
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (std::memcmp(from[i], to[i], bytes) != 0) return false;
  }
  return from.size() == to.size();
}

}  // namespace bench
