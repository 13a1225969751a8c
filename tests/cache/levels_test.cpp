// More memories than one below the slab, one story each: what goes down which way, what comes up from where, what is lost
// where. The walks through stacks_*_test.cpp look for what nobody thought of.
#include "cache/scene.hpp"
#include "cache/stacks.hpp"

#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using three = cache<tier_stack<device_slab<emulated_device>, arena<1>, arena<2>>, paged_layout, layerwise_transfer<>,
                    lru, counters>;
using four = cache<tier_stack<device_slab<emulated_device>, arena<1>, arena<2>, file<3>>, paged_layout,
                   layerwise_transfer<>, lru, counters>;

/// What the memories below the slab do while it lives.
struct told
{
  explicit told(std::initializer_list<writing> below)
  {
    level_index i = 1;
    for (const writing w : below) ways_now[i++].writes = w;
  }
  told(const told&) = delete;
  told& operator=(const told&) = delete;
  ~told() { ways_now = {}; }
};

/// A page takes a second from one memory to another.
[[nodiscard]] emulated_device_config slow_between()
{
  return {.time = time_mode::virtual_time,
          .on_host = {.bytes_per_second = tiny_page_bytes},
          .check_ordering = true,
          .poison_freed = true,
          .trace = true};
}

/// Of each level so many pages.
template <class Cache, class... Pages>
[[nodiscard]] typename Cache::config with_pages(Pages... pages)
{
  auto c = tiny_config<Cache>(pages...);
  if constexpr (std::is_same_v<Cache, four>) std::get<3>(c.tiers).directory = scratch_directory();
  return c;
}

template <class Cache>
[[nodiscard]] std::vector<std::uint64_t> tokens_of(scene<Cache>& s)
{
  const cache_stats stats = s.cache.stats();
  std::vector<std::uint64_t> out;
  for (level_index i = 0; i < stats.depth; ++i) out.push_back(stats.levels[i].resident_tokens);
  return out;
}
using tokens = std::vector<std::uint64_t>;

[[nodiscard]] by_level<std::uint64_t> pages(std::initializer_list<std::uint64_t> list)
{
  by_level<std::uint64_t> out{};
  std::size_t i = 0;
  for (const std::uint64_t n : list) out[i++] = n * tiny_page_bytes;
  return out;
}

[[nodiscard]] std::vector<piece> pieces_of(const batch_plan& plan)
{
  const auto all = plan.pieces_of(0);
  return {all.begin(), all.end()};
}

}  // namespace

TEST_CASE("who falls through two levels comes back from the third, straight to the slab", "[cache][levels]")
{
  const told as({writing::back, writing::back});
  scene<three> s(slow_between(), with_pages<three>(8, 8, 16));
  s.serve(1, 32);
  CHECK(s.cache.tracker().read().offload_bytes == pages({}));
  s.serve(2, 32);
  CHECK(tokens_of(s) == tokens{32, 32, 0});
  s.serve(3, 32);
  CHECK(tokens_of(s) == tokens{32, 32, 32});
  CHECK(s.cache.tracker().read().offload_bytes == pages({0, 16, 8}));
  CHECK(s.device.stats().from_device.bytes == 16 * tiny_page_bytes);
  CHECK(s.device.stats().on_host.bytes == 8 * tiny_page_bytes);
  const token_sources back = s.serve(1, 32);
  CHECK(back.from[2] == 32);
  CHECK(back.fetched() == 32);
  const auto counted = s.cache.tracker().read();
  CHECK(counted.onload_bytes == pages({0, 0, 8}));
  CHECK(counted.served_tokens == by_level<std::uint64_t>{0, 0, 32});
  CHECK(counted.evicted_tokens == by_level<std::uint64_t>{96, 64});
  CHECK(counted.dropped_tokens == by_level<std::uint64_t>{});
  CHECK(tokens_of(s) == tokens{32, 32, 64});  // user 1 was not put into the level between
  s.cache.drain_sync();
  std::size_t demotions = 0;
  for (const op_span& span : s.device.trace()) {
    if (span.kind != operation_kind::copy_on_host) continue;
    CHECK(span.stream_name == "demote");
    ++demotions;
  }
  CHECK(demotions >= 2 * tiny.layers);
}

TEST_CASE("a fetch waits for the copy that brought the tokens to their level", "[cache][levels]")
{
  const told as({writing::back, writing::back});
  scene<three> s(slow_between(), with_pages<three>(8, 8, 16));
  s.serve(1, 32);
  s.serve(2, 32);
  s.serve(3, 32);
  s.device.clear_trace();
  auto lease = s.hold({{1, 32}});  // whose demotion takes eight seconds
  s.run_model(lease);
  lease.commit();
  lease.release();
  s.cache.drain_sync();
  double demoted = 0;
  double fetched = 1e9;
  for (const op_span& span : s.device.trace()) {
    if (span.kind == operation_kind::copy_to_device) fetched = std::min(fetched, span.begin);
    if (span.kind == operation_kind::copy_on_host && span.begin < 8) demoted = std::max(demoted, span.end);
  }
  CHECK(demoted >= 8);
  CHECK(fetched >= 8);
}

