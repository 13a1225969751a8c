// What goes wrong on every path: calls that fail, copies that are late or out of turn, leases that are dropped half-way,
// tiers that are full. After each: no wrong byte is served, nothing is held, the books balance.
#include "cache/combinations.hpp"
#include "cache/faulty_device.hpp"
#include "cache/parts_player.hpp"
#include "cache/player.hpp"
#include "cache/stacks.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvstrata_test {

using namespace kvstrata;

namespace {

/// Two devices are looked at: one that stays broken, and one that recovers.
template <class Device, class... Values>
constexpr point_on<Device> at{&combination<Device, Values...>::about, &combination<Device, Values...>::make};

template <class Device>
constexpr point_on<Device> table[] = {
    at<Device, hybrid_layer_first, coalesced, coalesced, layerwise, page, fetch, front, front, unbounded>,
    at<Device, paged_layer_first, window, batched, layerwise, back, anywhere, front, whole, bounded>,
    at<Device, contiguous, staged, staged, layerwise, token, fetch, whole, front, bounded>,
    at<Device, paged_page_first, kernel, per_page, immediate, selective, by_cost, front, front, bounded>,
    at<Device, hybrid_page_first, batched, kernel, layerwise, chunk, anywhere, whole, whole, unbounded>,
    at<Device, paged_page_first, window, window, immediate, page, fetch, front, front, bounded>,
};

/// A cache on an emulated device, with its player.
template <class Player = player>
struct stage
{
  stage(const policy_point& where, const emulated_device_config& config, const sizes& s = {})
      : device(config),
        compute(device.create_stream("compute")),
        model(device, 2e-6),
        cache(where.make(device, s)),
        who(*cache, {compute}, [this](stream_id stream, layer_index layer, std::shared_ptr<const lease_work> work) {
          model.launch(stream, layer, std::move(work));
        })
  {
  }
  ~stage() { check(); }

  /// No wrong byte was served, no ordering was missing. Only once.
  void check()
  {
    if (std::exchange(checked, true)) return;
    CHECK(model.found().first().empty());
    const auto violations = device.violations();
    if (!violations.empty()) UNSCOPED_INFO(to_string(violations.front()));
    CHECK(violations.empty());
  }

  emulated_device device;
  stream_id compute;
  tiny_model model;
  std::unique_ptr<any_cache> cache;
  Player who;
  bool checked = false;
};

[[nodiscard]] emulated_device_config adversary_of(std::uint64_t seed)
{
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
          .from_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
          .seed = seed,
          .jitter_seconds = 5e-6,
          .reorder_copies = true,
          .check_ordering = true,
          .poison_freed = seed % 2 == 0};
}

[[nodiscard]] bool same(const cache_stats& a, const cache_stats& b)
{
  const auto tier = [](const tier_stats& x, const tier_stats& y) {
    return x.resident_bytes == y.resident_bytes && x.resident_tokens == y.resident_tokens &&
           x.evicted_tokens == y.evicted_tokens && x.dropped_tokens == y.dropped_tokens;
  };
  return std::ranges::equal(all_tiers(a), all_tiers(b), tier) && a.users == b.users && a.leases == b.leases &&
         a.dirty_tokens == b.dirty_tokens;
}

struct three_that_fail
{
  static constexpr const char* name = "slab, arena, arena; by window, batches down";
};

struct codes_that_fail
{
  static constexpr const char* name = "slab, two arenas that keep codes; by window, batches down";
};

constexpr point_on<faulty_device> three_levels[] = {
    any_stack_of<faulty_device, three_that_fail, paged_layer_first, window, batched, layerwise, fetch, unbounded,
                 arena<1>, arena<2>>,
    any_stack_of<faulty_device, codes_that_fail, paged_layer_first, window, batched, layerwise_slots, fetch, unbounded,
                 coded_arena<1>, coded_arena<2>>};

/// Under sanitizers the plays of parts, which are longer, are rarer, and begin elsewhere at each point.
template <class Player>
constexpr unsigned sparse = effort == 1 && std::is_same_v<Player, parts_player> ? 29 : 1;
template <class Player>
[[nodiscard]] std::uint64_t first_failure(std::size_t point)
{
  return sparse<Player> == 1 ? 0 : 3 + 17 * point;
}

