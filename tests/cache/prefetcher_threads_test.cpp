// One prefetcher that several threads share: a loop that polls, workers that launch, serve and cancel, and one that reads
// what it counts. In real time, so that the sanitizers see what goes wrong.
#include <kvstrata/ahead/prefetcher.hpp>

#include "cache/scene.hpp"
#include "support/effort.hpp"

#include <atomic>
#include <cstddef>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using cache_type = default_scene_cache;

/// Queued requests that any worker may take up, or drop.
class shared_queue
{
 public:
  void put(const prefetch_ticket& ticket, const request& r)
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({ticket, r});
  }
  /// Empty when there is none; a number says which, as far as it can be had.
  [[nodiscard]] std::vector<std::pair<prefetch_ticket, request>> take(std::size_t which)
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return {};
    const auto at = waiting_.begin() + static_cast<std::ptrdiff_t>(which % waiting_.size());
    std::vector<std::pair<prefetch_ticket, request>> one{*at};
    waiting_.erase(at);
    return one;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<prefetch_ticket, request>> waiting_;
};

}  // namespace

TEST_CASE("threads share a prefetcher: every request is taken or cancelled once, and no budget is lost",
          "[prefetcher][threads]")
{
  constexpr page_count budget = 12;
  constexpr std::uint64_t users = 10;
  constexpr unsigned workers = 3;
  emulated_device device({.poison_freed = true});
  cache_type cache(device, tiny_config<cache_type>(32, 120));
  prefetcher<cache_type> ahead(cache, {.budget_pages = budget, .step_pages = 2, .in_flight_steps = 3});
  shared_queue queue;
  std::vector<stream_id> streams;
  for (unsigned i = 0; i < workers; ++i) streams.push_back(device.create_stream("compute"));
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> launched{0}, served{0}, turned_away{0}, dropped{0}, wrong{0};
  std::vector<std::thread> crowd;
  for (unsigned i = 0; i < workers; ++i) {
    crowd.emplace_back([&, i] {
      std::mt19937_64 random(i + 1);
      for (int n = 0; n < 200 * effort; ++n) {
        const request asked{.user = user_id{random() % users}, .history_tokens = static_cast<token_count>(8 + n % 24)};
        queue.put(ahead.launch(asked, random() % 2 == 0 ? stop_rule::wait() : stop_rule::best_effort()), asked);
        ++launched;
        const auto mine = queue.take(random());
        if (mine.empty()) continue;
        const prefetch_ticket ticket = mine.front().first;
        const request r = mine.front().second;
        if (random() % 4 == 0) {
          ahead.cancel(ticket);
          ++dropped;
          continue;
        }
        if (random() % 4 == 0) static_cast<void>(ahead.wait_sync(ticket));
        auto lease = ahead.take_if({&ticket, 1}, [&] { return cache.prepare({&r, 1}, streams[i]); });
        if (!lease) {
          ++turned_away;
          if (ahead.try_wait(ticket, 0) && random() % 2 == 0) ahead.renew(ticket, r, stop_rule::best_effort());
          queue.put(ticket, r);
          continue;
        }
        for (layer_index layer = 0; layer < tiny.layers; ++layer) {
          lease->wait(layer);
          lease->layer_done(layer);
        }
        lease->commit();
        lease->release();
        ++served;
      }
    });
  }
  std::thread loop([&] {
    for (double now = 0; !done.load(); now += 1) {
      ahead.poll(now);
      std::this_thread::yield();
    }
  });
  std::thread watcher([&] {
    while (!done.load()) {
      const prefetcher_stats s = ahead.stats();
      if (s.launched != s.taken + s.cancelled + s.waiting || s.held_pages > budget) ++wrong;
      std::this_thread::yield();
    }
  });
  for (std::thread& t : crowd) t.join();
  done.store(true);
  loop.join();
  watcher.join();
  CHECK(wrong == 0);
  CHECK(served > 0);
  prefetcher_stats s = ahead.stats();
  CHECK(s.launched == launched);
  CHECK(s.taken == served);
  CHECK(s.kept == turned_away);
  CHECK(s.cancelled == dropped);
  for (;;) {
    const auto left = queue.take(0);
    if (left.empty()) break;
    ahead.cancel(left.front().first);
  }
  s = ahead.stats();
  CHECK(s.waiting == 0);
  CHECK(s.held_pages == 0);
  CHECK(s.under_way_steps == 0);
  CHECK(cache.stats().leases == 0);
  cache.close();
}

namespace {

/// A cache whose one step does not arrive until it is told to.
struct slow_cache
{
  result<prefetch_outcome> prefetch(const request&, const prefetch_limit&)
  {
    return prefetch_outcome{.tokens = 4, .left = 0, .pages = 1};
  }
  token_count undo_prefetch(user_id) { return 4; }
  bool arrived(user_id) { return has_arrived.load(); }
  void wait_arrived_sync(user_id)
  {
    waiting.store(true);
    waiting.notify_all();
    has_arrived.wait(false);
  }

  std::atomic<bool> has_arrived{false}, waiting{false};
};

}  // namespace

TEST_CASE("a thread that waits for a prefetch holds up nobody", "[prefetcher][threads]")
{
  slow_cache cache;
  prefetcher<slow_cache> ahead(cache, {.budget_pages = 8, .step_pages = 1, .in_flight_steps = 1});
  const prefetch_ticket one = ahead.launch({.user = user_id{1}, .history_tokens = 4});
  std::atomic<bool> came{false};
  std::thread waits([&] { came.store(ahead.wait_sync(one)); });
  cache.waiting.wait(false);
  const prefetch_ticket two = ahead.launch({.user = user_id{2}, .history_tokens = 4});
  ahead.poll(1);
  CHECK_FALSE(ahead.try_wait(one, 1));
  CHECK_FALSE(ahead.try_wait(two, 1));
  CHECK(ahead.stats().waiting == 2);
  CHECK(ahead.cancel(two) == 0);
  const bool cancelled = GENERATE(false, true);
  if (cancelled) CHECK(ahead.cancel(one) == 4);
  cache.has_arrived.store(true);
  cache.has_arrived.notify_all();
  waits.join();
  CHECK(came);
  CHECK(ahead.try_wait(one, 1));
  CHECK(ahead.take(one) == (cancelled ? 0U : 4U));
  CHECK(ahead.stats().held_pages == 0);
}
