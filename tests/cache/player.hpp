// A small play that takes every path of a cache, with a model that checks every byte that is served.
#pragma once

#include "cache/fuse.hpp"
#include "cache/subject.hpp"
#include "cache/tiny_model.hpp"
#include "cache/turn.hpp"
#include "support/catch.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace kvstrata_test {

using namespace kvstrata;

/// Serves users with a model that checks every byte that is served. Knows what may be served: what a lease wrote that
/// came as far as commit().
class player
{
 public:
  using kernel_runner = std::function<void(stream_id, layer_index, std::shared_ptr<const lease_work>)>;

  /// Batches take turns on the compute streams.
  player(any_cache& cache, std::vector<stream_id> compute, kernel_runner run)
      : cache_(cache), streams_(std::move(compute)), run_(std::move(run))
  {
  }

  [[nodiscard]] static request asks(turn t) { return {.user = user_id{t.user}, .history_tokens = t.history}; }
  [[nodiscard]] static std::vector<request> batch_of(std::initializer_list<turn> turns)
  {
    const fuse::out_of_reach while_it_lives;
    std::vector<request> out;
    for (const turn t : turns) out.push_back(asks(t));
    return out;
  }

  [[nodiscard]] result<std::unique_ptr<any_lease>> prepare(std::initializer_list<turn> turns)
  {
    compute_ = streams_[batches_++ % streams_.size()];
    return cache_.prepare(batch_of(turns), compute_);
  }

  /// The compute stream of the latest batch.
  [[nodiscard]] stream_id compute() const { return compute_; }

  /// The calls of a lease's life, in order: wait and layer_done for each layer, commit. Does the first `calls` of them.
  void live(any_lease& lease, unsigned calls = ~0U) { live(lease, calls, compute_); }
  void live(any_lease& lease, unsigned calls, stream_id compute)
  {
    const std::uint64_t draft = ++drafts_;
    const auto work = work_of(lease, draft);
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      if (calls-- == 0) return;
      lease.wait(layer);
      if (calls-- == 0) return;
      run_(compute, layer, work);
      lease.layer_done(layer);
    }
    if (calls-- == 0) return;
    note(lease, draft);
    lease.commit();
  }

  void serve(std::initializer_list<turn> turns)
  {
    auto lease = prepare(turns);
    REQUIRE(lease.has_value());
    live(**lease);
    (*lease)->release();
  }

  /// The same, unless there is pressure.
  void try_serve(std::initializer_list<turn> turns)
  {
    auto lease = prepare(turns);
    if (!lease) return;
    live(**lease);
    (*lease)->release();
  }

  void erase(unsigned user)
  {
    const fuse::out_of_reach while_it_lives;
    written_.erase(user_id{user});
    cache_.erase(user_id{user});
  }

 private:
  void note(const any_lease& lease, std::uint64_t draft)
  {
    const fuse::out_of_reach while_it_lives;
    for (std::size_t i = 0; i < lease.size(); ++i) {
      const request_plan& r = lease.plan().requests[i];
      for (const token_interval piece : lease.compute(i)) {
        for (token_count t = piece.begin; t < piece.end; ++t) {
          if (!r.recomputed.contains(t)) written_[r.user][t] = draft;
        }
      }
    }
  }

  std::shared_ptr<const lease_work> work_of(const any_lease& lease, std::uint64_t draft)
  {
    const fuse::out_of_reach while_it_lives;
    auto work = std::make_shared<lease_work>();
    const page_table_view view = lease.view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    for (std::size_t i = 0; i < lease.size(); ++i) {
      const request_plan& r = lease.plan().requests[i];
      for (token_count t = 0; t < r.history; ++t) {
        bool computed = false;
        for (const token_interval piece : lease.compute(i)) computed |= piece.contains(t);
        std::uint64_t shown = draft;
        if (!computed || r.recomputed.contains(t)) {
          const auto known = written_[r.user].find(t);
          if (known == written_[r.user].end()) FAIL("token " << t << " of user " << to_number(r.user) << " is unknown");
          shown = known->second;
        }
        work->cells.push_back({.key = view.key(0, i, t),
                               .tag = token_tag(r.user, {}, shown, t),
                               .user = r.user,
                               .token = t,
                               .writes = computed});
      }
    }
    return work;
  }

  any_cache& cache_;
  std::vector<stream_id> streams_;
  stream_id compute_{};
  std::size_t batches_ = 0;
  kernel_runner run_;
  std::map<user_id, std::map<token_count, std::uint64_t>> written_;
  std::uint64_t drafts_ = 0;
};