void give_back(const player&, any_cache& cache) { check_given_back(cache); }
void give_back(const parts_player&, any_cache& cache) { check_parts_given_back(cache); }

/// What no play asks for, and what of it a lease would have to compute now.
struct asked_now
{
  std::unique_ptr<any_lease> lease;
  token_count fresh = 0;  ///< tokens that nobody has committed
};
[[nodiscard]] asked_now ask(player& who) { return {who.prepare({{3, 24}, {7, 11}}).value(), 11}; }
[[nodiscard]] token_count left_to_compute(const player&, any_cache& cache)
{
  const request r = player::asks({7, 11});
  return cache.plan({&r, 1}).value().requests[0].computed();
}
[[nodiscard]] std::vector<part> new_parts(const parts_player& who)
{
  return {who.statics(8, 9, 20), parts_player::appends(8, 22), parts_player::scratch(3)};
}
[[nodiscard]] asked_now ask(parts_player& who) { return {who.prepare({{8, new_parts(who)}}).value(), 20 + 22}; }
[[nodiscard]] token_count left_to_compute(const parts_player& who, any_cache& cache)
{
  const std::vector<part> parts = new_parts(who);
  const request r{.user = user_id{8}, .parts = parts};
  const batch_plan plan = cache.plan({&r, 1}).value();
  return plan.requests[plan.row(0, 0)].computed() + plan.requests[plan.row(0, 1)].computed();
}

/// The play once more and once more, and another call of the device fails each time.
template <class Player>
void fail_each_call(const point_on<faulty_device>& where, const sizes& s, std::size_t point = 0)
{
  bool failed = true;
  for (std::uint64_t calls = first_failure<Player>(4 * point); failed;
       calls += (effort == 1 ? 11 : 1) * sparse<Player>) {
    const facts f = where.about(s);
    CAPTURE(f.name, calls);
    REQUIRE(calls < 20000);
    findings found;
    faulty_device device;
    const stream_id compute = device.create_stream("compute");
    const auto cache = where.make(device, s);
    Player who(*cache, {compute}, [&found](stream_id, layer_index layer, std::shared_ptr<const lease_work> work) {
      tiny_model::run(*work, layer, found);
    });
    device.fail_after(calls);
    try {
      play(who, *cache);
    } catch (const device_error&) {
    }
    failed = device.has_failed();
    device.recover();
    check_sums(cache->stats());
    play(who, *cache);  // everybody is served, and rightly
    CHECK(found.first().empty());
    give_back(who, *cache);
  }
}

template <class Player>
void refuse_each_copy()
{
  bool dropped = false;
  bool turned_away = false;
  for (std::size_t point = 0; const policy_point& where : table<emulated_device>) {
    ++point;
    for (const std::uint64_t in_a_row : {1U, 4U, 1'000'000U}) {
      bool struck = true;
      const std::uint64_t stride = in_a_row == 1 ? 11 : 37;
      for (std::uint64_t copies = first_failure<Player>(point); struck;
           copies += (effort == 1 ? stride : 1) * sparse<Player>) {
        const facts f = where.about({});
        CAPTURE(f.name, copies, in_a_row);
        REQUIRE(copies < 10000);
        stage<Player> s(where, adversary_of(copies));
        s.device.refuse_next_copy(copies, in_a_row);
        play(s.who, *s.cache);
        const cache_stats after = s.cache->stats();
        struck = after.refused_writes + after.refused_fetches != 0;
        dropped |= after.refused_writes != 0;
        turned_away |= after.refused_fetches != 0;
        s.device.refuse_next_copy(0, 0);
        check_sums(after);
        play(s.who, *s.cache);
        const auto counted = s.cache->counted();
        CHECK(s.cache->stats().refused_writes == after.refused_writes);  // the rest went well
        CHECK(counted.pressure_for[static_cast<std::size_t>(pressure::reason::copy_refused)] == after.refused_fetches);
        CHECK((counted.write_dropped_tokens[1] != 0) == (after.refused_writes != 0));
        give_back(s.who, *s.cache);
      }
    }
  }
  CHECK(dropped);
  CHECK(turned_away);
}

