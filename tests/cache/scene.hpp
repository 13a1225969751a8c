// A small cache on a virtual-time device, and a model that computes at once: for tests that tell a story.
#pragma once

#include "cache/subject.hpp"
#include "cache/turn.hpp"
#include "support/catch.hpp"

#include <initializer_list>
#include <utility>
#include <vector>

namespace kvstrata_test {

using kvstrata::emulated_device;
using kvstrata::emulated_device_config;

using default_scene_cache = kvstrata::default_cache<emulated_device, kvstrata::lru, kvstrata::counters>;
/// Leaves partial last pages to eviction.
using page_scene_cache =
    kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<emulated_device>, kvstrata::pinned_arena<>>,
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<kvstrata::page_write_through>, kvstrata::lru,
                    kvstrata::counters>;
using paper_scene_cache = kvstrata::mtserve_cache<emulated_device, kvstrata::counters>;
using lone_scene_cache = kvstrata::device_only_cache<emulated_device, kvstrata::lru, kvstrata::counters>;

/// Pages of 4 tokens, chunks of 16.
template <class Cache>
[[nodiscard]] typename Cache::config tiny_config(kvstrata::page_count device_pages, kvstrata::page_count lower_pages)
{
  typename Cache::config c{.shape = tiny, .device = {.bytes = device_pages * tiny_page_bytes}};
  if constexpr (requires { c.host.bytes; }) c.host.bytes = lower_pages * tiny_page_bytes;
  if constexpr (requires { c.layout.chunk; }) c.layout.chunk = tiny_chunk;
  c.layout.page_tokens = tiny_page;
  return c;
}

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
  kvstrata::token_split serve(unsigned user, kvstrata::token_count history)
  {
    lease l = hold({{user, history}});
    const auto split = l.split(0);
    run_model(l);
    l.commit();
    l.release();
    return split;
  }

  /// Where a user's tokens would come from now.
  [[nodiscard]] kvstrata::request_plan look(unsigned user, kvstrata::token_count history)
  {
    const auto r = asks(user, history);
    return cache.plan({&r, 1}).value().requests.front();
  }

  emulated_device device;
  kvstrata::stream_id compute;
  kvstrata::epoch_id epoch{};
  Cache cache;
};

/// Compares device, lower, computed.
[[nodiscard]] inline bool is(const kvstrata::token_split& split, kvstrata::token_count device,
                             kvstrata::token_count lower, kvstrata::token_count computed)
{
  return split.device == device && split.lower == lower && split.computed == computed;
}

}  // namespace kvstrata_test

namespace Catch {

template <>
struct StringMaker<kvstrata::token_split>
{
  static std::string convert(const kvstrata::token_split& s)
  {
    return std::to_string(s.device) + " device + " + std::to_string(s.lower) + " lower + " +
           std::to_string(s.computed) + " computed";
  }
};

}  // namespace Catch
