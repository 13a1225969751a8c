// A crowd of threads on one cache, or on one of shards, with every call there is: each serves users of its own and checks every
// byte, while one watches the books, cleans, looks ahead, and changes the code that a level keeps. In real time, so that the
// sanitizers see what goes wrong.
#pragma once

#include "cache/scene.hpp"
#include "cache/tiny_model.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/kvstrata.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace kvstrata_test {

/// A cache for crowds. What its arena is told leaves something to clean.
template <class Arena, class Codes = kvstrata::direct_codes<>>
using crowd_cache =
    kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<kvstrata::emulated_device>, Arena>,
                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<kvstrata::coalesced_copy, Codes>,
                    kvstrata::lru, kvstrata::counters>;

inline constexpr unsigned crowd_size = 4;

/// One client: batches of its own users, on a stream of its own.
template <class Cache>
class crowd_client
{
 public:
  crowd_client(Cache& cache, kvstrata::emulated_device& device, unsigned number)
      : cache_(cache),
        device_(device),
        stream_(device.create_stream("compute")),
        model_(device, 0),
        number_(number),
        random_(number)
  {
  }

  /// Some requests want exact bytes: what was rounded on the way is not served to them.
  void run(int batches)
  {
    for (int i = 0; i < batches; ++i) {
      std::vector<kvstrata::request> batch;
      for (unsigned n = 1 + below(3), first = below(6); n != 0; --n) {
        const kvstrata::user_id user{number_ * 100 + (first + n) % 6};
        const auto known = static_cast<kvstrata::token_count>(drafts_[user].size());
        batch.push_back({.user = user, .history_tokens = std::min(known + below(9), 24U), .exact = below(4) == 0});
      }
      other_calls(batch.front());
      auto lease = cache_.prepare(batch, stream_);
      if (!lease) {
        ++refused;
        std::this_thread::yield();
        continue;
      }
      serve(*lease, batch);
      ++served;
    }
    device_.wait_sync(device_.record(stream_));
  }

  [[nodiscard]] const findings& found() const noexcept { return model_.found(); }
  std::uint64_t served = 0, refused = 0, wrong_plans = 0;

 private:
  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  void other_calls(const kvstrata::request& r)
  {
    switch (below(12)) {
      case 0:
        cache_.erase(r.user);
        drafts_[r.user].clear();
        break;
      case 1:
      case 2:
      case 3: static_cast<void>(cache_.prefetch(r, {.pages = 3})); break;
      case 4: static_cast<void>(cache_.undo_prefetch(r.user)); break;
      case 5: static_cast<void>(cache_.clean(4)); break;
      case 6: static_cast<void>(cache_.plan({&r, 1})); break;
      case 7: static_cast<void>(cache_.stats()); break;
      default: break;
    }
  }

  void serve(typename Cache::lease& lease, const std::vector<kvstrata::request>& batch)
  {
    auto work = std::make_shared<lease_work>();
    const kvstrata::page_table_view view = lease.view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    const std::uint64_t draft = ++draft_;
    std::vector<std::vector<std::uint64_t>> now;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::vector<std::uint64_t>& drafts = drafts_[batch[i].user];
      now.emplace_back(batch[i].history_tokens, draft);
      for (kvstrata::token_count t = 0; t < batch[i].history_tokens; ++t) {
        bool writes = false;
        for (const kvstrata::token_interval piece : lease.compute(i)) writes = writes || piece.contains(t);
        if (!writes && t >= drafts.size()) ++wrong_plans;
        if (!writes && t < drafts.size()) now[i][t] = drafts[t];
        const bool exact = t < lease.plan().requests[i].inexact_from;
        if (!exact && batch[i].exact) ++wrong_plans;
        work->cells.push_back(
            {view.key(0, i, t), token_tag(batch[i].user, {}, now[i][t], t), batch[i].user, t, writes, exact});
      }
    }
    for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
      if (below(8) == 0) lease.wait_sync(layer);
      else lease.wait(layer);
      model_.launch(stream_, layer, work);
      lease.layer_done(layer);
    }
    if (below(8) == 0) return lease.release();  // dropped: nothing that it computed is kept
    lease.commit();
    for (std::size_t i = 0; i < batch.size(); ++i) drafts_[batch[i].user] = now[i];
    if (below(2) == 0) lease.release();
  }

  Cache& cache_;
  kvstrata::emulated_device& device_;
  kvstrata::stream_id stream_;
  tiny_model model_;
  unsigned number_;
  std::mt19937_64 random_;
  std::map<kvstrata::user_id, std::vector<std::uint64_t>> drafts_;
  std::uint64_t draft_ = 0;
};

/// meanwhile(round) is called by a thread that serves nobody, again and again. Returns the books' last figures; the cache is closed.
template <class Cache, class Meanwhile>
kvstrata::cache_stats serve_a_crowd(Cache& cache, kvstrata::emulated_device& device, Meanwhile&& meanwhile)
{
  std::vector<std::unique_ptr<crowd_client<Cache>>> clients;
  for (unsigned i = 1; i <= crowd_size; ++i) clients.push_back(std::make_unique<crowd_client<Cache>>(cache, device, i));
  std::atomic<bool> done{false};
  std::uint64_t unbalanced = 0;
  std::thread watcher([&] {
    for (std::uint64_t round = 0; !done.load(); ++round) {
      const kvstrata::cache_stats s = cache.stats();
      for (const kvstrata::tier_stats& t : all_tiers(s)) {
        if (t.free_bytes + t.resident_bytes + t.in_flight_bytes != t.capacity_bytes) ++unbalanced;
      }
      const kvstrata::user_id user{(1 + round % crowd_size) * 100 + round % 6};
      static_cast<void>(cache.arrived(user));
      meanwhile(round);
      if (round % 16 == 0) static_cast<void>(cache.clean());
      if (round % 64 == 0) cache.drain_sync();
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> crowd;
  for (auto& c : clients) crowd.emplace_back([&c] { c->run(100 * effort); });
  for (std::thread& t : crowd) t.join();
  done.store(true);
  watcher.join();
  for (const auto& c : clients) {
    if (c->found().count() != 0) FAIL(c->found().first());
    CHECK(c->wrong_plans == 0);
    CHECK(c->served > 0);
  }
  CHECK(unbalanced == 0);
  const kvstrata::cache_stats last = cache.stats();
  CHECK(last.leases == 0);
  cache.close();
  return last;
}
template <class Cache>
void serve_a_crowd(Cache& cache, kvstrata::emulated_device& device)
{
  static_cast<void>(serve_a_crowd(cache, device, [](std::uint64_t) {}));
}

}  // namespace kvstrata_test