template <class Player>
void break_each_copy()
{
  for (std::size_t point = 0; const policy_point& where : table<emulated_device>) {
    ++point;
    bool failed = true;
    for (std::uint64_t copies = first_failure<Player>(point); failed;
         copies += (effort == 1 ? 7 : 1) * sparse<Player>) {
      const facts f = where.about({});
      CAPTURE(f.name, copies);
      REQUIRE(copies < 10000);
      auto config = adversary_of(copies);
      config.poison_freed = false;  // a broken device never runs what is queued then, in whatever order
      stage<Player> s(where, config);
      s.device.fail_next_copy(copies);
      failed = false;
      try {
        play(s.who, *s.cache);
      } catch (const device_error&) {
        failed = true;
      }
      if (!failed) break;
      s.check();
      CHECK_THROWS_AS(s.who.live(*ask(s.who).lease), device_error);  // it says so from now on
      try {
        s.cache->close();
      } catch (const device_error&) {  // not usage_error: no lease is out
      }
    }
  }
}

template <class Player>
void delay_copies()
{
  for (const policy_point& where : table<emulated_device>) {
    for (std::uint64_t seed = 1; seed <= (sparse<Player> == 1 ? 10U * effort : 1U); ++seed) {
      const facts f = where.about({});
      CAPTURE(f.name, seed);
      stage<Player> s(where, adversary_of(seed));
      s.device.delay_next_copy(1e-3, seed * 5);
      play(s.who, *s.cache);
      s.device.delay_next_copy(1e-3, seed);
      play(s.who, *s.cache);
      give_back(s.who, *s.cache);
    }
  }
}

template <class Player>
void drop_at_each_step()
{
  constexpr unsigned last = 2 * tiny.layers + 1;  // with the commit
  for (const policy_point& where : table<emulated_device>) {
    for (unsigned calls = sparse<Player> == 1 ? 0 : 1; calls <= last; calls += sparse<Player> == 1 ? 1 : 3) {
      for (const bool by_release : {false, true}) {
        if (sparse<Player> != 1 && by_release != (calls == 4)) continue;
        const facts f = where.about({});
        CAPTURE(f.name, calls, by_release);
        stage<Player> s(where, adversary_of(calls));
        play(s.who, *s.cache);
        token_count fresh = 0;
        {
          const asked_now now = ask(s.who);
          fresh = now.fresh;
          s.who.live(*now.lease, calls);
          if (by_release) now.lease->release();
        }
        check_sums(s.cache->stats());
        CHECK(left_to_compute(s.who, *s.cache) == (calls == last ? 0U : fresh));
        play(s.who, *s.cache);
        give_back(s.who, *s.cache);
      }
    }
  }
}

}  // namespace

TEST_CASE("the play takes every path", "[cache][failure]")
{
  for (const policy_point& where : table<emulated_device>) {
    stage<> s(where, adversary_of(1));
    play(s.who, *s.cache);
    const facts f = where.about({});
    const auto c = s.cache->counted();
    CAPTURE(f.name);
    CHECK(c.onload_bytes[1] > 0);
    CHECK(c.offload_bytes[1] > 0);
    CHECK(c.evicted_tokens[0] > 0);
    CHECK(c.prefetched_tokens > 0);
    CHECK(c.undone_tokens > 0);
    CHECK(c.saved_tokens > 0);
    if (f.window) CHECK(c.relocated_bytes > 0);
    if (f.cuts) CHECK(c.recomputed_tokens > 0);
    if (f.bounded_writes && f.axes[3] == "layerwise" && f.axes[4] != "back") CHECK(c.delayed_tokens > 0);
    if (f.axes[4] != "token") CHECK(c.cleaned_tokens > 0);
    check_given_back(*s.cache);
  }
}

