// Several caches as one: batches that span shards, what one shard's refusal leaves behind, sums, epochs, the hash, and
// every byte against the naive cache. With several threads: sharded_threads_test.cpp.
#include "cache/naive_cache.hpp"
#include "cache/scene.hpp"
#include "cache/tiny_model.hpp"
#include "support/effort.hpp"

#include <kvstrata/ahead/prefetcher_config.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/sharded/sharded.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using page_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                         layerwise_transfer<coalesced_copy>, lru, counters>;
using sharded_cache = sharded<page_cache>;
static_assert(prefetches_users<sharded_cache>);
using windowed_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout,
                             layerwise_transfer<onload_by<window_copy<>>>, lru, counters>;
/// Two memories below the slab.
using deep_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>, pinned_arena<write_back>>,
                         hybrid_layout, layerwise_transfer<>, lru, counters>;
using range_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, contiguous_layout,
                          layerwise_transfer<>, lru, counters>;

/// The scene of one cache, with shards instead.
struct sharded_scene
{
  explicit sharded_scene(std::uint32_t shards, page_count device_pages, page_count lower_pages)
      : device({.time = time_mode::virtual_time,
                .to_device = {.latency_seconds = 1e-6},
                .check_ordering = true,
                .poison_freed = true}),
        compute(device.create_stream("compute")),
        cache(device, tiny_config<page_cache>(device_pages, lower_pages), shards)
  {
  }
  ~sharded_scene() { CHECK(device.violations().empty()); }

  /// The number'th user who lives in a shard.
  [[nodiscard]] user_id someone(std::uint32_t shard, unsigned number = 0) const
  {
    for (std::uint64_t user = 0;; ++user) {
      if (cache.shard_of(user_id{user}) == shard && number-- == 0) return user_id{user};
    }
  }
  [[nodiscard]] request asks(user_id user, token_count history) const
  {
    return {.user = user, .history_tokens = history, .epoch = epoch};
  }
  void run_model(sharded_cache::lease& l)
  {
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      l.wait(layer);
      device.launch(compute, {.label = "layer"}, [] {});
      l.layer_done(layer);
    }
  }
  void serve(const std::vector<request>& batch)
  {
    auto l = cache.prepare(batch, compute).value();
    run_model(l);
    l.finish();
  }
  [[nodiscard]] token_sources look(user_id user, token_count history)
  {
    const request r = asks(user, history);
    return outlook(cache.plan({&r, 1}).value()).sources;
  }

  emulated_device device;
  stream_id compute;
  epoch_id epoch{};
  sharded_cache cache;
};

}  // namespace

TEST_CASE("a batch spans shards and has one page table in its own order", "[cache][sharded]")
{
  sharded_scene s(3, 24, 48);  // 8 pages a shard
  const std::vector<request> batch{s.asks(s.someone(2), 5), s.asks(s.someone(0), 9), s.asks(s.someone(2, 1), 0),
                                   s.asks(s.someone(1), 14), s.asks(s.someone(0, 1), 4)};
  auto l = s.cache.prepare(batch, s.compute).value();
  const page_table_view view = l.view();
  REQUIRE(l.size() == batch.size());
  REQUIRE(view.size() == batch.size());
  CHECK(std::vector<std::int32_t>(view.indptr.begin(), view.indptr.end()) ==
        std::vector<std::int32_t>{0, 2, 5, 5, 9, 10});
  CHECK(std::vector<std::int32_t>(view.last_page_len.begin(), view.last_page_len.end()) ==
        std::vector<std::int32_t>{1, 1, 0, 2, 4});
  std::set<page_id> pages;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    CHECK(view.tokens(i) == batch[i].history_tokens);
    for (const page_id id : view.pages(i)) {
      CHECK(pages.insert(id).second);
      CHECK(to_number(id) / 8 == s.cache.shard_of(batch[i].user));
    }
    CHECK(l.plan().requests[i].user == batch[i].user);
    CHECK(is(l.sources(i), 0, 0, batch[i].history_tokens));
    const token_interval all{0, batch[i].history_tokens};
    CHECK(l.compute(i).size() == (all.empty() ? 0U : 1U));
    if (!all.empty()) CHECK(l.compute(i).front() == all);
    CHECK(l.front(i) == all);
  }
  CHECK(l.plan().pages_needed == 10);
  CHECK(l.plan().pages_free == 24);
  s.run_model(l);
  l.commit();
  l.release();
  for (const request& r : batch) CHECK(is(s.look(r.user, r.history_tokens + 2), r.history_tokens, 0, 2));
}

