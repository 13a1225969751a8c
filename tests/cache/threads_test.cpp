// DESIGN section 5, points 10 (calls from several threads) and 11 (close drains; destruction with work in flight), in real
// time: what runs at once on a device runs at once here, so the sanitizers see what goes wrong.
#include "cache/scene.hpp"
#include "cache/tiny_model.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using cache_type = default_scene_cache;

/// One client: serves its own users with a model that checks every served byte, on a stream of its own.
class client
{
 public:
  client(cache_type& cache, emulated_device& device, unsigned number)
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
      const auto user = user_id{number_ * 100 + random_() % 4};
      auto& drafts = drafts_[user];
      const auto known = static_cast<token_count>(drafts.size());
      const request r{.user = user,
                      .history_tokens = static_cast<token_count>(std::min<std::size_t>(known + random_() % 9, 40))};
      if (random_() % 12 == 0) {
        cache_.erase(user);
        drafts.clear();
        continue;
      }
      if (random_() % 4 == 0) static_cast<void>(cache_.prefetch(r));
      auto lease = cache_.prepare({&r, 1}, stream_);
      if (!lease) {
        ++refused;
        std::this_thread::yield();
        continue;
      }
      serve(*lease, r, ++draft_, drafts);
      if (random_() % 8 == 0) static_cast<void>(cache_.stats());
    }
    device_.wait_sync(device_.record(stream_));
  }

  [[nodiscard]] const findings& found() const noexcept { return model_.found(); }
  std::uint64_t refused = 0;
  std::uint64_t served = 0;
  std::uint64_t wrong_plans = 0;

 private:
  void serve(cache_type::lease& lease, const request& r, std::uint64_t draft, std::vector<std::uint64_t>& drafts)
  {
    auto work = std::make_shared<lease_work>();
    const page_table_view view = lease.view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    std::vector<std::uint64_t> now(r.history_tokens, draft);
    for (token_count t = 0; t < r.history_tokens; ++t) {
      bool writes = false;
      for (const token_interval piece : lease.compute(0)) writes = writes || piece.contains(t);
      if (!writes && t >= drafts.size()) ++wrong_plans;
      if (!writes && t < drafts.size()) now[t] = drafts[t];
      work->cells.push_back({view.key(0, 0, t), token_tag(r.user, {}, now[t], t), r.user, t, writes});
    }
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      lease.wait(layer);
      model_.launch(stream_, layer, work);
      lease.layer_done(layer);
    }
    ++served;
    if (random_() % 8 == 0) {  // dropped: what was recomputed of it is not kept
      for (token_count t = 0; t < r.history_tokens && t < drafts.size(); ++t) now[t] = drafts[t];
      now.resize(std::min<std::size_t>(now.size(), drafts.size()));
    } else {
      lease.commit();
    }
    if (now.size() >= drafts.size()) drafts = now;
    else std::copy(now.begin(), now.end(), drafts.begin());
  }

  cache_type& cache_;
  emulated_device& device_;
  stream_id stream_;
  tiny_model model_;
  unsigned number_;
  std::mt19937_64 random_;
  std::map<user_id, std::vector<std::uint64_t>> drafts_;
  std::uint64_t draft_ = 0;
};

}  // namespace

TEST_CASE("several threads serve their users from one cache", "[cache][threads]")
{
  emulated_device device({.poison_freed = true});
  cache_type cache(device, tiny_config<cache_type>(48, 96));
  constexpr unsigned threads = 4;
  std::vector<std::unique_ptr<client>> clients;
  for (unsigned i = 1; i <= threads; ++i) clients.push_back(std::make_unique<client>(cache, device, i));
  std::vector<std::thread> crowd;
  for (auto& c : clients) crowd.emplace_back([&c] { c->run(120 * effort); });
  std::atomic<bool> done{false};
  std::uint64_t unbalanced = 0;
  std::thread watcher([&] {
    while (!done.load()) {
      const cache_stats s = cache.stats();
      for (const tier_stats& t : all_tiers(s)) {
        if (t.free_bytes + t.resident_bytes + t.in_flight_bytes != t.capacity_bytes) ++unbalanced;
      }
      std::this_thread::yield();
    }
  });
  for (std::thread& t : crowd) t.join();
  done.store(true);
  watcher.join();

  std::uint64_t served = 0;
  for (const auto& c : clients) {
    if (c->found().count() != 0) FAIL(c->found().first());
    CHECK(c->wrong_plans == 0);
    CHECK(c->served > 0);
    served += c->served;
  }
  CHECK(unbalanced == 0);
  CHECK(cache.stats().leases == 0);
  CHECK(cache.tracker().read().batches == served);
  cache.close();
}

