// A small cache on a virtual-time device, and a model that computes at once: for tests that tell a story.
#pragma once

#include "cache/subject.hpp"
#include "cache/turn.hpp"
#include "support/catch.hpp"

#include <array>
#include <initializer_list>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

using kvstrata::emulated_device;
using kvstrata::emulated_device_config;

using default_scene_cache = kvstrata::default_cache<emulated_device, kvstrata::lru, kvstrata::counters>;
/// Leaves partial last pages to eviction.
using page_scene_cache =
    kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<emulated_device>, kvstrata::pinned_arena<>>,
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<>, kvstrata::lru, kvstrata::counters>;
using paper_scene_cache = kvstrata::mtserve_cache<emulated_device, kvstrata::counters>;
using lone_scene_cache = kvstrata::device_only_cache<emulated_device, kvstrata::lru, kvstrata::counters>;

/// Pages of 4 tokens, chunks of 16. `pages`: of the slab and of the memories below it; those that the cache has not are
/// nobody's.
template <class Cache, class... Pages>
[[nodiscard]] typename Cache::config tiny_config(Pages... pages)
{
  typename Cache::config c{.shape = tiny};
  std::apply(
      [sizes = std::array{static_cast<kvstrata::page_count>(pages)...}](auto&... tiers) {
        std::size_t i = 0;
        ((tiers.bytes = sizes.at(i++) * tiny_page_bytes), ...);
      },
      c.tiers);
  if constexpr (requires { c.layout.chunk; }) c.layout.chunk = tiny_chunk;
  c.layout.page_tokens = tiny_page;
  return c;
}

/// What a plan makes of one of its requests.
struct outlook : kvstrata::request_plan
{
  explicit outlook(const kvstrata::batch_plan& plan, std::size_t request = 0)
      : request_plan(plan.requests[request]), sources(kvstrata::sources_of(plan.pieces_of(request)))
  {
    for (const kvstrata::piece& p : plan.pieces_of(request)) {
      if (!p.is_fetched()) continue;
      if (!fetches.empty() && fetches.back().end == p.tokens.begin) fetches.back().end = p.tokens.end;
      else fetches.push_back(p.tokens);
    }
  }

  kvstrata::token_sources sources;
  std::vector<kvstrata::token_interval> fetches;  ///< from whatever level; ascending, apart
};

template <class Cache>
struct scene
{
  using lease = typename Cache::lease;

  explicit scene(kvstrata::page_count device_pages, kvstrata::page_count lower_pages = 0, bool poison_freed = true)
      : device({.time = kvstrata::time_mode::virtual_time, .check_ordering = true, .poison_freed = poison_freed}),
        compute(device.create_stream("compute")),
        cache(device, tiny_config<Cache>(device_pages, lower_pages))
  {
  }
  scene(const emulated_device_config& d, const typename Cache::config& c)
      : device(d), compute(device.create_stream("compute")), cache(device, c)
  {
  }
  ~scene() { CHECK(device.violations().empty()); }

  [[nodiscard]] kvstrata::request asks(unsigned user, kvstrata::token_count history) const
  {
    return {.user = kvstrata::user_id{user}, .history_tokens = history, .epoch = epoch};
  }
  [[nodiscard]] std::vector<kvstrata::request> batch(std::initializer_list<turn> turns) const
  {
    std::vector<kvstrata::request> out;
    for (const turn t : turns) out.push_back(asks(t.user, t.history));
    return out;
  }

  /// A lease that must be given.
  [[nodiscard]] lease hold(std::initializer_list<turn> turns) { return cache.prepare(batch(turns), compute).value(); }

  /// Marks all layers done: a model whose kernels write what the lease leaves to it.
  void run_model(lease& l)
  {
    for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
      l.wait(layer);
      device.launch(compute, {.label = "layer"}, [] {});
      l.layer_done(layer);
    }
  }

  /// Serves one user from beginning to end. Where their tokens came from.
  kvstrata::token_sources serve(unsigned user, kvstrata::token_count history)
  {
    lease l = hold({{user, history}});
    const auto sources = l.sources(0);
    run_model(l);
    l.commit();
    l.release();
    return sources;
  }

  /// Where a user's tokens would come from now.
  [[nodiscard]] outlook look(unsigned user, kvstrata::token_count history)
  {
    return outlook(cache.plan(batch({{user, history}})).value());
  }

  emulated_device device;
  kvstrata::stream_id compute;
  kvstrata::epoch_id epoch{};
  Cache cache;
};

/// Compares what lay in the slab, what was brought up, what is computed.
[[nodiscard]] inline bool is(const kvstrata::token_sources& sources, kvstrata::token_count in_slab,
                             kvstrata::token_count fetched, kvstrata::token_count computed)
{
  return sources.from[0] == in_slab && sources.fetched() == fetched && sources.computed == computed;
}

}  // namespace kvstrata_test

namespace Catch {

template <>
struct StringMaker<kvstrata::token_sources>
{
  static std::string convert(const kvstrata::token_sources& s)
  {
    std::string out;
    for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) {
      if (s.from[i] != 0) out += std::to_string(s.from[i]) + " of level " + std::to_string(i) + " + ";
    }
    return out + std::to_string(s.computed) + " computed";
  }
};

}  // namespace Catch