TEST_CASE("windows, rewritten histories and volatile tails are what they are in one cache", "[cache][sharded]")
{
  sharded_scene s(3, 24, 48);
  const std::uint64_t one[] = {1, 2}, other[] = {1, 3};
  std::vector<request> batch{s.asks(s.someone(2), 20), s.asks(s.someone(0), 22), s.asks(s.someone(1), 9)};
  batch[0].stretches = {.stride = 10, .hashes = one};
  batch[2].volatile_tail = 2;
  s.serve(batch);
  batch[0].stretches.hashes = other;
  batch[0].if_rewritten = rewritten_history::start_anew;
  batch[1].first_token = 6;
  const batch_plan plan = s.cache.plan(batch).value();
  CHECK(plan.requests[0].kept.forgotten == tokens_forgotten{.rewritten = 20});
  CHECK(plan.requests[1].kept.forgotten == tokens_forgotten{.passed = 6});
  CHECK(plan.requests[2].computed() == 2);
  CHECK(plan.pages_forgotten == 5 + 1);
  auto l = s.cache.prepare(batch, s.compute).value();
  const page_table_view view = l.view();
  CHECK(std::vector<token_count>(view.first_tokens.begin(), view.first_tokens.end()) ==
        std::vector<token_count>{0, 6, 0});
  CHECK(view.pages(1).size() == 5);
  CHECK(view.tokens(1) == 22);
  CHECK(view.key(0, 1, 6) == view.page(0, view.pages(1)[0]) + 2 * tiny.key_bytes());
  CHECK(l.front(0) == token_interval{0, 20});
  CHECK(s.cache.stats().forgotten == tokens_forgotten{.rewritten = 20, .passed = 6});
  CHECK(s.cache.stats().stretch_bytes == 8);
}

TEST_CASE("an empty batch is a lease over nothing", "[cache][sharded]")
{
  sharded_scene s(2, 8, 8);
  auto l = s.cache.prepare({}, s.compute).value();
  CHECK(l.size() == 0);
  CHECK(l.view().page_ids.empty());
  CHECK_THROWS_AS(l.wait(tiny.layers), usage_error);
  l.commit();
  l.release();
  CHECK(s.cache.stats().leases == 0);
}

TEST_CASE("a lease over shards refuses misuse in whole sentences, before any shard commits", "[cache][sharded]")
{
  sharded_scene s(2, 16, 32);
  const user_id known = s.someone(0), fresh = s.someone(1);
  s.serve({s.asks(known, 6)});
  auto l = s.cache.prepare(std::vector{s.asks(known, 6), s.asks(fresh, 7)}, s.compute).value();
  CHECK(is(l.sources(0), 6, 0, 0));  // its shard would let it commit
  l.layer_done(0);
  l.layer_done(2);
  CHECK_THROWS_WITH(l.commit(), "commit: layer 1 of 3 is not marked done; call layer_done for every layer first");
  const std::uint64_t before = s.cache.tracker(0).read().calls[static_cast<std::size_t>(call_name::commit)];
  CHECK_THROWS_AS(l.commit(), usage_error);
  CHECK(s.cache.tracker(0).read().calls[static_cast<std::size_t>(call_name::commit)] == before);
  CHECK_THROWS_AS(l.wait(3), usage_error);
  CHECK_THROWS_AS(l.layer_done(3), usage_error);
  CHECK_THROWS_WITH(l.compute(2), "compute: request 2 is past the last of 2 requests");
  CHECK_THROWS_AS(l.sources(2), usage_error);
  l.layer_done(1);
  l.commit();
  CHECK_THROWS_AS(l.commit(), usage_error);
  auto other = std::move(l);
  CHECK_THROWS_AS(l.view(), usage_error);  // NOLINT: that is the test
  other.release();
  CHECK_THROWS_AS(other.release(), usage_error);
  CHECK(is(s.look(fresh, 7), 7, 0, 0));
}

TEST_CASE("pressure in a later shard gives back what the earlier ones gave", "[cache][sharded]")
{
  sharded_scene s(3, 24, 48);
  const user_id early = s.someone(0), late = s.someone(2);
  s.serve({s.asks(early, 10)});
  auto holder = s.cache.prepare(std::vector{s.asks(late, 30)}, s.compute).value();  // all 8 pages of its shard
  SECTION("the user is held")
  {
    const auto got = s.cache.prepare(std::vector{s.asks(late, 4), s.asks(early, 12)}, s.compute);
    REQUIRE(!got);
    CHECK(got.why().why == pressure::reason::user_held);
    CHECK(got.why().user == to_number(late));
  }
  SECTION("pages are held")
  {
    const auto got = s.cache.prepare(std::vector{s.asks(early, 12), s.asks(s.someone(2, 1), 1)}, s.compute);
    REQUIRE(!got);
    CHECK(got.why().why == pressure::reason::held);
    CHECK(got.why().pages_held == 8);
    CHECK(got.why().shard == 2);
    CHECK(to_string(got.why()).starts_with("shard 2: 1 pages are needed"));
  }
  SECTION("plan says the same and takes nothing")
  {
    CHECK(!s.cache.plan(std::vector{s.asks(early, 12), s.asks(s.someone(2, 1), 1)}));
  }
  SECTION("misuse is thrown on")
  {
    request wrong = s.asks(s.someone(2, 1), 1);
    wrong.time_ms = -1;
    CHECK_THROWS_AS(s.cache.prepare(std::vector{s.asks(early, 12), wrong}, s.compute), usage_error);
  }
  SECTION("so is a part that is larger than its shard")
  {
    const std::vector batch{s.asks(early, 12), s.asks(s.someone(1), 33)};
    CHECK_THROWS_WITH(s.cache.prepare(batch, s.compute),
                      Catch::Matchers::StartsWith("shard 1 of 3: the batch of 1 users needs 9 pages"));
  }
  CHECK(s.cache.stats().leases == 1);
  CHECK(s.cache.stats(0).levels[0].resident_bytes == 3 * tiny_page_bytes);
  CHECK(is(s.look(early, 12), 10, 0, 2));
  s.serve({s.asks(early, 12)});  // nothing holds them
  s.run_model(holder);
  holder.commit();
  holder.release();
  s.serve({s.asks(late, 31), s.asks(early, 12)});
  CHECK(s.cache.stats().leases == 0);
}

