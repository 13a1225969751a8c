// The ways to serve beam search: a case each, on a device of its own.
#pragma once

#include "replay/decoder/load.hpp"
#include "replay/decoder/options.hpp"
#include "replay/sizes.hpp"
#include "replay/statistics.hpp"

#include "decoder/model.hpp"
#include "decoder/search/request_beams.hpp"

#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace replay {

/// What all cases are given. Must outlive them.
struct decoder_context
{
  const decoder_load& load;
  const decoder::model& model;
  cache_sizes sizes;  ///< scratch of the largest batch included
  kvstrata::link_model link;
};

/// Room in the slab for prompts as the options say, and for scratch of the largest batch besides. Throws as choose_sizes(), and
/// kvstrata::config_error where this machine has not the memory for a beam's copies of the longest prompt and a case asks for them.
[[nodiscard]] cache_sizes choose_decoder_sizes(const decoder_options& o, decoder_load& load,
                                               std::span<const decoder_case> cases, std::uint64_t memory_bytes);

/// What was found for a batch: [request][items].
using found_items = std::vector<std::vector<decoder::found_item>>;

/// What a way has counted since it was made.
struct decoder_counts
{
  token_split prompts{};  ///< where prompts' tokens came from
  kvstrata::beam_traffic traffic{};
  std::uint64_t candidates = 0;  ///< that beams could bring
  std::uint64_t visited = 0;     ///< of these, looked at
};

/// One way, ready to serve. One thread at a time.
class decoder_way
{
 public:
  virtual ~decoder_way() = default;
  /// Serves a batch of the workload and blocks until it is answered.
  virtual void serve(const served_batch& batch, found_items& found) = 0;
  /// Blocks until nothing is under way behind what was answered.
  virtual void settle() {}
  [[nodiscard]] virtual decoder_counts counts() const = 0;
};

[[nodiscard]] std::unique_ptr<decoder_way> make_way(const decoder_context& context, prompt_keeping keeping,
                                                    const decoder::search_options& how);

}  // namespace replay
