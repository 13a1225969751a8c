// The simulator that is the cache: drives any cache type with a stream of requests and counts what came of it. Index, plan,
// eviction and policies are those of production, as they stand; what is left out is the model and the bytes. On a
// dataless_device (simulate/dataless_device.hpp) a run costs what deciding costs; on an emulated_device in virtual time it
// takes the same decisions.
//
// Who wants to know nothing but hits of one tier with unit sizes takes simulate/object_cache.hpp, which finds the same.
#pragma once

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/request.hpp>
#include <kvstrata/cache/stats.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/simulate/request_batch.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata {

struct simulator_options
{
  std::uint32_t batch_size =
      1;  ///< requests a batch; those of one user share the answer of the longest: simulation_counts::merged
  std::uint64_t warm_up = 0;      ///< the first so many requests are served, but not counted; whole batches
  token_count newest_tokens = 0;  ///< what run() asks for of a longer history: its newest tokens only; 0: all of it
};

/// What became of one tier's tokens while requests were counted.
struct tier_outcome
{
  std::uint64_t requests = 0;  ///< that it served at least one token of
  std::uint64_t tokens = 0;    ///< that it served
  std::uint64_t evicted = 0;   ///< tokens pushed out by pressure
  std::uint64_t dropped = 0;   ///< of these, how many were in no other tier

  friend constexpr bool operator==(const tier_outcome&, const tier_outcome&) = default;
};

/// All counts begin after the warm-up.
struct simulation_counts
{
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::uint64_t merged = 0;    ///< of the requests: shared another's answer, and ask for nothing
  std::uint64_t missed = 0;    ///< no tier had anything of the user's history
  std::uint64_t unserved = 0;  ///< larger than the device, or no room could be made: computed beside the cache
  std::uint64_t pressure = 0;  ///< batches that found no room and were halved
  tier_outcome device;
  tier_outcome lower;
  std::uint64_t computed_tokens = 0;
  std::uint64_t recomputed_tokens = 0;  ///< of these: a tier had them, but computing them is quicker
  tokens_forgotten forgotten{};         ///< that requests have made useless
  std::uint64_t onload_bytes = 0;       ///< 0 without a tracker that counts them (simulate/traffic.hpp)
  std::uint64_t offload_bytes = 0;      ///< likewise

  [[nodiscard]] std::uint64_t tokens() const noexcept { return device.tokens + lower.tokens + computed_tokens; }

  friend constexpr bool operator==(const simulation_counts&, const simulation_counts&) = default;
};

/// A request as an access tells of it: the key is the user, their history is `tokens` long.
[[nodiscard]] constexpr request request_of(const trace_access& asked, token_count tokens) noexcept
{
  return {.user = user_id{asked.key},
          .history_tokens = tokens,
          .time_ms = asked.time_ms,
          .hint = {.next_request = asked.next_request}};
}

/// A request of a trace of histories, each event of which is `event_tokens` tokens. Throws config_error when the history
/// has more tokens than can be counted.
[[nodiscard]] inline request request_of(const trace& t, const trace_request& asked, token_count event_tokens = 1)
{
  const std::uint64_t tokens = std::uint64_t{asked.history} * event_tokens;
  if (tokens > (std::numeric_limits<token_count>::max)()) {
    throw config_error("event_tokens", event_tokens,
                       "a history of " + std::to_string(asked.history) + " events would be " + std::to_string(tokens) +
                           " tokens, of which 2^32 - 1 can be counted");
  }
  return {.user = t.users[asked.user],
          .history_tokens = static_cast<token_count>(tokens),
          .time_ms = asked.time_ms,
          .hint = {}};
}

/// The same request of the newest tokens only, as serving stacks cut long histories; 0: of all.
[[nodiscard]] constexpr request newest(request asked, token_count tokens) noexcept
{
  if (tokens != 0 && asked.history_tokens > tokens) asked.first_token = asked.history_tokens - tokens;
  return asked;
}

/// Sizes at which a cache counts objects: one token a user, which is a page of 2 bytes. Requests have a history of 1.
template <class Cache>
[[nodiscard]] typename Cache::config unit_sizes(page_count device_objects,
                                                [[maybe_unused]] page_count lower_objects = 0)
{
  typename Cache::config c;
  c.shape = {.layers = 1, .kv_heads = 1, .head_dim = 1, .element = element_type::int8};
  c.layout.page_tokens = 1;
  if constexpr (requires { c.layout.chunk; }) c.layout.chunk = 1;
  if constexpr (requires { c.layout.longest; }) c.layout.longest = 1;
  c.device.bytes = device_objects * c.shape.token_bytes();
  if constexpr (requires { c.host.bytes; }) c.host.bytes = lower_objects * c.shape.token_bytes();
  return c;
}

/// Looks at no plan.
struct unobserved
{
  constexpr void operator()(const batch_plan&) const noexcept {}
};

/// The cache must outlive it, and may be used for anything else between two calls; only what is served here is counted
/// as a request, but evictions and bytes are whoever's. Not synchronised. A call that throws leaves the cache and the
/// counts right.
template <class Cache>
class cache_simulator
{
 public:
  explicit cache_simulator(Cache& cache, const simulator_options& options = {})
      : cache_(&cache),
        options_(options),
        compute_(cache.device().create_stream("compute")),
        waiting_(options.batch_size)
  {
    if (options.batch_size == 0) throw config_error("simulator_options.batch_size", 0, "it must be at least 1");
    before_ = flows();
  }