TEST_CASE("the play of parts takes every path", "[cache][parts][failure]")
{
  for (const policy_point& where : table<emulated_device>) {
    stage<parts_player> s(where, adversary_of(1));
    play(s.who, *s.cache);
    const facts f = where.about({});
    const auto c = s.cache->counted();
    CAPTURE(f.name);
    CHECK(c.onload_bytes[1] > 0);
    CHECK(c.offload_bytes[1] > 0);
    CHECK(c.evicted_tokens[0] > 0);
    CHECK(c.prefetched_tokens > 0);
    CHECK(c.undone_tokens > 0);
    CHECK(c.saved_tokens > 0);
    if (f.window) CHECK(c.relocated_bytes > 0);
    CHECK(c.superseded_tokens > 0);
    check_parts_given_back(*s.cache);
  }
}

TEST_CASE("any call of the device fails once", "[cache][failure]")
{
  for (const point_on<faulty_device>& where : table<faulty_device>) fail_each_call<player>(where, {});
}

TEST_CASE("any call of the device fails once under requests of parts", "[cache][parts][failure]")
{
  for (std::size_t point = 0; const point_on<faulty_device>& where : table<faulty_device>) {
    fail_each_call<parts_player>(where, {}, ++point);
  }
}

TEST_CASE("any call of the device fails once, between memories, too", "[cache][failure][levels]")
{
  for (const point_on<faulty_device>& where : three_levels) {
    for (const writing down : {writing::back, writing::token}) {
      ways_now[1].writes = down;
      ways_now[2].writes = writing::back;
      fail_each_call<player>(where, {.device = 22, .lower = 10, .third = 14});
      fail_each_call<parts_player>(where, {.device = 22, .lower = 10, .third = 14});
    }
  }
  ways_now = {};
}

TEST_CASE("any copy is refused: that one is dropped and counted, and everybody is served", "[cache][failure]")
{
  refuse_each_copy<player>();
}

TEST_CASE("any copy is refused under requests of parts, on any path", "[cache][parts][failure]")
{
  refuse_each_copy<parts_player>();
}

TEST_CASE("any copy is refused, between memories, too", "[cache][failure][levels]")
{
  by_level<std::uint64_t> dropped{};
  for (const auto& [where, down] :
       {std::pair(three_levels[0], writing::back), std::pair(three_levels[0], writing::token),
        std::pair(three_levels[1], writing::back), std::pair(three_levels[1], writing::token)}) {
    ways_now[1].writes = down;
    ways_now[2].writes = writing::back;
    bool struck = true;
    for (std::uint64_t copies = 0; struck; copies += effort == 1 ? 7 : 1) {
      CAPTURE(copies);
      findings found;
      faulty_device device;
      const stream_id compute = device.create_stream("compute");
      const auto cache = where.make(device, {.device = 22, .lower = 10, .third = 14});
      player who(*cache, {compute}, [&found](stream_id, layer_index layer, std::shared_ptr<const lease_work> work) {
        tiny_model::run(*work, layer, found);
      });
      device.refuse_after(copies);
      play(who, *cache);
      const cache_stats after = cache->stats();
      struck = after.refused_writes + after.refused_fetches != 0;
      const auto counted = cache->counted();
      for (level_index i = 1; i < 3; ++i) dropped[i] += counted.write_dropped_tokens[i];
      check_sums(after);
      play(who, *cache);
      CHECK(found.first().empty());
      check_given_back(*cache);
    }
  }
  CHECK((dropped[1] != 0 && dropped[2] != 0));
  ways_now = {};
}

TEST_CASE("any copy fails, and breaks the device for good", "[cache][failure]") { break_each_copy<player>(); }

TEST_CASE("any copy of requests of parts fails, and breaks the device for good", "[cache][parts][failure]")
{
  break_each_copy<parts_player>();
}

TEST_CASE("copies are late and out of turn", "[cache][failure]") { delay_copies<player>(); }

TEST_CASE("copies of requests of parts are late and out of turn", "[cache][parts][failure]")
{
  delay_copies<parts_player>();
}

TEST_CASE("a lease is dropped at any step of its life", "[cache][failure]") { drop_at_each_step<player>(); }

TEST_CASE("a lease of parts is dropped at any step of its life", "[cache][parts][failure]")
{
  drop_at_each_step<parts_player>();
}

