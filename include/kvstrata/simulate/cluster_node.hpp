// A node of a cluster that serves prompts with lists of items: the cache as it is in production, without data, and a model that only takes
// its time, by the figures of a machine. Two ways to serve:
//
//   prefix_cache   instruction and history are kept, the items behind them computed at every request
//   blocks         items that the node should have are kept, too, by content, and of those it has a share is computed again, approximately
//                  (RcLLM, arXiv 2605.07443): the first layers in full, by which is chosen what. Those it should not have are computed
//
// Time of a request, alone on its node, layer by layer: what the arena has comes up while the layers before compute; a computed token attends
// to all before it in the prompt; of blocks each layer behind the first ones computes the share, evenly spread. What the host takes is
// left out, as is what choosing takes.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/core/exact.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/machine.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>
#include <kvstrata/tiers/tier_stack.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class serving_way : std::uint8_t { prefix_cache, blocks };

struct node_config
{
  machine_description machine{};  ///< device_bytes and host_bytes: of a node
  serving_way way = serving_way::blocks;
  double recompute = 0.3;         ///< share of a block's tokens that layers compute again
  std::uint32_t full_layers = 1;  ///< that compute all of a block
  token_count instruction = 207;  ///< tokens that all prompts begin with
  token_count page_tokens = 16;
};

/// Throws config_error.
inline void check(const node_config& c)
{
  check(c.machine);
  if (!(c.recompute >= 0 && c.recompute <= 1)) {
    throw config_error("node_config.recompute", std::to_string(c.recompute), "it must be from 0 to 1");
  }
  if (c.full_layers > c.machine.model.kv.layers) {
    throw config_error("node_config.full_layers", c.full_layers,
                       "the model has " + std::to_string(c.machine.model.kv.layers) + " layers");
  }
  if (c.page_tokens == 0) throw config_error("node_config.page_tokens", c.page_tokens, "it must be at least 1");
  if (c.machine.host_bytes == 0) {
    throw config_error("machine.host_bytes", c.machine.host_bytes, "a node keeps its items in host memory");
  }
}

/// An item of a prompt.
struct prompt_item
{
  sequence_key key{};
  token_count tokens = 0;
  bool is_kept = false;  ///< the node should have it
};

/// What became of a request on its node.
struct node_answer
{
  double seconds = 0;
  std::uint64_t slab_tokens = 0;      ///< that lay on the device
  std::uint64_t arena_tokens = 0;     ///< that came up
  std::uint64_t computed_tokens = 0;  ///< that no tier had
  std::uint64_t item_tokens = 0;
  std::uint64_t item_hit_tokens = 0;  ///< of these, in either tier
  std::uint32_t item_hits = 0;        ///< items of which that is so
  bool is_unserved = false;           ///< larger than the slab: computed beside the cache
};

using node_cache = cache<tier_stack<device_slab<dataless_device>, pinned_arena<token_write_through>>, paged_layout,
                         layerwise_transfer<batched_copy<>>, lru>;

/// Not synchronised.
template <class Cache = node_cache>
class cluster_node
{
 public:
  static constexpr std::uint32_t instruction_space = 1;  ///< of the instruction's key; 0 are histories

  /// `host_bytes`: for its arena. Throws config_error.
  cluster_node(const node_config& config, std::uint64_t host_bytes)
      : config_((check(config), config)), cost_(cost_of(config.machine)), device_(std::make_unique<dataless_device>())
  {
    typename Cache::config sizes{.shape = config.machine.model.kv};
    sizes.layout.page_tokens = config.page_tokens;
    std::get<0>(sizes.tiers).bytes = config.machine.device_bytes;
    std::get<1>(sizes.tiers).bytes = host_bytes;
    cache_ = std::make_unique<Cache>(*device_, sizes);
    compute_ = device_->create_stream("compute");
  }

  /// Serves a prompt of instruction, history and items. No item may be twice in it.
  node_answer serve(user_id user, token_count history, std::span<const prompt_item> items)
  {
    begin();
    add_shared({instruction_space, 0}, config_.instruction);
    if (history != 0) parts_.push_back({.key = kvstrata::key_of(user), .tokens = history});
    const std::size_t prefix = parts_.size();
    token_count rest = 0;
    node_answer out;
    for (const prompt_item& one : items) {
      out.item_tokens += one.tokens;
      if (config_.way == serving_way::blocks && one.is_kept) add_shared(one.key, one.tokens);
      else rest += one.tokens;
    }
    if (rest != 0) parts_.push_back({.tokens = rest, .mode = part_mode::scratch});
    carry_out(user, out, prefix);
    return out;
  }