  /// Serves a batch of distinct users: prepare, every layer done at once, commit, release. observe(plan) sees what was
  /// decided, the victims included. What does not fit is halved, as often as it takes. Throws as Cache::prepare does,
  /// but for capacity_error. Requests that wait to be a batch come first.
  template <class Observe = unobserved>
  void serve(std::span<const request> batch, Observe&& observe = {})
  {
    flush(observe);
    answer(batch, batch.size(), observe);
  }

  /// Serves one request, in a batch with those that follow: what it points to must live until then.
  template <class Observe = unobserved>
  void add(const request& asked, Observe&& observe = {})
  {
    if (options_.batch_size == 1) return answer({&asked, 1}, 1, observe);
    waiting_.add(asked);
    if (waiting_.full()) flush(observe);
  }

  /// Serves what waits to be a batch.
  template <class Observe = unobserved>
  void flush(Observe&& observe = {})
  {
    if (waiting_.empty()) return;
    request_batch batch(options_.batch_size);
    std::swap(batch, waiting_);
    answer(batch.requests(), batch.answers(), observe);
    batch.clear();
    std::swap(batch, waiting_);  // its memory, for the next one
  }

  /// Serves all accesses of a source: history(access) -> token_count says how long the user's history is, 1 for unit
  /// sizes.
  template <access_source Source, class History, class Observe = unobserved>
  void run(Source& source, History&& history, Observe&& observe = {})
  {
    std::vector<trace_access> chunk(4096);
    for (std::size_t got = source.read(chunk); got != 0; got = source.read(chunk)) {
      for (const trace_access& asked : std::span(chunk).first(got)) {
        add(newest(request_of(asked, history(asked)), options_.newest_tokens), observe);
      }
    }
    flush(observe);
  }

  /// Serves all requests of a trace.
  template <class Observe = unobserved>
  void run(const trace& t, token_count event_tokens = 1, Observe&& observe = {})
  {
    for (const trace_request& asked : t.requests) {
      add(newest(request_of(t, asked, event_tokens), options_.newest_tokens), observe);
    }
    flush(observe);
  }

  /// What has been served since the warm-up. O(free runs).
  [[nodiscard]] simulation_counts counts() const
  {
    simulation_counts out = counts_;
    if (seen_ < options_.warm_up) return out;
    const flow now = flows();
    out.device.evicted = now.stats.device.evicted_tokens - before_.stats.device.evicted_tokens;
    out.device.dropped = now.stats.device.dropped_tokens - before_.stats.device.dropped_tokens;
    out.lower.evicted = now.stats.lower.evicted_tokens - before_.stats.lower.evicted_tokens;
    out.lower.dropped = now.stats.lower.dropped_tokens - before_.stats.lower.dropped_tokens;
    out.onload_bytes = now.up - before_.up;
    out.offload_bytes = now.down - before_.down;
    return out;
  }

 private:
  /// What the cache counts by itself.
  struct flow
  {
    cache_stats stats;
    std::uint64_t up = 0;
    std::uint64_t down = 0;
  };

  [[nodiscard]] flow flows() const
  {
    flow out{.stats = cache_->stats()};
    if constexpr (requires { cache_->watcher().read().onload_bytes; }) {
      const auto moved = cache_->watcher().read();
      out.up = moved.onload_bytes;
      out.down = moved.offload_bytes;
    }
    return out;
  }

  /// `requests`: how many the batch stands for.
  template <class Observe>
  void answer(std::span<const request> batch, std::uint64_t requests, Observe& observe)
  {
    if (batch.empty()) return;
    const bool counted = seen_ >= options_.warm_up;
    carry_out(batch, counted, observe);
    seen_ += requests;
    if (counted) {
      counts_.requests += requests;
      counts_.merged += requests - batch.size();
    } else if (seen_ >= options_.warm_up) {
      before_ = flows();
    }
  }

  template <class Observe>
  void carry_out(std::span<const request> batch, bool counted, Observe& observe)
  {
    try {
      if (auto lease = cache_->prepare(batch, compute_)) {
        const batch_plan& plan = lease->plan();
        if (counted) count(plan);
        observe(plan);
        for (layer_index layer = 0; layer < cache_->shape().layers; ++layer) lease->layer_done(layer);
        lease->commit();
        lease->release();
        return;
      }
      if (counted) ++counts_.pressure;
    } catch (const capacity_error&) {  // larger than the device, or than the layout has room for
    }
    if (batch.size() > 1) {
      carry_out(batch.first(batch.size() / 2), counted, observe);
      carry_out(batch.subspan(batch.size() / 2), counted, observe);
    } else if (counted) {
      ++counts_.unserved;
      counts_.computed_tokens += window_of(batch.front()).size();
    }
  }

  void count(const batch_plan& plan) noexcept
  {
    ++counts_.batches;
    for (const request_plan& r : plan.requests) {
      const token_count below = r.lower_tokens();
      const token_count here = r.device_hit.size();
      counts_.device.tokens += here;
      counts_.lower.tokens += below;
      counts_.computed_tokens += r.computed_tokens();
      counts_.recomputed_tokens += r.recomputed.size();
      if (here != 0) ++counts_.device.requests;
      if (below != 0) ++counts_.lower.requests;
      if (here == 0 && below == 0 && r.recomputed.empty()) ++counts_.missed;
      counts_.forgotten += r.kept.forgotten;
    }
  }

  Cache* cache_;
  simulator_options options_;
  stream_id compute_;
  simulation_counts counts_;
  flow before_;  // when counting began
  std::uint64_t seen_ = 0;
  request_batch waiting_;  // to be a batch
};

}  // namespace kvstrata
