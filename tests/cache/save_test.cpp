// What a server that ends writes down: all that only memories have, as far as there is time, and it says how much is left.
#include "cache/stores_bed.hpp"

#include <kvstrata/sharded/sharded.hpp>

#include <chrono>
#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;
using namespace std::chrono_literals;

namespace {

constexpr token_count history = 6 * tiny_page + 3;

/// Serves users of whom the memories keep all, and saves.
std::uint64_t save(store_scene<>& s, unsigned users)
{
  for (unsigned user = 0; user < users; ++user) static_cast<void>(s.serve(user, history));
  return s.cache->save_sync(1s);
}

/// The arena gets what is committed; the memory below it, which feeds the store, what leaves the arena.
struct three_memories
    : tier_stack<device_slab<moody_device>, pinned_arena<token_write_through>, pinned_arena<write_back>, memory_store<>>
{
};
using deep_cache = cache<three_memories, paged_layout, layerwise_transfer<>, lru>;

template <class Cache>
void serve_once(Cache& cache, moody_device& device, unsigned user)
{
  const stream_id compute = device.create_stream("compute");
  const request r{.user = user_id{user}, .history_tokens = history};
  auto lease = cache.prepare({&r, 1}, compute).value();
  for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
  lease.finish();
}

}  // namespace

TEST_CASE("what only memories have is there for the next cache, once it was saved")
{
  for (const page_count room : {64U, 8U}) {  // all at once, or one after the other
    CAPTURE(room);
    store_scene<> s({.lanes = 2, .in_flight = 2, .least_seconds = 1e-3, .most_seconds = 2e-3},
                    {.arena = 64, .room = room});
    REQUIRE(save(s, 4) == 0);
    REQUIRE(s.store.shelf().records() == 4);
    s.start();
    for (unsigned user = 0; user < 4; ++user) {
      CAPTURE(user);
      const auto sources = s.serve(user, history);
      REQUIRE(sources);
      CHECK(sources->computed <= 1);  // a whole hit computes one
    }
    REQUIRE(s.cache->save_sync(1s) == 0);
  }
}

TEST_CASE("what lies above the last memory is saved, too, though that has no room for all of it")
{
  for (const page_count last : {64U, 10U}) {  // all at once, or one after the other
    CAPTURE(last);
    moody_device device(store_device(2));
    fake_store store(device, {.lanes = 2, .in_flight = 2, .least_seconds = 1e-3, .most_seconds = 2e-3});
    deep_cache::config c{.shape = tiny};
    c.layout.page_tokens = tiny_page;
    std::get<0>(c.tiers).bytes = 24 * tiny_page_bytes;
    std::get<1>(c.tiers).bytes = 64 * tiny_page_bytes;
    std::get<2>(c.tiers).bytes = last * tiny_page_bytes;
    std::get<3>(c.tiers).store = &store;
    c.stores.room_bytes = 8 * tiny_page_bytes;
    deep_cache cache(device, c);
    for (unsigned user = 1; user <= 6; ++user) serve_once(cache, device, user);
    REQUIRE(cache.save_sync(1s) == 0);
    for (unsigned user = 1; user <= 6; ++user) {
      const auto record = store.shelf().find(key_of(user_id{user}));
      REQUIRE(record);
      CHECK((record->tokens == token_interval{0, history}));
    }
    const cache_stats s = cache.stats();
    for (level_index i = 0; i < 4; ++i) CHECK(s.levels[i].dropped_tokens == 0);
    CHECK(device.violations().empty());
  }
}

TEST_CASE("shards save one after the other")
{
  moody_device device(store_device(2));
  fake_store store(device);
  back_cache::config c{.shape = tiny};
  c.layout.page_tokens = tiny_page;
  std::get<0>(c.tiers).bytes = std::get<1>(c.tiers).bytes = 96 * tiny_page_bytes;
  std::get<2>(c.tiers).store = &store;
  sharded<back_cache> cache(device, c, 3);
  for (unsigned user = 1; user <= 6; ++user) serve_once(cache, device, user);
  CHECK(cache.save_sync(1s) == 0);
  CHECK(store.shelf().records() == 6);
}

TEST_CASE("saving says what is left where a store loses everything, and comes to an end")
{
  store_scene<> s({.lost_in = 1}, {.arena = 64});
  const std::uint64_t left = save(s, 3);
  CHECK(left != 0);
  CHECK(left <= 3 * history);
  CHECK(s.store.shelf().records() <= 3);  // an answer may be lost, and the record kept
}

TEST_CASE("saving twice writes nothing twice, and after close it is misuse")
{
  store_scene<> s({}, {.arena = 64});
  REQUIRE(save(s, 3) == 0);
  const std::uint64_t puts = s.figures().puts;
  REQUIRE(s.cache->save_sync(1s) == 0);
  CHECK(s.figures().puts == puts);
  s.cache->close();
  CHECK_THROWS_AS(s.cache->save_sync(1s), usage_error);
}
