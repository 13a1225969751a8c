// The model over a real cache: whatever is served from where, the answer is that of recomputation by the same kernels.
#pragma once

#include "hstu_gpu/model_checks.hpp"

#include <kvstrata/cache/named_caches.hpp>

#include <optional>

namespace hstu_gpu_test {

/// What a walk has seen, so that a test can tell that it saw all.
struct walk_counts
{
  std::uint64_t from_slab = 0, from_arena = 0, computed = 0;  ///< tokens
  std::uint64_t fronts = 0;                                   ///< passes with fronts apart
  std::uint64_t dropped = 0;                                  ///< leases without commit
};

template <class Machine, class Cache>
class cache_walk
{
 public:
  cache_walk(std::uint64_t seed, const hstu::config& c, typename Cache::config sizes)
      : random_(seed), config_(c), bed_(c), cache_(bed_.device(), with_shape(sizes, bed_.model.shape()))
  {
    for (std::uint32_t i = 0; i < 6; ++i) {
      users_.emplace_back(random_, longest, 1);
      if (i % 2 == 1) users_.back().first_token = below(random_, 70);  // of a window that stays
      lengths_.push_back(users_.back().first_token);
    }
  }

  /// Accesses to memory that nothing orders, as far as the device sees.
  [[nodiscard]] std::size_t violations()
  {
    if constexpr (requires { bed_.device().violations(); }) return bed_.device().violations().size();
    else return 0;
  }

  /// Serves one batch; every fourth lease is dropped before commit, and some of these in the midst of the pass.
  void step()
  {
    std::vector<user> now;
    std::vector<kvstrata::request> asked;
    for (std::uint32_t i = 0, first = below(random_, 6), count = 1 + below(random_, 3); i < count; ++i) {
      const std::uint32_t who = (first + i * 2) % 6;
      lengths_[who] = (std::min)(longest, lengths_[who] + below(random_, 60));
      now.push_back(users_[who]);
      now.back().history = lengths_[who];
      now.back().candidates.clear();
      for (std::uint32_t k = below(random_, 8); k > 0; --k) now.back().candidates.push_back(random_());
      kvstrata::request r;
      r.user = kvstrata::user_id{who};
      r.history_tokens = lengths_[who];
      r.first_token = users_[who].first_token;
      asked.push_back(r);
    }
    auto lease = cache_.prepare(asked, bed_.stream).value();
    bool apart = false;
    for (std::size_t i = 0; i < now.size(); ++i) {
      now[i].compute.assign(lease.compute(i).begin(), lease.compute(i).end());
      const kvstrata::token_sources split = lease.sources(i);
      seen.from_slab += split.from[0];
      seen.from_arena += split.fetched();
      seen.computed += split.computed;
      apart = apart || (!lease.front(i).empty() && split.fetched() + split.from[0] != 0);
    }
    seen.fronts += apart ? 1 : 0;
    const bool drops = below(random_, 4) == 0;
    const kvstrata::layer_index stops_at = drops ? below(random_, 2 * config_.layers) : config_.layers;
    const std::vector<hstu::request> batch = requests_of(now);
    std::optional<std::vector<float>> scores;
    {
      hstu::gpu::pass<typename Machine::runner> pass(bed_.lane, batch, lease.view(),
                                                     apart ? hstu::fronts::apart : hstu::fronts::together);
      pass.embed();
      kvstrata::layer_index l = 0;
      for (; l < config_.layers && l <= stops_at; ++l) {
        if (pass.has_front()) pass.front(l);
        lease.wait(l);
        pass.layer(l);
        lease.layer_done(l);
      }
      if (l == config_.layers) {
        pass.head();
        if (!drops) lease.commit();
        const auto found = pass.scores_sync();
        scores.emplace(found.begin(), found.end());
      }
    }
    seen.dropped += drops ? 1 : 0;
    lease.release();
    if (!scores) return;
    const std::vector<float> expected = bed_.recompute(batch);
    if constexpr (Machine::bitwise) CHECK(*scores == expected);
    CHECK(relative_error(*scores, expected) < near_each_other);
  }

  walk_counts seen;

 private:
  static constexpr std::uint32_t longest = 170;

  static typename Cache::config with_shape(typename Cache::config c, const kvstrata::geometry& shape)
  {
    c.shape = shape;
    return c;
  }

  generator random_;
  hstu::config config_;
  model_bed<Machine> bed_;
  Cache cache_;
  std::vector<user> users_;
  std::vector<kvstrata::token_count> lengths_;
};

/// A slab and an arena that are both too small, so that everything happens.
template <class Machine, template <class> class Cache>
walk_counts walk_cache(std::uint64_t seed, int steps, kvstrata::cost_model costs = {})
{
  using cache_type = Cache<typename Machine::runner::device_type>;
  const hstu::config c = small_config();
  const std::size_t token = hstu::gpu::bf16_geometry_of(c).token_bytes();
  typename cache_type::config sizes;
  std::get<0>(sizes.tiers).bytes = 19 * 32 * token;
  std::get<1>(sizes.tiers).bytes = 24 * 32 * token;
  sizes.layout.chunk = 64;
  if constexpr (requires { sizes.split.cost; }) sizes.split.cost = costs;
  cache_walk<Machine, cache_type> walk(seed, c, sizes);
  for (int i = 0; i < steps; ++i) {
    INFO("step " << i);
    walk.step();
  }
  CHECK(walk.violations() == 0);
  return walk.seen;
}

template <class Device>
using ours = kvstrata::default_cache<Device>;
template <class Device>
using papers = kvstrata::mtserve_cache<Device>;

/// Fetching and computing take about as long, so that histories are split.
inline constexpr kvstrata::cost_model even_costs{
    .seconds_per_token = 1, .seconds_per_pair = 0.01, .fetch_seconds_per_token = 2, .layers = 3};

template <class Machine>
void check_caches(int steps)
{
  SECTION("ours, fetching what it can")
  {
    const walk_counts seen = walk_cache<Machine, ours>(31, steps);
    CHECK(seen.from_slab > 0);
    CHECK(seen.from_arena > 0);
    CHECK(seen.computed > 0);
    CHECK(seen.dropped > 0);
  }
  SECTION("ours, computing fronts while rears travel")
  {
    const walk_counts seen = walk_cache<Machine, ours>(32, steps, even_costs);
    CHECK(seen.from_arena > 0);
    CHECK(seen.fronts > 0);
    CHECK(seen.dropped > 0);
  }
  SECTION("the paper's, whole users evicted")
  {
    const walk_counts seen = walk_cache<Machine, papers>(33, steps);
    CHECK(seen.from_slab > 0);
    CHECK(seen.from_arena > 0);
  }
}

}  // namespace hstu_gpu_test