TEST_CASE("a user who is twice in a batch is refused before any shard hears of it", "[cache][sharded]")
{
  sharded_scene s(2, 16, 32);
  const std::vector batch{s.asks(s.someone(0), 4), s.asks(s.someone(1), 4), s.asks(s.someone(1), 5)};
  CHECK_THROWS_AS(s.cache.prepare(batch, s.compute), usage_error);
  CHECK_THROWS_AS(s.cache.plan(batch), usage_error);
  for (const std::uint32_t shard : {0U, 1U}) {
    CHECK(s.cache.tracker(shard).read().calls[static_cast<std::size_t>(call_name::prepare)] == 0);
  }
  CHECK(s.cache.stats().users == 0);
}

TEST_CASE("statistics are the sums of the shards'", "[cache][sharded]")
{
  sharded_scene s(3, 31, 62);
  std::uint64_t tokens = 0;
  std::vector<request> batch;
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    for (unsigned i = 0; i <= shard; ++i) {
      batch.push_back(s.asks(s.someone(shard, i), 5 + shard));
      tokens += 5 + shard;
    }
  }
  s.serve(batch);
  auto l = s.cache.prepare(std::vector{batch[0], batch[1]}, s.compute).value();
  const cache_stats all = s.cache.stats();
  CHECK(all.levels[0].capacity_bytes == 31 * tiny_page_bytes);
  CHECK(all.levels[1].capacity_bytes == 62 * tiny_page_bytes);
  CHECK(all.levels[0].resident_tokens == tokens);
  CHECK(all.levels[0].resident_bytes == 6 * 2 * tiny_page_bytes);
  CHECK(all.levels[1].resident_tokens == 6 * 4);  // whole pages
  CHECK(all.dirty_tokens == tokens - 6 * 4);
  CHECK(all.users == 6);
  CHECK(all.leases == 2);  // one lease, two shards
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    CHECK(s.cache.stats(shard).users == shard + 1);
    CHECK(s.cache.stats(shard).levels[0].capacity_bytes == (shard == 0 ? 11 : 10) * tiny_page_bytes);
  }
}