  /// The items are kept from now on, as if they had been computed beforehand, the last one most recently.
  void take_in(std::span<const prompt_item> items)
  {
    constexpr std::size_t at_a_time = 32;
    node_answer unused;
    for (std::size_t at = 0; at < items.size(); at += at_a_time) {
      begin();
      for (const prompt_item& one : items.subspan(at, (std::min)(at_a_time, items.size() - at))) {
        add_shared(one.key, one.tokens);
      }
      carry_out(user_id{}, unused, 0);
    }
  }

  /// So much of a user's history is there from now on, as if it had come from where it was computed.
  void take_in(user_id user, token_count history)
  {
    begin();
    add_shared({instruction_space, 0}, config_.instruction);
    if (history != 0) parts_.push_back({.key = kvstrata::key_of(user), .tokens = history});
    node_answer unused;
    carry_out(user, unused, parts_.size());
  }

  /// A user's history is there no more.
  void forget(user_id user) { cache_->erase(user); }

  /// Seconds of a prompt of which nothing is kept.
  [[nodiscard]] double full_seconds(token_count tokens) const noexcept
  {
    return cost_.layers * cost_.compute_seconds(token_interval{0, tokens});
  }
  /// And of one of which so many tokens are computed, and so many are in blocks that it has: what a router may know beforehand, without what
  /// comes up.
  [[nodiscard]] double expected_seconds(token_count tokens, double computed, double reused) const noexcept
  {
    if (tokens == 0) return 0;
    const double full = (std::min)(config_.full_layers, cost_.layers);
    const double layers = cost_.layers;
    const double a_token = cost_.compute_seconds(token_interval{0, tokens}) / tokens;
    return a_token * (layers * computed + (full + (layers - full) * config_.recompute) * reused);
  }
  [[nodiscard]] cache_stats stats() const { return cache_->stats(); }

 private:
  void begin() { parts_.clear(); }
  void add_shared(const sequence_key& key, token_count tokens)
  {
    if (tokens != 0) parts_.push_back({.key = key, .version = 1, .tokens = tokens, .mode = part_mode::read});
  }

  /// Parts from `prefix` on are items.
  void carry_out(user_id user, node_answer& out, std::size_t prefix)
  {
    const request asked{.user = user, .parts = parts_};
    try {
      if (auto lease = cache_->prepare({&asked, 1}, compute_)) {
        look(*lease, out, prefix);
        for (layer_index l = 0; l < cost_.layers; ++l) lease->layer_done(l);
        lease->commit();
        lease->release();
        return;
      }
    } catch (const capacity_error&) {  // larger than the slab
    }
    out.is_unserved = true;
    token_count all = 0;
    for (const part& one : parts_) all += one.tokens;
    out.computed_tokens = all;
    out.seconds = full_seconds(all);
  }

  template <class Lease>
  void look(const Lease& lease, node_answer& out, std::size_t prefix)
  {
    double full = 0;    // seconds of a layer, for what is computed in any case
    double blocks = 0;  // and for blocks that it has, if they were computed in full
    std::uint64_t pages = 0;
    token_count at = 0;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const token_sources from = lease.sources(0, p);
      const token_count tokens = parts_[p].tokens;
      const token_count computed = from.computed;
      full += cost_.compute_seconds(token_interval{at + tokens - computed, at + tokens});
      out.slab_tokens += from.from[0];
      out.arena_tokens += from.fetched();
      out.computed_tokens += computed;
      pages += (from.fetched() + config_.page_tokens - 1) / config_.page_tokens;
      if (p >= prefix && parts_[p].mode == part_mode::read && computed == 0) {
        blocks += cost_.compute_seconds(token_interval{at, at + tokens});
        out.item_hit_tokens += tokens;
        ++out.item_hits;
      }
      at += tokens;
    }
    const double fetch =
        cost_.fetch_seconds(out.arena_tokens) + static_cast<double>(pages) * config_.machine.to_device.piece_seconds;
    double done = 0;
    for (layer_index l = 0; l < cost_.layers; ++l) {
      if (l >= config_.full_layers || is_exactly(blocks, 0)) done = (std::max)(done, (l + 1.0) * fetch);
      done += full + (l < config_.full_layers ? 1 : config_.recompute) * blocks;
    }
    out.seconds = done;
  }

  node_config config_;
  cost_model cost_;
  std::unique_ptr<dataless_device> device_;
  std::unique_ptr<Cache> cache_;
  stream_id compute_{};
  std::vector<part> parts_;
};

}  // namespace kvstrata