TEST_CASE("a lease holds the device: every call is turned away and changes nothing", "[cache][failure]")
{
  for (const policy_point& where : table<emulated_device>) {
    for (unsigned calls = 0; calls <= 2 * tiny.layers + 1; ++calls) {
      const facts f = where.about({});
      const token_count rest = f.granule == 1 ? 40 : 24;  // of the device, beside two users
      CAPTURE(f.name, calls);
      stage<> s(where, adversary_of(4));
      s.who.serve({{1, 24}});
      s.who.serve({{1, 24}});
      s.who.serve({{2, 24}, {3, 24}});
      auto lease = s.who.prepare({{2, 24}, {3, 24}, {4, rest}}).value();  // pushes user 1 down
      s.who.live(*lease, calls);
      s.cache->drain_sync();
      const cache_stats before = s.cache->stats();
      const auto turned_away = s.who.prepare({{1, 24}});
      REQUIRE_FALSE(turned_away);
      CHECK(turned_away.why().why == pressure::reason::held);
      CHECK(turned_away.why().pages_needed == 6);
      CHECK(turned_away.why().pages_free == 0);
      CHECK(turned_away.why().pages_evictable == 0);
      CHECK(turned_away.why().pages_held == f.device_pages());
      const auto held = s.who.prepare({{3, 24}});
      REQUIRE_FALSE(held);
      CHECK(held.why().why == pressure::reason::user_held);
      CHECK(held.why().user == 3);
      CHECK_FALSE(s.cache->prefetch(player::asks({1, 24}), {}).has_value());
      CHECK(s.cache->undo_prefetch(user_id{3}) == 0);
      CHECK_THROWS_AS(s.cache->close(), usage_error);
      CHECK(same(before, s.cache->stats()));
      lease->release();
      s.who.serve({{1, 24}});
      check_given_back(*s.cache);
    }
  }
}

TEST_CASE("both tiers are full at every step", "[cache][failure]")
{
  for (const policy_point& where : table<emulated_device>) {
    for (const sizes& small : {sizes{12, 6, 1}, sizes{12, 12, 2}, sizes{13, 7, 6}}) {
      for (std::uint64_t seed = 1; seed <= 2U * effort; ++seed) {
        const facts f = where.about(small);
        CAPTURE(f.name, small.device, small.lower, seed);
        stage<> s(where, adversary_of(seed), small);
        for (int round = 0; round < 3; ++round) play(s.who, *s.cache);
        const cache_stats stats = s.cache->stats();
        check_sums(stats);
        CHECK(stats.levels[0].dropped_tokens + stats.levels[1].dropped_tokens > 0);  // there is no room for all of them
        check_given_back(*s.cache);
      }
    }
  }
}

TEST_CASE("a lease holds the lower tier: what finds no room stays, is counted, and is served rightly",
          "[cache][failure]")
{
  for (const policy_point& where : table<emulated_device>) {
    const sizes small{18, 6, 3};
    const facts f = where.about(small);
    CAPTURE(f.name);
    stage<> s(where, adversary_of(3), small);
    s.who.serve({{1, 24}});
    s.who.serve({{1, 24}});
    s.cache->clean(~std::uint64_t{0});
    s.cache->drain_sync();
    const cache_stats full = s.cache->stats();
    REQUIRE(full.levels[1].free_bytes == 0);
    const auto holder = s.who.prepare({{1, 24}});
    REQUIRE(holder.has_value());
    for (int round = 0; round < 2; ++round) {
      s.who.serve({{2, 24}, {3, 24}});
      s.cache->clean(~std::uint64_t{0});
      s.who.serve({{4, 24}, {5, 13}});
    }
    s.cache->drain_sync();
    const cache_stats after = s.cache->stats();
    CHECK(after.levels[1].evicted_tokens == full.levels[1].evicted_tokens);
    CHECK(after.levels[1].resident_tokens == full.levels[1].resident_tokens);
    CHECK(after.levels[0].evicted_tokens > 0);
    CHECK(after.levels[0].dropped_tokens == after.levels[0].evicted_tokens);
    (*holder)->release();
    play(s.who, *s.cache);
    check_given_back(*s.cache);
  }
}

}  // namespace kvstrata_test
