// What the cache tells replacement and admission policies: sizes, dirtiness, time, costs, holds, hints, and who leaves
// under pressure.
#include "cache/scene.hpp"

#include <kvstrata/ahead/prefetcher.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/lru.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

struct told
{
  std::string what;
  object_info info;
  std::vector<std::int64_t> visits;
};

/// A policy has no way out of its cache: what it was told lies here. Emptied by each test.
std::vector<told>& log_of(int tier)
{
  static std::array<std::vector<told>, 2> logs;
  return logs[static_cast<std::size_t>(tier)];
}
std::array<tier_size, 2> told_sizes;

/// lru that writes down what it is told.
template <int Tier>
class witness : public lru
{
 public:
  explicit witness(const tier_size& size) { told_sizes[Tier] = size; }
  void insert(hook& object, const object_info& info)
  {
    note("insert", info);
    lru::insert(object, info);
  }
  void touch(hook& object, const object_info& info)
  {
    note("touch", info);
    lru::touch(object, info);
  }
  void changed(hook&, const object_info& info) noexcept { note("changed", info); }
  void evict(hook& object, const object_info& info) noexcept
  {
    note("evict", info);
    lru::remove(object);
  }
  void remove(hook& object) noexcept
  {
    note("remove", {});
    lru::remove(object);
  }

 private:
  static void note(const char* what, const object_info& info)
  {
    log_of(Tier).push_back({what, info, {info.hint.visits_ms.begin(), info.hint.visits_ms.end()}});
  }
};

/// Admits whom it was asked about before.
struct second_try
{
  using option_kind = admission_option;
  bool admits(const object_info& candidate, const object_info* victim)
  {
    asked_bytes = candidate.bytes;
    had_victim = victim != nullptr;
    return ++asked % 2 == 0;
  }
  void requested(const object_info&) { ++requests; }
  static inline int asked = 0;
  static inline int requests = 0;
  static inline std::uint64_t asked_bytes = 0;
  static inline bool had_victim = false;
};

using told_cache =
    cache<tier_stack<device_slab<emulated_device, replaced_by<witness<0>>>, pinned_arena<replaced_by<witness<1>>>>,
          paged_layout, layerwise_transfer<>, lru, counters>;
using choosy_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<second_try>>, paged_layout,
                           layerwise_transfer<>, lru, counters>;

struct told_scene : scene<told_cache>
{
  using scene::scene;
  void ask(const request& r)
  {
    lease l = cache.prepare({&r, 1}, compute).value();
    run_model(l);
    l.commit();
    l.release();
  }
};

[[nodiscard]] const told* last_of(int tier, const std::string& what, unsigned user)
{
  const told* found = nullptr;
  for (const told& t : log_of(tier)) {
    if (t.what == what && t.info.user == user_id{user}) found = &t;
  }
  return found;
}