TEST_CASE("sizes that shards cannot share are refused", "[cache][sharded]")
{
  emulated_device device;
  auto c = tiny_config<page_cache>(4, 8);
  CHECK_THROWS_AS(sharded_cache(device, c, 0), config_error);
  CHECK_THROWS_AS(sharded_cache(device, c, 5), config_error);
  CHECK_NOTHROW(sharded_cache(device, c, 4));
  std::get<1>(c.tiers).bytes = 3 * tiny_page_bytes;
  CHECK_THROWS_WITH(sharded_cache(device, c, 4),
                    Catch::Matchers::StartsWith("tiers[1].bytes is 576, but 4 shards need"));
  c = tiny_config<page_cache>(4, 8);
  std::get<0>(c.tiers).region = {.total = 4, .pages = 4};
  CHECK_THROWS_AS(sharded_cache(device, c, 2), config_error);
  c = tiny_config<page_cache>(4, 8);
  c.writes.in_flight_bytes = 0;
  CHECK_THROWS_AS(sharded_cache(device, c, 2), config_error);

  range_cache::config ranges{.shape = tiny,
                             .tiers = {{.bytes = 3 * 8 * tiny_page_bytes}, {.bytes = 2 * 8 * tiny_page_bytes}},
                             .layout = {.page_tokens = tiny_page, .longest = 8 * tiny_page}};
  CHECK_THROWS_AS(sharded<range_cache>(device, ranges, 3), config_error);
  sharded<range_cache> two(device, ranges, 2);  // of 3 ranges, the first shard gets 2
  CHECK(two.stats(0).levels[0].capacity_bytes == 16 * tiny_page_bytes);
  CHECK(two.stats(1).levels[0].capacity_bytes == 8 * tiny_page_bytes);

  emulated_device large({.time = time_mode::virtual_time, .data = false});
  constexpr geometry wide{.layers = 4096, .kv_heads = 4096, .head_dim = 65536, .element = element_type::f32};
  range_cache::config wide_ranges{.shape = wide,
                                  .tiers = {{.bytes = std::size_t{1} << 45}, {.bytes = std::size_t{1} << 45}},
                                  .layout = {.page_tokens = 1, .longest = 1U << 21}};
  CHECK_THROWS_WITH(sharded<range_cache>(large, wide_ranges, 2),
                    Catch::Matchers::StartsWith("a granule of the layout"));
  CHECK_THROWS_WITH(range_cache(large, wide_ranges), Catch::Matchers::StartsWith("a granule of the layout"));
  auto wraps = tiny_config<page_cache>(4, 8);
  std::get<0>(wraps.tiers).bytes = (std::numeric_limits<std::size_t>::max)() - 100;
  std::get<0>(wraps.tiers).window_bytes = 4 * tiny_page_bytes;
  CHECK_THROWS_WITH(sharded_cache(device, wraps, 2), Catch::Matchers::StartsWith("slab.bytes and window_bytes is "));

  windowed_cache::config windows{
      .shape = tiny,
      .tiers = {{.bytes = 8 * tiny_page_bytes, .window_bytes = 3 * tiny_page_bytes}, {.bytes = 8 * tiny_page_bytes}},
      .layout = {.page_tokens = tiny_page, .chunk = tiny_chunk}};
  sharded<windowed_cache> pair(device, windows, 2);
  CHECK(pair.stats(0).window.capacity_bytes == 2 * tiny_page_bytes);
  CHECK(pair.stats().window.capacity_bytes == 3 * tiny_page_bytes);
  CHECK(pair.stats().levels[0].capacity_bytes == 8 * tiny_page_bytes);
  std::get<0>(windows.tiers).window_bytes = 1 * tiny_page_bytes;
  CHECK_THROWS_AS(sharded<windowed_cache>(device, windows, 2), config_error);
}

TEST_CASE("a slab may be a region of somebody else's reservation", "[cache][sharded]")
{
  emulated_device device;
  using slab = device_slab<emulated_device>;
  const hybrid_layout layout{.page_tokens = tiny_page, .chunk = tiny_chunk};
  auto memory = device.allocate_device(10 * tiny_page_bytes, "shared");
  const slab_region whole{.base = memory.data(), .total = 10, .first = 3, .pages = 5, .window = 2};
  {
    slab::bound mine(device, slab::config{.region = whole}, tiny, layout);
    CHECK(device.device_bytes_used() == 10 * tiny_page_bytes);  // nothing of its own
    CHECK(mine.capacity() == 3);
    CHECK(mine.window().capacity() == 2);
    CHECK(mine.try_take(9)->run == frame_run{0, 3});
    CHECK(mine.window().try_take(9)->run == frame_run{3, 2});
    const placement all = layout.device_place(tiny, 10);
    CHECK(mine.place() == all);
    CHECK(mine.data() + mine.place().offset(2, 4) == memory.data() + all.offset(2, 7));
  }
  const auto refuses = [&](slab::config c) { CHECK_THROWS_AS(slab::bound(device, c, tiny, layout), config_error); };
  refuses({.bytes = tiny_page_bytes, .region = whole});
  refuses({.window_bytes = tiny_page_bytes, .region = whole});
  const auto with = [&](page_count first, page_count pages, page_count window) {
    return slab::config{
        .region = {.base = memory.data(), .total = 10, .first = first, .pages = pages, .window = window}};
  };
  refuses(with(3, 0, 0));
  refuses(with(3, 8, 0));
  refuses(with(11, 1, 0));
  refuses(with(3, 5, 5));
}

TEST_CASE("users are spread evenly over the shards, however they are numbered", "[cache][sharded]")
{
  emulated_device device;
  for (const std::uint32_t shards : {2U, 3U, 7U, 16U}) {
    const sharded_cache cache(device, tiny_config<page_cache>(16, 16), shards);
    const sharded_cache twin(device, tiny_config<page_cache>(32, 64), shards);
    constexpr std::uint64_t users = 20'000;
    const auto numberings = {+[](std::uint64_t i) { return i; }, +[](std::uint64_t i) { return i * 1024; },
                             +[](std::uint64_t i) { return i << 40U; }, +[](std::uint64_t i) { return ~i; },
                             +[](std::uint64_t i) { return mix({i}); }};
    for (const auto number : numberings) {
      std::vector<double> count(shards);
      for (std::uint64_t i = 0; i < users; ++i) {
        const std::uint32_t shard = cache.shard_of(user_id{number(i)});
        REQUIRE(shard < shards);
        if (i < 100) REQUIRE(twin.shard_of(user_id{number(i)}) == shard);
        ++count[shard];
      }
      const double mean = static_cast<double>(users) / shards;
      double chi_square = 0;
      for (const double n : count) chi_square += (n - mean) * (n - mean) / mean;
      const double freedom = shards - 1;
      CHECK(chi_square < freedom + 5 * std::sqrt(2 * freedom));  // five standard deviations
    }
  }
}

