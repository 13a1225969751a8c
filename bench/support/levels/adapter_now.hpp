// All that the subject (subject.cpp) says to the library, as its interface is now.
#pragma once

#include "stream.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/simulate/cache_simulator.hpp>
#include <kvstrata/simulate/dataless_device.hpp>

namespace levels::library {

using kvstrata::counters;
using kvstrata::dataless_device;
using kvstrata::no_tracker;

template <class Tracker>
using default_cache = kvstrata::default_cache<dataless_device, kvstrata::lru, Tracker>;
template <class Tracker>
using mtserve_cache = kvstrata::mtserve_cache<dataless_device, Tracker>;
/// One tier, one layer, a page of one token a user.
template <class Tracker>
using one_page_cache = kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<dataless_device>>,
                                       kvstrata::paged_layout, kvstrata::layerwise_transfer<>, kvstrata::lru, Tracker>;

using batch = std::vector<kvstrata::request>;

[[nodiscard]] inline batch to_batch(std::span<const asked> requests)
{
  batch out;
  for (const asked& r : requests) out.push_back({.user = kvstrata::user_id{r.user}, .history_tokens = r.tokens});
  return out;
}

/// MTServe's shape, or unit sizes where there is one tier.
template <class Cache>
[[nodiscard]] typename Cache::config sizes(std::size_t device_pages, [[maybe_unused]] std::size_t host_pages)
{
  typename Cache::config c;
  if constexpr (std::tuple_size_v<decltype(c.tiers)> > 1) {
    c.shape = {.layers = 8, .kv_heads = 4, .head_dim = 128, .element = kvstrata::element_type::bf16};
    c.layout.page_tokens = 32;
    c.layout.chunk = 1024;
    const std::size_t page = kvstrata::page_bytes(c.shape, c.layout.page_tokens);
    std::get<0>(c.tiers).bytes = device_pages * page;
    std::get<1>(c.tiers).bytes = host_pages * page;
  } else {
    c = kvstrata::unit_sizes<Cache>(static_cast<kvstrata::page_count>(device_pages));
  }
  return c;
}

struct told
{
  std::uint64_t device_tokens = 0;
  std::uint64_t host_tokens = 0;
  std::uint64_t computed_tokens = 0;
  std::uint64_t pieces = 0;  ///< descriptors of copies, up and down
};

template <class Cache>
class server
{
 public:
  server(std::size_t device_pages, std::size_t host_pages)
      : cache_(device_, sizes<Cache>(device_pages, host_pages)), compute_(device_.create_stream("compute"))
  {
  }

  void serve(const batch& requests)
  {
    auto lease = cache_.prepare(requests, compute_).value();
    for (kvstrata::layer_index layer = 0; layer < layers_; ++layer) {
      lease.wait(layer);
      lease.layer_done(layer);
    }
    lease.finish();
  }

  /// Since the beginning; for a Cache with counters.
  [[nodiscard]] told read()
  {
    const counters::snapshot c = cache_.tracker().read();
    return {c.served_tokens[0], c.served_tokens[1], c.computed_tokens, c.onload_pieces + c.offload_pieces};
  }

 private:
  dataless_device device_;
  Cache cache_;
  kvstrata::stream_id compute_;
  kvstrata::layer_index layers_ = cache_.shape().layers;
};

}  // namespace levels::library
