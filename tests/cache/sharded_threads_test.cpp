// Several threads on one cache, and on one of shards. In real time, so that the sanitizers see what goes wrong.
#include "cache/crowd.hpp"
#include "cache/scene.hpp"
#include "support/effort.hpp"

#include <kvstrata/sharded/sharded.hpp>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using plain_cache = crowd_cache<pinned_arena<>>;
using sharded_cache = sharded<plain_cache>;

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