TEST_CASE("a new epoch begins in every shard", "[cache][sharded]")
{
  sharded_scene s(3, 24, 48);
  std::vector<request> batch;
  for (std::uint32_t shard = 0; shard < 3; ++shard) batch.push_back(s.asks(s.someone(shard), 9));
  s.serve(batch);
  auto late = s.cache.prepare(std::vector{batch[0], batch[2]}, s.compute).value();
  geometry other = tiny;
  other.layers = 4;
  CHECK_THROWS_AS(s.cache.advance_epoch(epoch_id{5}, other), geometry_error);
  CHECK_THROWS_AS(s.cache.advance_epoch(epoch_id{0}), usage_error);
  CHECK(is(s.look(batch[1].user, 9), 9, 0, 0));
  s.cache.advance_epoch(epoch_id{5});
  CHECK(s.cache.stats().users == 0);
  CHECK(s.cache.stats().levels[0].resident_tokens == 0);
  CHECK(s.cache.prepare(batch, s.compute).why().why == pressure::reason::stale_epoch);
  s.run_model(late);
  late.commit();  // of an epoch that is over: not kept
  late.release();
  s.epoch = epoch_id{5};
  for (const request& r : batch) CHECK(is(s.look(r.user, 9), 0, 0, 9));
  for (request& r : batch) r.epoch = s.epoch;
  s.serve(batch);
  for (const request& r : batch) CHECK(is(s.look(r.user, 9), 9, 0, 0));
  CHECK_THROWS_AS(s.cache.advance_epoch(epoch_id{4}), usage_error);
}

TEST_CASE("a batch of another epoch changes nothing in any shard", "[cache][sharded]")
{
  sharded_scene s(3, 24, 48);
  const user_id first = s.someone(0), last = s.someone(2);
  s.serve({s.asks(first, 10)});
  s.serve({s.asks(s.someone(0, 1), 32)});  // pushes the other down
  REQUIRE(is(s.look(first, 10), 0, 10, 0));
  for (const std::uint64_t other : {6U, 8U}) {
    if (s.cache.epoch() == epoch_id{}) {
      s.cache.advance_epoch(epoch_id{7});
      s.epoch = epoch_id{7};
      CHECK(s.cache.epoch() == s.epoch);
      s.serve({s.asks(first, 10)});
      s.serve({s.asks(s.someone(0, 1), 32)});
    }
    std::vector<request> batch{s.asks(first, 12), s.asks(last, 4)};
    batch[1].epoch = epoch_id{other};
    const std::uint64_t onloads = s.device.stats().launches();
    const cache_stats before = s.cache.stats();
    const auto got = s.cache.prepare(batch, s.compute);
    REQUIRE(!got);
    CHECK(got.why().why == (other == 6 ? pressure::reason::stale_epoch : pressure::reason::early_epoch));
    CHECK((got.why().shard == 2 && got.why().user == to_number(last)));
    CHECK(s.device.stats().launches() == onloads);  // nobody has come up for it
    CHECK(is(s.look(first, 10), 0, 10, 0));
    CHECK(s.cache.stats().levels[0].evicted_tokens == before.levels[0].evicted_tokens);
    CHECK(s.cache.tracker(2).read().pressure == (other == 6 ? 1 : 2));
  }
}

TEST_CASE("calls that concern one user reach their shard", "[cache][sharded]")
{
  sharded_scene s(2, 16, 64);
  for (std::uint32_t shard = 0; shard < 2; ++shard) {
    const user_id user = s.someone(shard), other = s.someone(shard, 1);
    s.serve({s.asks(user, 16)});
    s.serve({s.asks(other, 32)});  // the whole shard
    REQUIRE(is(s.look(user, 16), 0, 16, 0));
    CHECK(s.cache.prefetch(s.asks(user, 16), {.pages = 2}).value().tokens == 8);
    CHECK(!s.cache.arrived(user));
    s.cache.wait_arrived_sync(user);
    CHECK(s.cache.arrived(user));
    CHECK(is(s.look(user, 16), 8, 8, 0));
    CHECK(s.cache.undo_prefetch(user) == 8);
    CHECK(is(s.look(user, 16), 0, 16, 0));
    CHECK(s.cache.erase(user));
    CHECK(!s.cache.erase(user));
    CHECK(is(s.look(user, 16), 0, 0, 16));
  }
}

TEST_CASE("a cleaner with a small budget reaches every shard", "[cache][sharded]")
{
  sharded_scene s(3, 24, 48);
  std::vector<request> batch;
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    batch.push_back(s.asks(s.someone(shard), 6));  // 2 tokens a tail
    batch.push_back(s.asks(s.someone(shard, 1), 6));
  }
  s.serve(batch);
  REQUIRE(s.cache.stats().dirty_tokens == 12);
  for (unsigned call = 1; call <= 3; ++call) CHECK(s.cache.clean(1) == 2);
  for (std::uint32_t shard = 0; shard < 3; ++shard) CHECK(s.cache.stats(shard).dirty_tokens == 2);
  CHECK(s.cache.clean(5) == 6);  // in whole users
  CHECK(s.cache.clean() == 0);
  s.serve({s.asks(s.someone(1), 7), s.asks(s.someone(2), 7)});
  CHECK(s.cache.clean() == 2);
  CHECK(s.cache.stats().dirty_tokens == 0);
}

