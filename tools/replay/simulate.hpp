// How a cache is configured and asked, whether a model runs with it or not.
#pragma once

#include "replay/sizes.hpp"
#include "replay/workload.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/timeline.hpp>
#include <kvstrata/observe/trackers.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace replay {

/// What tracks every case's cache.
using case_tracker = kvstrata::trackers<kvstrata::counters, kvstrata::timeline>;

/// What a server does with its cache beyond prepare, commit and release.
struct serving_style
{
  bool synchronous = false;  ///< the model is waited for before anything is written down: a tier without streams
  bool splits = false;       ///< by measured costs; what is computed of a history's front is so before the rest arrives
  bool prefetches = false;   ///< the next batch's users are fetched while this one computes
  bool cleans = false;       ///< dirty tokens are written down between batches
};

namespace detail {

template <class Cache>
struct parts_of;

template <class Tiers, class Layout, class Transfer, class Replacement, class Tracker>
struct parts_of<kvstrata::cache<Tiers, Layout, Transfer, Replacement, Tracker>>
{
  using layout = Layout;
  using transfer = Transfer;
};

}  // namespace detail

/// What a tier that keeps codes is told of the weights that serve and of how many pages are filled in part.
template <class Tier>
void tell_codec(Tier& tier, const cache_sizes& s)
{
  if constexpr (requires { tier.codec.table; }) tier.codec.table = s.seen.table;
  if constexpr (requires { tier.codec.minimum; }) {
    if (s.seen.from_minimum()) tier.codec.minimum = kvstrata::codec::silu_minimum;
  }
  if constexpr (requires { tier.raw_share; }) {
    constexpr bool keeps = !std::same_as<decltype(tier.codec), kvstrata::codec::identity::config>;
    if (keeps) tier.raw_share = raw_share_for(s.history_pages);
  }
}

/// Tokens that one turn of cleaning writes down, at most.
[[nodiscard]] inline std::uint64_t clean_tokens(const cache_sizes& s) { return s.device_pages() / 16 * s.page_tokens; }

template <class Cache>
[[nodiscard]] typename Cache::config cache_config(const cache_sizes& s, const serving_style& style)
{
  using layout_type = typename detail::parts_of<Cache>::layout;
  typename Cache::config c;
  c.shape = s.shape;
  c.layout.page_tokens = s.page_tokens;
  using tiers = decltype(c.tiers);
  auto& slab = std::get<0>(c.tiers);
  slab.bytes = s.device_bytes;
  if constexpr (std::tuple_size_v<tiers> > 1) std::get<1>(c.tiers).bytes = s.host_bytes;
  if constexpr (std::tuple_size_v<tiers> > 1) tell_codec(std::get<1>(c.tiers), s);
  if constexpr (requires(layout_type l) { l.chunk; }) c.layout.chunk = s.chunk_tokens;
  if constexpr (requires(layout_type l) { l.longest; }) {
    // A batch needs a range for each of its users, however short they are.
    c.layout.longest = s.longest;
    const std::size_t range = s.longest / s.page_tokens * s.page_bytes();
    slab.bytes = (std::max)(s.device_bytes, s.batch * range);
    if constexpr (std::tuple_size_v<tiers> > 1) std::get<1>(c.tiers).bytes = (std::max)(s.host_bytes, range);
  }
  if constexpr (detail::parts_of<Cache>::transfer::lands_in_window) slab.window_bytes = s.window_bytes;
  if constexpr (requires { c.split.cost; }) {
    if (style.splits) c.split.cost = s.cost;
  }
  if (style.cleans) {
    c.writes.clean_above = 0.5;
    c.writes.clean_below = 0.25;
  }
  return c;
}

[[nodiscard]] inline std::vector<kvstrata::request> cache_requests(const served_batch& b)
{
  std::vector<kvstrata::request> out;
  for (const served_request& r : b.requests)
    out.push_back({.user = r.user, .history_tokens = r.tokens, .exact = r.exact});
  return out;
}

/// Where the tokens of a batch under a lease come from.
template <class Lease>
[[nodiscard]] token_split split_of(const Lease& lease)
{
  token_split sum;
  for (std::size_t r = 0; r < lease.size(); ++r) {
    const kvstrata::token_sources one = lease.sources(r);
    for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) sum.served[i] += one.from[i];
    sum.computed += one.computed;
  }
  return sum;
}

/// Fetches ahead what the users of a batch will want, if there is such a batch. Who is held, or finds no room, is
/// fetched when their turn comes.
template <class Cache>
void prefetch_batch(Cache& cache, const workload& w, std::size_t number)
{
  if (number >= w.batches.size()) return;
  for (const kvstrata::request& r : cache_requests(w.batches[number])) static_cast<void>(cache.prefetch(r));
}

/// The split of every batch's tokens, in virtual time and without data, so that no model runs.
template <class Cache>
[[nodiscard]] std::vector<token_split> simulate(const workload& w, const cache_sizes& s, const serving_style& style)
{
  typename Cache::device_type d({.time = kvstrata::time_mode::virtual_time, .data = false});
  Cache cache(d, cache_config<Cache>(s, style));
  cache.tracker().template get<kvstrata::timeline>().limit(0);
  const kvstrata::stream_id compute = d.create_stream("compute");
  std::vector<token_split> out;
  for (std::size_t b = 0; b < w.batches.size(); ++b) {
    const std::vector<kvstrata::request> asked = cache_requests(w.batches[b]);
    auto lease = cache.prepare(asked, compute).value();
    out.push_back(split_of(lease));
    for (std::uint32_t l = 0; l < s.shape.layers; ++l) lease.layer_done(l);
    if (style.prefetches) prefetch_batch(cache, w, b + 1);
    lease.commit();
    lease.release();
    d.wait_sync(d.record(compute));
    if (style.cleans) cache.clean(clean_tokens(s));
  }
  cache.drain_sync();
  return out;
}

}  // namespace replay