TEST_CASE("through four levels, and lost at the end of the last", "[cache][levels]")
{
  const told as({writing::back, writing::back, writing::back});
  scene<four> s(slow_between(), with_pages<four>(4, 4, 4, 4));
  for (unsigned user = 1; user <= 4; ++user) s.serve(user, 16);
  CHECK(tokens_of(s) == tokens{16, 16, 16, 16});
  for (unsigned user = 1; user <= 4; ++user) CHECK(s.look(user, 16).sources.from[4 - user] == 16);
  CHECK(s.cache.stats().users == 4);
  s.serve(5, 16);
  CHECK(tokens_of(s) == tokens{16, 16, 16, 16});
  CHECK(s.cache.stats().users == 4);
  const auto counted = s.cache.tracker().read();
  CHECK(counted.levels == 4);
  CHECK(counted.evicted_tokens == by_level<std::uint64_t>{64, 48, 32, 16});
  CHECK(counted.dropped_tokens == by_level<std::uint64_t>{0, 0, 0, 16});
  CHECK(counted.unread_tokens == by_level<std::uint64_t>{64, 48, 32, 16});
  CHECK(counted.offload_bytes == pages({0, 16, 12, 8}));
  CHECK(s.look(1, 16).computed() == 16);
  CHECK(s.cache.erase(user_id{3}));
  CHECK(s.cache.stats().levels[2].resident_bytes == 0);
  CHECK(s.cache.stats().levels[3].name == "file");
}

TEST_CASE("whom a level does not want goes to the next one", "[cache][levels]")
{
  const told as({writing::selective, writing::back});
  scene<three> s(slow_between(), with_pages<three>(8, 8, 16));
  s.serve(1, 32);
  s.serve(2, 32);  // user 1 came once
  CHECK(s.cache.tracker().read().offload_bytes == pages({0, 0, 8}));
  CHECK(s.device.stats().on_host.bytes == 0);
  CHECK(is(s.serve(1, 32), 0, 32, 0));  // and now again: written through, and user 2 goes where user 1 was
  CHECK(s.cache.tracker().read().offload_bytes == pages({0, 8, 16}));
  CHECK(tokens_of(s) == tokens{32, 32, 64});
  CHECK(s.cache.tracker().read().dropped_tokens == by_level<std::uint64_t>{});
}

TEST_CASE("what two levels write through comes from the slab twice, and evictions move nothing", "[cache][levels]")
{
  const told as({writing::token, writing::token});
  scene<three> s(slow_between(), with_pages<three>(8, 4, 16));
  s.serve(1, 10);
  CHECK(s.cache.tracker().read().offload_bytes == pages({0, 3, 3}));
  CHECK(s.device.stats().from_device.bytes == 6 * tiny_page_bytes);
  s.serve(2, 8);  // level 1 needs a page of user 1
  CHECK(tokens_of(s) == tokens{18, 14, 18});
  CHECK(s.cache.stats().levels[1].evicted_tokens == 4);
  CHECK(s.cache.stats().levels[1].dropped_tokens == 0);
  s.hold({{3, 32}}).release();  // pushes both off the slab
  CHECK(s.cache.tracker().read().offload_bytes == pages({0, 5, 5}));
  CHECK(s.device.stats().on_host.bytes == 0);
  const auto r = s.asks(1, 10);
  CHECK(pieces_of(s.cache.plan({&r, 1}).value()) == std::vector<piece>{{{0, 4}, 2}, {{4, 10}, 1}});
}

TEST_CASE("each token comes from the uppermost level that has it", "[cache][levels]")
{
  const told as({writing::back, writing::back});
  scene<three> s(slow_between(), with_pages<three>(6, 2, 16));
  s.serve(1, 24);
  s.serve(2, 8);  // [0, 8) of user 1 fills level 1
  s.serve(3, 8);  // [8, 16) finds no room there, for who makes room is held
  const auto r = s.asks(1, 24);
  const std::vector<piece> right{{{0, 8}, 1}, {{8, 16}, 2}, {{16, 24}, 0}};
  CHECK(pieces_of(s.cache.plan({&r, 1}).value()) == right);
  CHECK(s.look(1, 24).fetches == std::vector{token_interval{0, 16}});
  SECTION("a lease brings them together")
  {
    s.cache.erase(user_id{2});
    s.cache.erase(user_id{3});
    const token_sources sources = s.serve(1, 24);
    CHECK(sources.from[0] == 8);
    CHECK(sources.from[1] == 8);
    CHECK(sources.from[2] == 8);
    CHECK(s.cache.tracker().read().onload_bytes == pages({0, 2, 2}));
    CHECK(is(s.serve(1, 24), 24, 0, 0));
  }
  SECTION("so does a prefetch, which may be taken back")
  {
    s.cache.erase(user_id{2});
    s.cache.erase(user_id{3});
    CHECK(s.cache.prefetch(s.asks(1, 24)).value().tokens == 16);
    CHECK(tokens_of(s) == tokens{24, 8, 8});
    CHECK(s.cache.undo_prefetch(user_id{1}) == 16);
    CHECK(tokens_of(s) == tokens{8, 8, 8});
    CHECK(s.cache.tracker().read().dropped_tokens == by_level<std::uint64_t>{});
  }
  SECTION("an erased user leaves all of them")
  {
    CHECK(s.cache.erase(user_id{1}));
    CHECK(tokens_of(s) == tokens{16, 0, 0});
  }
  SECTION("so does an epoch, whose memory goes first")
  {
    s.epoch = epoch_id{1};
    s.cache.advance_epoch(s.epoch);
    CHECK(tokens_of(s) == tokens{0, 0, 0});
    s.serve(4, 24);  // all of the slab
    s.serve(5, 24);
    CHECK(tokens_of(s) == tokens{24, 8, 24});
    CHECK(s.cache.tracker().read().dropped_tokens == by_level<std::uint64_t>{});
  }
}