/// Something of everything: hits, write-through, write-back, delayed writes, prefetch and its undoing, the cleaner.
inline void play(player& p, any_cache& cache)
{
  const auto prefetch = [&](turn t, const prefetch_limit& limit = {}) {
    static_cast<void>(cache.prefetch(player::asks(t), limit));
  };
  p.serve({{1, 24}, {2, 20}});
  p.serve({{3, 23}});
  p.serve({{2, 22}, {1, 24}});
  p.serve({{4, 24}, {5, 21}});
  prefetch({1, 24}, {.pages = 2});
  p.serve({{1, 24}});
  p.serve({{3, 24}, {4, 24}});
  p.serve({{5, 24}});
  prefetch({2, 22});
  cache.undo_prefetch(user_id{2});
  prefetch({2, 22});
  p.serve({{2, 23}});
  cache.clean(~std::uint64_t{0});
  p.serve({{6, 17}});
  p.serve({{6, 19}, {1, 24}});
  cache.clean(10);
  p.erase(4);
  p.serve({{3, 24}, {4, 9}});
  p.serve({{5, 24}, {6, 19}});
  cache.drain_sync();
  cache.clean(~std::uint64_t{0});
  p.serve({{1, 24}, {2, 24}});
  cache.drain_sync();
}

inline constexpr unsigned walkers = 8;

/// Steps in an order drawn from the seed, with two leases at a time now and then. `attempt(step)` makes each.
template <class Attempt>
void wander(player& p, any_cache& cache, unsigned seed, int steps, Attempt&& attempt)
{
  std::minstd_rand random(seed + 1);
  const auto draw = [&random](unsigned below) { return static_cast<unsigned>(random() >> 4U) % below; };
  for (int step = 0; step < steps; ++step) {
    const unsigned what = draw(16);
    const turn a{1 + draw(walkers), 1 + draw(24)};
    const turn b{1 + (a.user + draw(walkers - 1)) % walkers, 1 + draw(24)};
    const unsigned some = 1 + draw(6);
    attempt([&] {
      if (what < 6) p.try_serve({a});
      else if (what < 10) p.try_serve({a, b});
      else if (what < 12) {
        auto first = p.prepare({a});
        if (!first) return;
        const stream_id compute = p.compute();
        p.try_serve({b});
        p.live(**first, some == 1 ? 3 : ~0U, compute);
      } else if (what == 12) static_cast<void>(cache.prefetch(player::asks(a), {.pages = some}));
      else if (what == 13) cache.undo_prefetch(user_id{a.user});
      else if (what == 14) cache.clean(some * 4);
      else p.erase(a.user);
    });
  }
}

inline void check_sums(const cache_stats& s)
{
  for (const tier_stats& tier : {s.device, s.lower, s.window}) {
    CHECK(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    CHECK(tier.resident_bytes <= tier.capacity_bytes);  // no frame has two owners
    CHECK(tier.dropped_tokens <= tier.evicted_tokens);
    CHECK(tier.resident_tokens * tiny.token_bytes() <= tier.resident_bytes);
  }
  CHECK(s.leases == 0);
  CHECK(s.dirty_tokens <= s.device.resident_tokens);
  CHECK(s.window.resident_bytes == 0);
}

/// Nothing is held, and all that is cached can be given back.
inline void check_given_back(any_cache& cache)
{
  for (int round = 0; cache.stats().waiting_writes != 0; ++round) {
    REQUIRE(round < 10);
    cache.drain_sync();
    cache.clean(0);
  }
  cache.drain_sync();
  check_sums(cache.stats());
  for (unsigned user = 1; user <= walkers; ++user) cache.erase(user_id{user});
  const cache_stats s = cache.stats();
  CHECK(s.users == 0);
  CHECK(s.dirty_tokens == 0);
  for (const tier_stats& tier : {s.device, s.lower, s.window}) {
    CHECK(tier.resident_tokens == 0);
    CHECK(tier.resident_bytes == 0);
  }
  cache.close();
}

}  // namespace kvstrata_test
