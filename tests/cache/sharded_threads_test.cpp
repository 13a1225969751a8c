// Several threads on one cache, and on one of shards, with every call there is: each serves users of its own and checks
// every byte, while one watches the books, cleans and looks ahead. In real time, so that the sanitizers see what goes
// wrong.
#include "cache/scene.hpp"
#include "cache/tiny_model.hpp"
#include "support/effort.hpp"

#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using plain_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                          layerwise_transfer<coalesced_copy>, lru,
                          counters>;  // so that there is something to clean
using sharded_cache = sharded<plain_cache>;

constexpr unsigned crowd_size = 4;

/// One client: batches of its own users, on a stream of its own.
template <class Cache>
class client
{
 public:
  client(Cache& cache, emulated_device& device, unsigned number)
      : cache_(cache),
        device_(device),
        stream_(device.create_stream("compute")),
        model_(device, 0),
        number_(number),
        random_(number)
  {
  }

  void run(int batches)
  {
    for (int i = 0; i < batches; ++i) {
      std::vector<request> batch;
      for (unsigned n = 1 + below(3), first = below(6); n != 0; --n) {
        const user_id user{number_ * 100 + (first + n) % 6};
        const auto known = static_cast<token_count>(drafts_[user].size());
        batch.push_back({.user = user, .history_tokens = std::min(known + below(9), 24U)});
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

  void other_calls(const request& r)
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

  void serve(typename Cache::lease& lease, const std::vector<request>& batch)
  {
    auto work = std::make_shared<lease_work>();
    const page_table_view view = lease.view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    const std::uint64_t draft = ++draft_;
    std::vector<std::vector<std::uint64_t>> now;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::vector<std::uint64_t>& drafts = drafts_[batch[i].user];
      now.emplace_back(batch[i].history_tokens, draft);
      for (token_count t = 0; t < batch[i].history_tokens; ++t) {
        bool writes = false;
        for (const token_interval piece : lease.compute(i)) writes = writes || piece.contains(t);
        if (!writes && t >= drafts.size()) ++wrong_plans;
        if (!writes && t < drafts.size()) now[i][t] = drafts[t];
        work->cells.push_back(
            {view.key(0, i, t), token_tag(batch[i].user, {}, now[i][t], t), batch[i].user, t, writes});
      }
    }
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
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
  emulated_device& device_;
  stream_id stream_;
  tiny_model model_;
  unsigned number_;
  std::mt19937_64 random_;
  std::map<user_id, std::vector<std::uint64_t>> drafts_;
  std::uint64_t draft_ = 0;
};

template <class Cache>
void serve_a_crowd(Cache& cache, emulated_device& device)
{
  std::vector<std::unique_ptr<client<Cache>>> clients;
  for (unsigned i = 1; i <= crowd_size; ++i) clients.push_back(std::make_unique<client<Cache>>(cache, device, i));
  std::atomic<bool> done{false};
  std::uint64_t unbalanced = 0;
  std::thread watcher([&] {
    for (std::uint64_t round = 0; !done.load(); ++round) {
      const cache_stats s = cache.stats();
      for (const tier_stats& t : all_tiers(s)) {
        if (t.free_bytes + t.resident_bytes + t.in_flight_bytes != t.capacity_bytes) ++unbalanced;
      }
      const user_id user{(1 + round % crowd_size) * 100 + round % 6};
      static_cast<void>(cache.arrived(user));
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
  CHECK(cache.stats().leases == 0);
  cache.close();
}

/// Threads that want the same two users, who may live in two shards: never two leases on one, and nobody starves.
template <class Cache>
void fight_over(Cache& cache, emulated_device& device, user_id a, user_id b)
{
  std::vector<stream_id> streams;
  for (unsigned i = 0; i < crowd_size; ++i) streams.push_back(device.create_stream("compute"));
  std::atomic<int> holders{0};
  std::atomic<std::uint64_t> held_twice{0}, served{0};
  std::vector<std::thread> crowd;
  for (unsigned i = 0; i < crowd_size; ++i) {
    crowd.emplace_back([&, i] {
      for (int n = 0; n < 50 * effort; ++n) {
        const request batch[] = {{.user = i % 2 == 0 ? a : b, .history_tokens = 6},
                                 {.user = i % 2 == 0 ? b : a, .history_tokens = 6}};
        auto lease = cache.prepare(batch, streams[i]);
        while (!lease) {  // whoever is refused has been beaten by somebody who is served
          std::this_thread::yield();
          lease = cache.prepare(batch, streams[i]);
        }
        if (holders.fetch_add(1) != 0) held_twice.fetch_add(1);
        for (layer_index layer = 0; layer < tiny.layers; ++layer) lease->layer_done(layer);
        if (n % 4 != 0) lease->commit();
        holders.fetch_sub(1);
        lease->release();
        served.fetch_add(1);
      }
    });
  }
  for (std::thread& t : crowd) t.join();
  CHECK(held_twice == 0);
  CHECK(served == crowd_size * 50U * effort);
  CHECK(cache.stats().leases == 0);
}

/// A new model begins while threads serve: each goes over to it when the old one is refused.
template <class Cache>
void change_epochs(Cache& cache, emulated_device& device)
{
  std::atomic<std::uint64_t> early{0};  // turned away for another reason: never, by the cache's own epoch
  std::atomic<unsigned> at_work{crowd_size};
  std::atomic<std::uint64_t> stale{0};
  std::vector<stream_id> streams;
  for (unsigned i = 0; i < crowd_size; ++i) streams.push_back(device.create_stream("compute"));
  std::vector<std::thread> crowd;
  for (unsigned i = 0; i < crowd_size; ++i) {
    crowd.emplace_back([&, i] {
      std::map<user_id, epoch_id> written;
      for (int n = 0; n < 60 * effort; ++n) {
        const epoch_id now = cache.epoch();
        std::vector<request> batch;
        for (std::uint64_t k = 0; k < 3; ++k) {
          batch.push_back({.user = user_id{i * 10 + k}, .history_tokens = 5, .epoch = now});
        }
        auto lease = cache.prepare(batch, streams[i]);
        if (lease) {
          for (std::size_t r = 0; r < batch.size(); ++r) {
            if (lease->sources(r).computed == 0 && written[batch[r].user] != now) stale.fetch_add(1);
          }
          for (layer_index layer = 0; layer < tiny.layers; ++layer) lease->layer_done(layer);
          lease->commit();
          for (const request& r : batch) written[r.user] = now;
        } else {  // between two epochs
          if (lease.why().why != pressure::reason::stale_epoch) early.fetch_add(1);
          std::this_thread::yield();
        }
      }
      at_work.fetch_sub(1);
    });
  }
  for (std::uint64_t next = 1; at_work.load() != 0; ++next) {
    cache.advance_epoch(epoch_id{next});
    std::this_thread::yield();
  }
  for (std::thread& t : crowd) t.join();
  CHECK(early == 0);
  CHECK(stale == 0);
  CHECK(cache.stats().leases == 0);
}

}  // namespace

TEST_CASE("a crowd on one cache, with every call there is", "[cache][threads]")
{
  emulated_device device({.poison_freed = true});
  plain_cache cache(device, tiny_config<plain_cache>(96, 120));
  serve_a_crowd(cache, device);
}

TEST_CASE("a crowd on shards, with every call there is", "[cache][sharded][threads]")
{
  for (const std::uint32_t shards : {1U, 4U}) {
    emulated_device device({.poison_freed = true});
    sharded_cache cache(device, tiny_config<plain_cache>(96, 120), shards);
    serve_a_crowd(cache, device);
  }
}

TEST_CASE("batches that want the same users of two shards take turns", "[cache][sharded][threads]")
{
  emulated_device device;
  sharded_cache cache(device, tiny_config<plain_cache>(32, 64), 2);
  std::uint64_t first = 0, second = 0;
  while (cache.shard_of(user_id{first}) != 0) ++first;
  while (cache.shard_of(user_id{second}) != 1) ++second;
  fight_over(cache, device, user_id{first}, user_id{second});
  plain_cache one(device, tiny_config<plain_cache>(32, 64));
  fight_over(one, device, user_id{first}, user_id{second});
}

TEST_CASE("epochs change while a crowd is served", "[cache][sharded][threads]")
{
  emulated_device device;
  sharded_cache cache(device, tiny_config<plain_cache>(64, 64), 4);
  change_epochs(cache, device);
  plain_cache one(device, tiny_config<plain_cache>(64, 64));
  change_epochs(one, device);
}
