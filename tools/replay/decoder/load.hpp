// What the decoder's cases serve: the replay's workload, its items as seeded semantic IDs.
#pragma once

#include "replay/decoder/options.hpp"
#include "replay/workload.hpp"

#include "decoder/catalogue/catalogue.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace replay {

struct decoder_load
{
  workload load;  ///< lengths are in tokens of semantic IDs; candidates and actions are of no use
  std::vector<std::vector<std::uint32_t>> tokens;  ///< [history][event x steps]
  std::shared_ptr<const decoder::catalogue> items;

  [[nodiscard]] std::span<const std::uint32_t> tokens_of(const served_request& r) const
  {
    return std::span(tokens[r.history_of]).first(r.tokens);
  }
};

/// Every item of the workload has a tuple of its own, drawn by the seed. Throws kvstrata::config_error where the codebooks have
/// not twice as many tuples as there are items, and as make_workload().
[[nodiscard]] decoder_load make_decoder_load(const decoder_options& o);

}  // namespace replay