TEST_CASE("shards close together, or not at all", "[cache][sharded]")
{
  sharded_scene s(2, 16, 32);
  auto l = s.cache.prepare(std::vector{s.asks(s.someone(1), 5)}, s.compute).value();
  CHECK_THROWS_AS(s.cache.close(), usage_error);
  s.serve({s.asks(s.someone(0), 5)});  // its shard is open
  l.release();
  s.cache.close();
  s.cache.close();
  CHECK_THROWS_AS(s.cache.stats(), usage_error);
  CHECK_THROWS_AS(s.cache.prepare({}, s.compute), usage_error);
  CHECK_THROWS_AS(s.cache.clean(), usage_error);
  CHECK_THROWS_AS(s.cache.erase(s.someone(1)), usage_error);
}

TEST_CASE("all shards have their pages back when the device fails under a lease", "[cache][sharded]")
{
  emulated_device device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  sharded_cache cache(device, tiny_config<page_cache>(16, 32), 2);
  std::vector<request> batch;
  for (std::uint64_t user = 0; user < 6; ++user) batch.push_back({.user = user_id{user}, .history_tokens = 8});
  auto l = cache.prepare(batch, compute).value();
  device.launch(compute, {.label = "fails"}, [] { throw std::runtime_error("out of luck"); });
  for (layer_index layer = 0; layer < tiny.layers; ++layer) l.layer_done(layer);
  device.advance_host(1);
  CHECK_THROWS_AS(l.release(), device_error);
  CHECK_NOTHROW(cache.close());  // no lease is out
}

namespace {

/// Every operation starts late at random, and ordering is checked.
[[nodiscard]] emulated_device_config late_device(std::uint64_t seed)
{
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
          .from_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
          .seed = seed,
          .jitter_seconds = 5e-6,
          .reorder_copies = seed % 2 == 0,
          .check_ordering = true,
          .poison_freed = seed % 4 != 3};  // poisoning orders more than there need be: not always
}

/// Random operations on a sharded cache. Every served byte is checked, every plan, every page table, every loss.
template <class Cache>
class shard_walker
{
 public:
  shard_walker(const typename Cache::config& c, std::uint32_t shards, page_count total_pages, std::uint64_t seed)
      : device_(late_device(seed)),
        cache_(device_, c, shards),
        total_(total_pages),
        model_(device_, 2e-6),
        random_(seed)
  {
    for (const char* name : {"compute a", "compute b"}) streams_.push_back(device_.create_stream(name));
  }

  void run(int steps)
  {
    for (int step = 0; step < steps; ++step) {
      CAPTURE(step);
      const unsigned what = below(100);
      if (what < 40) prepare();
      else if (what < 78) finish();
      else if (what < 86) prefetch();
      else if (what < 88) erase();
      else if (what < 89 && below(4) == 0) advance_epoch();
      else if (what < 92) static_cast<void>(cache_.clean(below(20)));
      else device_.advance_host(1e-6 * below(40));
      look();
      if (model_.found().count() != 0) FAIL(model_.found().first());
    }
    while (!open_.empty()) finish();
    std::uint64_t doubtful = 0;  // behind a gap, where nothing can be seen
    for (const user_id user : naive_.users()) {
      const auto r = see(user);
      REQUIRE(r.has_value());
      if (r->kept.forgotten.stranded == 0) continue;
      doubtful += naive_.believed_from(user, r->kept.tokens.empty() ? r->first_token : r->kept.tokens.end);
    }
    const cache_stats s = cache_.stats();
    std::uint64_t dropped = 0;
    for (const tier_stats& tier : all_tiers(s)) dropped += tier.dropped_tokens;
    CHECK(naive_.vanished() <= dropped);
    CHECK(dropped <= naive_.vanished() + naive_.uncertain() + doubtful);
    CHECK(s.forgotten.passed != 0);
    cache_.drain_sync();
    look();
    CHECK(cache_.stats().levels[0].in_flight_bytes == 0);
    cache_.close();
    for (const stream_id stream : streams_) device_.wait_sync(device_.record(stream));
    if (model_.found().count() != 0) FAIL(model_.found().first());
    if (!device_.violations().empty()) FAIL(to_string(device_.violations()[0]));
  }
  std::uint64_t served = 0, refused = 0, spanning = 0;
  by_level<std::uint64_t> tokens{};  ///< served from there

