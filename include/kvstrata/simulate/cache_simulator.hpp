// The simulator that is the cache: drives any cache type with a stream of requests and counts what came of it. Index, plan,
// eviction and policies are those of production, as they stand; what is left out is the model and the bytes. On a
// dataless_device (simulate/dataless_device.hpp) a run costs what deciding costs; on an emulated_device in virtual time it
// takes the same decisions.
//
// Who wants to know nothing but hits of one tier with unit sizes takes simulate/object_cache.hpp, which finds the same.
#pragma once

#include <kvstrata/books/stats.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>
#include <kvstrata/simulate/request_batch.hpp>
#include <kvstrata/simulate/simulation_counts.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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

/// Sizes at which a cache counts objects: one token a user, which is a page of 2 bytes. Requests have a history of 1. Nobody
/// goes before they must.
/// `objects`: of each level, from the slab down.
template <class Cache, std::convertible_to<page_count>... Objects>
  requires(sizeof...(Objects) == std::tuple_size_v<decltype(Cache::config::tiers)>)
[[nodiscard]] typename Cache::config unit_sizes(Objects... objects)
{
  typename Cache::config c;
  c.shape = geometry{.layers = 1, .kv_heads = 1, .head_dim = 1, .element = element_type::int8};
  c.layout.page_tokens = 1;
  if constexpr (requires { c.layout.chunk; }) c.layout.chunk = 1;
  if constexpr (requires { c.layout.longest; }) c.layout.longest = 1;
  std::apply([&](auto&... tier) { ((tier.bytes = static_cast<page_count>(objects) * c.shape.token_bytes()), ...); },
             c.tiers);
  if constexpr (requires { std::get<0>(c.tiers).slack; }) std::get<0>(c.tiers).slack = 0;
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
    for (level_index i = 0; i < now.stats.depth; ++i) {
      const tier_stats& before = before_.stats.levels[i];
      out.levels[i].evicted = now.stats.levels[i].evicted_tokens - before.evicted_tokens;
      out.levels[i].dropped = now.stats.levels[i].dropped_tokens - before.dropped_tokens;
    }
    const std::uint64_t versions = now.stats.superseded_versions - before_.stats.superseded_versions;
    out.forgotten.superseded = now.stats.forgotten.superseded - before_.stats.forgotten.superseded;
    out.parts.of(part_mode::replace).superseded = versions;
    out.parts.of(part_mode::append).superseded = out.forgotten.superseded - versions;
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
    if constexpr (requires { cache_->tracker().read().onload_bytes; }) {
      const auto moved = cache_->tracker().read();
      const auto total = [](const auto& bytes) {
        if constexpr (requires { bytes.begin(); }) return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
        else return bytes;
      };
      out.up = total(moved.onload_bytes);
      out.down = total(moved.offload_bytes);
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
      counts_.computed_tokens += kept_tokens_of(batch.front());
      counts_.parts.add_computed(batch.front());
    }
  }

  void count(const batch_plan& plan) noexcept
  {
    ++counts_.batches;
    for (std::size_t asked = 0; asked < plan.size(); ++asked) {
      by_level<std::uint64_t> from{};
      bool missed = true;
      for (std::size_t part = 0; part < plan.parts(asked); ++part) {
        const request_plan& r = plan.requests[plan.row(asked, part)];
        const token_sources came = sources_of(plan.pieces_of(r));
        counts_.parts.add(r.mode, came);
        if (r.mode == part_mode::scratch) continue;
        for (level_index i = 0; i < most_levels; ++i) from[i] += came.from[i];
        counts_.computed_tokens += came.computed;
        counts_.recomputed_tokens += r.recomputed.size();
        missed = missed && r.in_slab.empty() && r.fetched == 0 && r.recomputed.empty();
        counts_.forgotten += r.kept.forgotten;
      }
      for (level_index i = 0; i < most_levels; ++i) {
        counts_.levels[i].tokens += from[i];
        if (from[i] != 0) ++counts_.levels[i].requests;
      }
      if (missed) ++counts_.missed;
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