[[nodiscard]] int count_of(int tier, const std::string& what)
{
  int count = 0;
  for (const told& t : log_of(tier)) count += t.what == what ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("policies are told of their tier, of sizes, of what is dirty, and of costs", "[cache][replacement]")
{
  for (int tier : {0, 1}) log_of(tier).clear();
  auto c = tiny_config<told_cache>(8, 16);
  // Two layers: a token takes 2 x (1 s + its pairs), a fetch 2 x (0.5 s + 0.25 s a token).
  c.costs = {.seconds_per_token = 1,
             .seconds_per_pair = 0,
             .fetch_seconds_per_token = 0.25,
             .fetch_latency_seconds = 0.5,
             .layers = 2};
  told_scene s({.time = time_mode::virtual_time, .check_ordering = true}, c);
  CHECK(told_sizes[0].bytes == 8 * tiny_page_bytes);
  CHECK(told_sizes[0].objects == 8);
  CHECK(told_sizes[1].bytes == 16 * tiny_page_bytes);
  CHECK(told_sizes[1].objects == 16);

  s.serve(1, 10);  // two whole pages go down, two tokens stay dirty
  const told* const now = last_of(0, "changed", 1);
  REQUIRE(now != nullptr);
  CHECK(now->info.bytes == 3 * tiny_page_bytes);
  CHECK(now->info.tokens == 10);
  CHECK(now->info.dirty_tokens == 2);
  CHECK(now->info.dirty_bytes == 2 * tiny.token_bytes());
  CHECK(now->info.recompute_seconds == Approx(20));
  CHECK(now->info.fetch_seconds == Approx(2 * (0.5 + 8 * 0.25)));
  CHECK(now->info.loss_seconds() == Approx(20));  // dirty: a fetch alone would not do
  CHECK_FALSE(now->info.held);

  const told* const below = last_of(1, "insert", 1);
  REQUIRE(below != nullptr);
  CHECK(below->info.bytes == 2 * tiny_page_bytes);
  CHECK(below->info.tokens == 8);
  CHECK(below->info.fetch_seconds == 0);  // nothing lies below
  CHECK(below->info.recompute_seconds == Approx(16));
  CHECK(below->info.held);

  object_info clean = now->info;
  clean.dirty_tokens = 0;
  CHECK(clean.loss_seconds() == Approx(5));
  clean.recompute_seconds = 3;
  CHECK(clean.loss_seconds() == Approx(3));
}

TEST_CASE("a use is told once in each tier, with the request's time and hint; a write is no use",
          "[cache][replacement]")
{
  for (int tier : {0, 1}) log_of(tier).clear();
  told_scene s(8, 16);
  const std::array<std::int64_t, 3> visits{100, 200, 350};
  request r = s.asks(7, 8);
  r.time_ms = 400;
  r.hint = {.visits_ms = visits, .events = 12};
  s.ask(r);
  const told* const came = last_of(0, "insert", 7);
  REQUIRE(came != nullptr);
  CHECK(came->info.time_ms == 400);
  CHECK(came->visits == std::vector<std::int64_t>{100, 200, 350});
  CHECK(came->info.hint.events == 12);
  CHECK(count_of(1, "insert") == 1);
  CHECK(count_of(1, "touch") == 0);

  r.time_ms = 900;
  r.history_tokens = 12;
  s.ask(r);
  CHECK(count_of(0, "touch") == 1);
  CHECK(count_of(1, "touch") == 1);  // the page that was written then is a change
  CHECK(count_of(1, "changed") >= 1);
  CHECK(last_of(1, "touch", 7)->info.time_ms == 900);
  CHECK(last_of(1, "touch", 7)->visits.size() == 3);

  r.time_ms = 500;  // time never runs backwards for a policy
  s.ask(r);
  CHECK(last_of(0, "touch", 7)->info.time_ms == 900);
}

TEST_CASE("who leaves under pressure is told apart from who is erased", "[cache][replacement]")
{
  for (int tier : {0, 1}) log_of(tier).clear();
  told_scene s(4, 6);
  s.serve(1, 16);
  s.serve(2, 16);  // takes all pages
  REQUIRE(count_of(0, "evict") == 1);
  CHECK(last_of(0, "evict", 1)->info.bytes == 4 * tiny_page_bytes);
  CHECK(last_of(0, "evict", 1)->info.tokens == 16);
  CHECK(count_of(0, "remove") == 0);
  // The arena has six pages: two of user 1's front made room for user 2, then more.
  s.serve(3, 16);
  REQUIRE(last_of(1, "evict", 1) != nullptr);
  CHECK(last_of(1, "evict", 1)->info.bytes != 0);
  CHECK(last_of(1, "evict", 1)->info.bytes % tiny_page_bytes == 0);
  CHECK(last_of(1, "evict", 1)->info.tokens != 0);
  const int evicted = count_of(1, "evict");
  s.cache.erase(user_id{3});
  CHECK(count_of(0, "remove") == 1);
  CHECK(count_of(1, "remove") == 1);
  CHECK(count_of(1, "evict") == evicted);
}

TEST_CASE("who comes back to the lower tier by a write alone has not returned", "[cache][replacement]")
{
  for (int tier : {0, 1}) log_of(tier).clear();
  told_scene s(8, 4);
  s.serve(1, 16);  // fills the arena
  s.serve(2, 16);  // pushes 1 out of it, who stays on the device
  REQUIRE(last_of(1, "evict", 1) != nullptr);
  CHECK(last_of(1, "evict", 1)->info.bytes == 4 * tiny_page_bytes);
  CHECK(last_of(1, "insert", 2)->info.requested);
  log_of(1).clear();
  s.serve(3, 16);  // pushes 1 off the device: written back
  REQUIRE(last_of(1, "insert", 1) != nullptr);
  CHECK_FALSE(last_of(1, "insert", 1)->info.requested);
  CHECK(last_of(1, "insert", 3)->info.requested);
  log_of(1).clear();
  s.serve(1, 16);  // asked for again: a return
  s.serve(2, 16);
  s.serve(1, 20);
  for (const told& t : log_of(1)) {
    if (t.what == "insert" && t.info.user == user_id{1}) CHECK(t.info.requested);
  }
}

TEST_CASE("a time in another unit is refused and changes nothing", "[cache][replacement]")
{
  told_scene s(8, 16);
  request r = s.asks(1, 8);
  for (const std::int64_t bad :
       {std::int64_t{-1}, std::int64_t{1'700'000'000'000'000}, (std::numeric_limits<std::int64_t>::max)()}) {
    r.time_ms = bad;
    CHECK_THROWS_AS(s.cache.prepare({&r, 1}, s.compute), usage_error);
    CHECK_THROWS_AS(s.cache.prefetch(r), usage_error);
  }
  CHECK(s.cache.stats().users == 0);
  for (int tier : {0, 1}) log_of(tier).clear();
  r.time_ms = 5;
  s.ask(r);
  CHECK(last_of(0, "insert", 1)->info.time_ms == 5);
}

TEST_CASE("an arena takes only whom its admission policy wants", "[cache][replacement]")
{
  second_try::asked = second_try::requests = 0;
  scene<choosy_cache> s(8, 4);
  s.serve(1, 16);
  CHECK(second_try::asked == 1);
  CHECK(second_try::asked_bytes == 4 * tiny_page_bytes);
  CHECK_FALSE(second_try::had_victim);
  CHECK(second_try::requests == 1);
  CHECK(s.cache.stats().levels[1].resident_tokens == 0);
  CHECK(s.cache.stats().dirty_tokens == 16);
  const auto refused_at_door = [&s] {
    return s.cache.tracker().read().refused_for[static_cast<std::size_t>(refusal::not_admitted)];
  };
  CHECK(refused_at_door() == 16);

  s.serve(1, 16);  // asks again
  CHECK(second_try::asked == 2);
  CHECK(s.cache.stats().levels[1].resident_tokens == 16);
  CHECK(refused_at_door() == 16);
  s.serve(1, 20);  // who is in is not asked about
  CHECK(second_try::asked == 2);

  s.serve(2, 8);
  CHECK(second_try::asked == 3);
  CHECK(second_try::had_victim);
  CHECK(s.cache.stats().levels[1].resident_tokens == 16);

  // Refused until the next request: neither an eviction's write nor the cleaner asks again.
  CHECK(s.cache.clean() == 0);
  CHECK(second_try::asked == 3);
  s.serve(3, 32);  // the fourth question, for 3: yes
  CHECK(second_try::asked == 4);
  CHECK(s.cache.stats().levels[0].dropped_tokens == 12);  // 2 whole, and what the arena had no room for of 1
}

TEST_CASE("a prefetcher tells what the hint showed when the request joined the queue", "[cache][replacement]")
{
  for (int tier : {0, 1}) log_of(tier).clear();
  told_scene s(8, 64);
  s.serve(1, 16);
  s.serve(2, 32);
  std::vector<std::int64_t> visits{1000, 1060};
  const request r{
      .user = user_id{1}, .history_tokens = 16, .time_ms = 2000, .hint = {.visits_ms = visits, .events = 10}};
  prefetcher<told_cache> ahead(s.cache, {.budget_pages = 8, .step_pages = 2});
  const prefetch_ticket turn = ahead.launch(request{.user = user_id{1}, .history_tokens = 12});
  CHECK(ahead.renew(turn, r, stop_rule::best_effort()));  // counts from now on
  visits = {-1, -1};
  ahead.launch(request{.user = user_id{3}, .history_tokens = 4});
  log_of(0).clear();
  ahead.poll(0);
  REQUIRE(ahead.figures().queued_tokens == 16);
  REQUIRE(last_of(0, "insert", 1) != nullptr);
  CHECK(last_of(0, "insert", 1)->visits == std::vector<std::int64_t>{1000, 1060});
  CHECK(last_of(0, "insert", 1)->info.hint.events == 10);
  s.cache.drain_sync();
  ahead.poll(1);
  for (const told& t : log_of(0)) {
    if (t.what == "touch" && t.info.user == user_id{1}) CHECK(t.visits == std::vector<std::int64_t>{1000, 1060});
  }
}