// Pages are copied whole: were a page to come from two levels, one copy would write over what the other brought.
TEST_CASE("a page that two levels have in part comes from the one that has more of it", "[cache][levels]")
{
  const told as({writing::token, writing::token});
  scene<three> s(slow_between(), with_pages<three>(8, 4, 16));
  s.serve(1, 12);
  s.serve(2, 16);
  s.hold({{3, 32}}).release();
  REQUIRE(is(s.serve(1, 6), 0, 6, 0));  // level 1 has lost user 1, and gets these again
  s.hold({{3, 32}}).release();
  const auto r = s.asks(1, 12);
  CHECK(pieces_of(s.cache.plan({&r, 1}).value()) == std::vector<piece>{{{0, 4}, 1}, {{4, 12}, 2}});
  const auto before = s.cache.tracker().read();
  CHECK(is(s.serve(1, 12), 0, 12, 0));
  const auto after = s.cache.tracker().read();
  CHECK(after.onload_bytes[1] - before.onload_bytes[1] == tiny_page_bytes);
  CHECK(after.onload_bytes[2] - before.onload_bytes[2] == 2 * tiny_page_bytes);
}

TEST_CASE("who is under a lease stays in every level", "[cache][levels]")
{
  const told as({writing::token, writing::back});
  scene<three> s(slow_between(), with_pages<three>(12, 4, 16));
  s.serve(1, 16);  // fills level 1
  auto held = s.hold({{1, 16}});
  s.serve(2, 16);
  CHECK(s.cache.tracker().read().refused_tokens == by_level<std::uint64_t>{0, 16});
  CHECK(s.cache.stats().levels[1].evicted_tokens == 0);
  CHECK(s.cache.stats().dirty_tokens == 16);
  SECTION("what it does not let in goes a level further when it is evicted")
  {
    s.serve(3, 32);
    CHECK(s.look(2, 16).sources.from[2] == 16);
    CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
  }
  SECTION("or when the cleaner comes")
  {
    CHECK(s.cache.clean() == 16);
    CHECK(s.cache.stats().dirty_tokens == 0);
    CHECK(tokens_of(s) == tokens{32, 16, 16});
  }
  held.release();
}

TEST_CASE("shards divide every level", "[cache][levels][sharded]")
{
  const told as({writing::back, writing::back, writing::back});
  emulated_device device({.time = time_mode::virtual_time, .check_ordering = true, .poison_freed = true});
  const stream_id compute = device.create_stream("compute");
  auto c = with_pages<four>(8, 8, 8, 9);
  {
    sharded<four> cache(device, c, 2);
    const cache_stats all = cache.stats();
    CHECK(all.depth == 4);
    for (level_index i = 0; i < 4; ++i) CHECK(all.levels[i].capacity_bytes == (i == 3 ? 9 : 8) * tiny_page_bytes);
    CHECK(cache.stats(0).levels[3].capacity_bytes == 5 * tiny_page_bytes);
    CHECK(cache.stats(1).levels[3].capacity_bytes == 4 * tiny_page_bytes);
    std::vector<user_id> users;
    for (std::uint64_t user = 0; users.size() < 4; ++user) {
      if (cache.shard_of(user_id{user}) == 1) users.push_back(user_id{user});
    }
    for (const user_id user : users) {
      const request r{.user = user, .history_tokens = 16};
      auto l = cache.prepare(std::vector{r}, compute).value();
      for (layer_index layer = 0; layer < tiny.layers; ++layer) {
        l.wait(layer);
        l.layer_done(layer);
      }
      l.commit();
    }
    for (std::size_t i = 0; i < users.size(); ++i) {
      const request r{.user = users[i], .history_tokens = 16};
      CHECK(outlook(cache.plan(std::vector{r}).value()).sources.from[3 - i] == 16);
    }
    CHECK(cache.stats(0).users == 0);
  }
  std::get<2>(c.tiers).bytes = tiny_page_bytes;
  CHECK_THROWS_WITH(sharded<four>(device, c, 2),
                    Catch::Matchers::StartsWith("tiers[2].bytes is 192, but 2 shards need"));
  CHECK(device.violations().empty());
}