TEST_CASE("several threads want the same users", "[cache][threads]")
{
  emulated_device device;
  cache_type cache(device, tiny_config<cache_type>(16, 32));
  constexpr unsigned threads = 4;
  std::vector<stream_id> streams;
  for (unsigned i = 0; i < threads; ++i) streams.push_back(device.create_stream("compute"));
  std::atomic<std::uint64_t> served{0}, refused{0}, held_twice{0};
  std::atomic<int> holders[3] = {};
  std::vector<std::thread> crowd;
  for (unsigned i = 0; i < threads; ++i) {
    crowd.emplace_back([&, i] {
      std::mt19937_64 random(i);
      for (int n = 0; n < 150 * effort; ++n) {
        const unsigned which = static_cast<unsigned>(random() % 3);
        const request r{.user = user_id{which}, .history_tokens = static_cast<token_count>(4 + n % 12)};
        switch (random() % 8) {
          case 0: static_cast<void>(cache.prefetch(r)); break;
          case 1: static_cast<void>(cache.plan({&r, 1})); break;
          default: break;
        }
        auto lease = cache.prepare({&r, 1}, streams[i]);
        if (!lease) {
          refused.fetch_add(1);
          continue;
        }
        if (holders[which].fetch_add(1) != 0) held_twice.fetch_add(1);
        for (layer_index layer = 0; layer < tiny.layers; ++layer) lease->layer_done(layer);
        if (random() % 4 != 0) lease->commit();
        holders[which].fetch_sub(1);
        lease->release();
        served.fetch_add(1);
      }
    });
  }
  for (std::thread& t : crowd) t.join();
  CHECK(held_twice == 0);
  CHECK(served > 0);
  CHECK(served + refused == threads * 150U * effort);
  cache.close();
}

TEST_CASE("close waits for the copies that are under way", "[cache][threads]")
{
  emulated_device device({.from_device = {.latency_seconds = 2e-3}});
  const stream_id compute = device.create_stream("compute");
  cache_type cache(device, tiny_config<cache_type>(8, 64));
  const request r{.user = user_id{1}, .history_tokens = 32};
  {
    auto lease = cache.prepare({&r, 1}, compute).value();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
    lease.commit();
  }
  const auto copied = cache.tracker().read().offload_copies;
  REQUIRE(copied != 0);
  cache.close();
  // Nothing of the cache's is queued any more: the streams' last points have all passed.
  for (const char* name : {"onload", "offload"}) {
    for (std::uint32_t i = 0; i < device.stats().streams.size(); ++i) {
      if (device.stats().streams[i].name == name) CHECK(device.query(device.record(stream_id{i})));
    }
  }
}

TEST_CASE("a cache may go while copies are under way", "[cache][threads]")
{
  for (const bool evicted : {false, true}) {
    emulated_device device({.to_device = {.latency_seconds = 1e-3},
                            .from_device = {.latency_seconds = 1e-3},
                            .check_ordering = true,
                            .poison_freed = true});
    const stream_id compute = device.create_stream("compute");
    {
      cache_type cache(device, tiny_config<cache_type>(8, 64));
      for (unsigned user = 1; user <= (evicted ? 3U : 1U); ++user) {  // with 3, copies from pages that are nobody's
        const request r{.user = user_id{user}, .history_tokens = 30};
        auto lease = cache.prepare({&r, 1}, compute).value();
        for (layer_index layer = 0; layer < tiny.layers; ++layer) {
          device.launch(compute, {.label = "layer"}, [] {});
          lease.layer_done(layer);
        }
        lease.commit();
      }
      const request back{.user = user_id{1}, .history_tokens = 30};
      static_cast<void>(cache.prefetch(back));
    }
    CHECK(device.device_bytes_used() == 0);
    CHECK(device.pinned_bytes_used() == 0);
    CHECK(device.violations().empty());  // freeing is a write by the host: nothing was still being copied
  }
}
