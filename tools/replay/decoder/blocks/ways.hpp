// The ways to serve prompts of texts: a case each, with a cache of its own.
#pragma once

#include "replay/decoder/blocks/load.hpp"
#include "replay/decoder/blocks/options.hpp"
#include "replay/statistics.hpp"

#include "decoder/blocks/context_rows.hpp"
#include "decoder/model.hpp"

#include <kvstrata/assembly/approximate.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace replay {

/// The memory of every case, blocks or not.
struct block_sizes
{
  kvstrata::token_count page_tokens = 0, chunk_tokens = 0;
  std::size_t device_bytes = 0, host_bytes = 0;
};

/// Shares of what a cache of blocks without limits would hold; of the slab at least what the largest prompt needs. Throws
/// kvstrata::config_error where --device-mib is less than that, or this machine has not the memory.
[[nodiscard]] block_sizes choose_block_sizes(const block_options& o, const block_load& load,
                                             std::uint64_t memory_bytes);

/// What all cases are given. Must outlive them.
struct block_context
{
  const block_options& how;
  const block_load& load;
  const decoder::model& model;
  block_sizes sizes;
  kvstrata::link_model link;
  const kvstrata::prototype_pool* prototypes = nullptr;
};

/// Of the samples of a load, as many as the options ask for and can be had.
[[nodiscard]] kvstrata::prototype_pool make_prototypes(const block_options& o, const block_load& load,
                                                       const decoder::model& m);

/// What a prompt was answered with.
struct block_answer
{
  std::vector<float> logits;                  ///< of the words that may come next
  kvstrata::reuse_report how;                 ///< exact or approximate, and what went into it
  std::uint64_t encoded = 0;                  ///< tokens of blocks or of the prefix that the cache lacked
  std::uint64_t rows = 0;                     ///< tokens through whole layers, each of them counted: what was computed
  std::vector<decoder::layer_rows> layers{};  ///< K and V, where asked for
};

/// One way, ready to serve. One thread at a time.
class block_way
{
 public:
  virtual ~block_way() = default;
  /// Blocks until it is answered. `rows`: K and V of all layers, too.
  virtual void serve(const block_prompt& p, block_answer& to, bool rows = false) = 0;
  /// Blocks until nothing is under way behind what was answered.
  virtual void settle() = 0;
  /// Where tokens of blocks, or of prefixes, came from.
  [[nodiscard]] virtual const token_split& counted() const noexcept = 0;
};

[[nodiscard]] std::unique_ptr<block_way> make_way(const block_context& context, const block_case& which);

/// All of the prompt computed anew, without any cache: what the others are compared with.
[[nodiscard]] block_answer compute_anew(const block_context& context, const block_prompt& p);

}  // namespace replay