 private:
  struct open_lease
  {
    typename Cache::lease lease;
    stream_id stream{};
    std::vector<request> batch;
    std::uint64_t draft = 0;
    std::set<std::uint32_t> shards;
    std::vector<user_id> forgotten;
  };

  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  [[nodiscard]] user_id some_user() { return user_id{1000 + below(12)}; }
  [[nodiscard]] bool is_held(user_id user) const
  {
    for (const open_lease& l : open_) {
      if (std::count(l.forgotten.begin(), l.forgotten.end(), user) != 0) continue;
      for (const request& r : l.batch) {
        if (r.user == user) return true;
      }
    }
    return false;
  }
  [[nodiscard]] request some_request(user_id user)
  {
    const token_count moved = naive_.first_token(user) + (below(4) == 0 ? below(4) : 0);
    const token_count first = below(20) == 0 ? 0 : std::min(28U, moved);
    const token_count history = std::min(28U, std::max(first, naive_.known(user)) + below(12));
    return {.user = user,
            .history_tokens = history,
            .epoch = epoch_,
            .first_token = first,
            .volatile_tail = below(6) == 0 ? 1U : 0U};
  }

  void prepare()
  {
    if (open_.size() == 3) return finish();
    std::vector<request> batch;
    std::set<user_id> chosen;
    std::set<std::uint32_t> shards;
    for (unsigned n = 1 + below(4); n != 0; --n) {
      const user_id user = some_user();
      if (!chosen.insert(user).second) continue;
      batch.push_back(some_request(user));
      shards.insert(cache_.shard_of(user));
    }
    const stream_id stream = streams_[below(2)];
    std::optional<result<typename Cache::lease>> got;
    try {
      got.emplace(cache_.prepare(batch, stream));
    } catch (const capacity_error&) {  // too much for one shard
      REQUIRE(batch.size() > 1);
      return begin_anew(batch);
    }
    const bool must_be_refused =
        std::any_of(batch.begin(), batch.end(), [&](const request& r) { return is_held(r.user); });
    if (!got->has_value()) {
      ++refused;
      REQUIRE(!open_.empty());
      if (got->why().why == pressure::reason::user_held) REQUIRE(is_held(user_id{got->why().user}));
      return begin_anew(batch);
    }
    REQUIRE(!must_be_refused);
    open_lease fresh{std::move(*got).value(), stream, batch, ++drafts_, shards, {}};
    for (std::size_t i = 0; i < batch.size(); ++i) {
      naive_.begin(batch[i], fresh.lease.plan().requests[i], false, false, 1);
      naive_.see(fresh.lease.plan(), i);
      const token_sources sources = fresh.lease.sources(i);
      REQUIRE(sources.from[0] + sources.fetched() + sources.computed == window_of(batch[i]).size());
      for (level_index level = 0; level < most_levels; ++level) tokens[level] += sources.from[level];
    }
    auto work = std::make_shared<lease_work>();
    const page_table_view view = fresh.lease.view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      REQUIRE(view.tokens(i) == batch[i].history_tokens);
      REQUIRE(view.first_token(i) == batch[i].first_token);
      const auto compute = fresh.lease.compute(i);
      for (token_count t = batch[i].first_token; t < batch[i].history_tokens; ++t) {
        const bool writes =
            std::any_of(compute.begin(), compute.end(), [t](token_interval piece) { return piece.contains(t); });
        const std::uint64_t draft = writes ? fresh.draft : naive_.draft_of(batch[i].user, t);
        work->cells.push_back(
            {view.key(0, i, t), token_tag(batch[i].user, epoch_, draft, t), batch[i].user, t, writes});
      }
    }
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      if (below(8) == 0) fresh.lease.wait_sync(layer);
      else fresh.lease.wait(layer);
      model_.launch(stream, layer, work);
      fresh.lease.layer_done(layer);
    }
    open_.push_back(std::move(fresh));
    ++served;
    if (shards.size() > 1) ++spanning;
    std::set<page_id> all;
    for (const open_lease& l : open_) {
      for (const page_id id : l.lease.view().page_ids) {
        REQUIRE(to_number(id) < total_);
        if (!all.insert(id).second) FAIL("page " << to_number(id) << " is in two places");
      }
    }
  }

  /// A batch was refused; whether the shards before that had forgotten what its requests made useless is not known.
  void begin_anew(const std::vector<request>& batch)
  {
    for (const request& r : batch) {
      const bool makes_useless =
          r.first_token != naive_.first_token(r.user) || r.volatile_tail != 0 || naive_.has_earlier_rows(r.user);
      if (!makes_useless || is_held(r.user)) continue;
      naive_.forget(r.user, false);
      static_cast<void>(cache_.erase(r.user));
    }
  }

  void finish()
  {
    if (open_.empty()) return;
    const auto which = open_.begin() + below(static_cast<unsigned>(open_.size()));
    if (below(6) != 0) {
      which->lease.commit();
      for (std::size_t i = 0; i < which->batch.size(); ++i) {
        const user_id user = which->batch[i].user;
        if (std::count(which->forgotten.begin(), which->forgotten.end(), user) != 0) continue;
        naive_.commit(which->lease.plan().requests[i], which->lease.compute(i), which->draft);
      }
    }
    if (below(2) == 0) which->lease.release();
    open_.erase(which);
  }

  void prefetch()
  {
    const user_id user = some_user();
    const auto moved = cache_.prefetch(some_request(user), {.pages = 1 + below(8)});
    if (!moved) return;
    if (moved->tokens != 0) REQUIRE(!is_held(user));
    if (below(2) == 0) static_cast<void>(cache_.undo_prefetch(user));
  }

  void forget(user_id user)
  {
    const auto r = is_held(user) ? std::nullopt : see(user);
    naive_.forget(user, r && r->kept.forgotten.stranded == 0);
    for (open_lease& l : open_) l.forgotten.push_back(user);
  }

  void erase()
  {
    const user_id user = some_user();
    forget(user);
    static_cast<void>(cache_.erase(user));
    REQUIRE(!cache_.erase(user));
  }

  void advance_epoch()
  {
    for (std::uint64_t user = 1000; user < 1012; ++user) forget(user_id{user});
    epoch_ = epoch_id{to_number(epoch_) + 1};
    cache_.advance_epoch(epoch_);
    REQUIRE(cache_.stats().users == 0);
  }

  /// Lets the naive cache see all that is known of a user.
  [[nodiscard]] std::optional<request_plan> see(user_id user)
  {
    const token_count first = naive_.first_token(user);
    const request r{
        .user = user, .history_tokens = std::max(first, naive_.known(user)), .epoch = epoch_, .first_token = first};
    const auto plan = cache_.plan({&r, 1});
    if (!plan) return std::nullopt;
    naive_.see(*plan, 0);
    return plan->requests[0];
  }

  void look()
  {
    const cache_stats s = cache_.stats();
    for (const tier_stats& tier : all_tiers(s)) {
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    }
    std::size_t parts = 0;
    for (const open_lease& l : open_) parts += l.shards.size();
    REQUIRE(s.leases == parts);
  }

  emulated_device device_;
  Cache cache_;
  page_count total_;
  tiny_model model_;
  std::mt19937_64 random_;
  std::vector<stream_id> streams_;
  naive_cache naive_;
  epoch_id epoch_{};
  std::vector<open_lease> open_;
  std::uint64_t drafts_ = 0;
};

template <class Cache>
void shard_walks(const typename Cache::config& c, std::uint32_t shards, page_count total_pages)
{
  std::uint64_t served = 0, refused = 0, spanning = 0;
  by_level<std::uint64_t> tokens{};
  for (std::uint64_t seed = 1; seed <= 2 * effort; ++seed) {
    CAPTURE(shards, seed);
    shard_walker<sharded<Cache>> walker(c, shards, total_pages, seed);
    walker.run(200 * effort);
    served += walker.served;
    refused += walker.refused;
    spanning += walker.spanning;
    for (level_index i = 0; i < most_levels; ++i) tokens[i] += walker.tokens[i];
  }
  for (std::size_t i = 0; i < std::tuple_size_v<decltype(c.tiers)>; ++i) CHECK(tokens[i] != 0);
  CHECK(served > 10 * effort);
  CHECK(refused > effort);
  CHECK((shards == 1 || spanning > 5 * effort));
}

}  // namespace

TEST_CASE("random operations on shards against the naive cache", "[cache][sharded][random]")
{
  SECTION("pages as they fill") { shard_walks<page_cache>(tiny_config<page_cache>(26, 50), 2, 26); }
  SECTION("one shard") { shard_walks<page_cache>(tiny_config<page_cache>(22, 40), 1, 22); }
  SECTION("default_cache") { shard_walks<default_scene_cache>(tiny_config<default_scene_cache>(37, 70), 4, 37); }
  SECTION("device_only_cache") { shard_walks<lone_scene_cache>(tiny_config<lone_scene_cache>(30, 0), 3, 30); }
  SECTION("two memories below the slab") { shard_walks<deep_cache>(tiny_config<deep_cache>(26, 14, 30), 2, 26); }
  SECTION("an onload window in each shard")
  {
    const windowed_cache::config c{.shape = tiny,
                                   .tiers = {{.bytes = 24 * tiny_page_bytes, .window_bytes = 10 * tiny_page_bytes},
                                             {.bytes = 80 * tiny_page_bytes}},
                                   .layout = {.page_tokens = tiny_page, .chunk = tiny_chunk}};
    shard_walks<windowed_cache>(c, 2, 34);
  }
  SECTION("a range a user")
  {
    const range_cache::config c{.shape = tiny,
                                .tiers = {{.bytes = 5 * 7 * tiny_page_bytes}, {.bytes = 13 * 7 * tiny_page_bytes}},
                                .layout = {.page_tokens = tiny_page, .longest = 7 * tiny_page}};
    shard_walks<range_cache>(c, 2, 35);
  }
}
