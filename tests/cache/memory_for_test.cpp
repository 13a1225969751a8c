// What memory_for says a cache needs, held against caches of just that size: nobody is evicted, every frame is taken, and with
// a frame less somebody goes.
#include "cache/scene.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache/memory_for.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/sharded/memory_for_shards.hpp>
#include <kvstrata/sharded/sharded.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/tiers/memory_store.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

template <class Layout, class... Below>
using cache_of = cache<tier_stack<device_slab<emulated_device>, Below...>, Layout, layerwise_transfer<>, lru, counters>;

using whole_pages = cache_of<hybrid_layout, pinned_arena<page_write_through>>;
using all_tokens = cache_of<hybrid_layout, pinned_arena<token_write_through>>;
using whole_chunks = cache_of<hybrid_layout, pinned_arena<chunk_write_through>>;
using single_pages = cache_of<paged_layout, pinned_arena<token_write_through>>;
using ranges = cache_of<contiguous_layout, pinned_arena<token_write_through>>;
using two_memories = cache_of<hybrid_layout, pinned_arena<token_write_through>, pinned_arena<page_write_through>>;

using length_list = std::vector<history_count>;

template <class Cache>
[[nodiscard]] typename Cache::config sized(const by_level<std::uint64_t>& bytes)
{
  typename Cache::config c = tiny_config<Cache>(1, 1, 1);
  if constexpr (requires { c.layout.longest; }) c.layout.longest = 40;
  each_level<0, std::tuple_size_v<decltype(c.tiers)>>([&](auto i) { std::get<i()>(c.tiers).bytes = bytes[i()]; });
  return c;
}
template <class Cache>
[[nodiscard]] typename Cache::config unsized()
{
  return sized<Cache>({});
}

/// Serves the users one after the other, each of them in commits of `step` tokens (0: in one).
template <class Cache>
void fill(scene<Cache>& s, const length_list& lengths, token_count step)
{
  unsigned user = 0;
  for (const history_count& h : lengths) {
    for (std::uint64_t i = 0; i < h.users; ++i, ++user) {
      for (token_count now = 0; now < h.tokens;) {
        now = step == 0 || h.tokens - now < step ? h.tokens : now + step;
        s.serve(user, now);
      }
    }
  }
  s.cache.drain_sync();
}

[[nodiscard]] emulated_device_config in_virtual_time()
{
  return {.time = time_mode::virtual_time, .check_ordering = true, .poison_freed = true};
}

/// The last user fills all they take, so that a frame less is felt.
template <class Cache>
void holds_just_these(const length_list& lengths, token_count step)
{
  CAPTURE(step);
  const cache_need need = memory_for<Cache>(unsized<Cache>(), lengths, step);
  constexpr level_index depth = std::tuple_size_v<decltype(Cache::config::tiers)>;
  REQUIRE(need.depth == depth);
  by_level<std::uint64_t> bytes{};
  for (level_index i = 0; i < depth; ++i) bytes[i] = need.levels[i].bytes;
  {
    scene<Cache> s(in_virtual_time(), sized<Cache>(bytes));
    fill(s, lengths, step);
    const cache_stats now = s.cache.stats();
    for (level_index i = 0; i < depth; ++i) {
      CAPTURE(i);
      CHECK(now.levels[i].evicted_tokens == 0);
      CHECK(now.levels[i].resident_bytes == bytes[i]);
      CHECK(now.levels[i].capacity_bytes == bytes[i]);
      CHECK(now.levels[i].resident_tokens == need.levels[i].tokens);
    }
    CHECK(now.users == need.levels[0].users);
  }
  const std::uint64_t less = page_bytes(tiny, tiny_page) * unsized<Cache>().layout.granule_pages();
  for (level_index i = 0; i < depth; ++i) {
    CAPTURE(i);
    by_level<std::uint64_t> smaller = bytes;
    smaller[i] -= less;
    scene<Cache> s(in_virtual_time(), sized<Cache>(smaller));
    fill(s, lengths, step);
    CHECK(s.cache.stats().levels[i].evicted_tokens != 0);
  }
}

}  // namespace

TEST_CASE("a cache of the size that is said to hold some users holds them, and one a frame smaller does not",
          "[cache][memory_for]")
{
  const length_list lengths{{5, 3}, {16}, {17, 2}, {36}, {40}, {3}, {32}};
  SECTION("all tokens, in extents")
  {
    holds_just_these<all_tokens>(lengths, 0);
    holds_just_these<all_tokens>(lengths, 4);
    holds_just_these<all_tokens>(lengths, 7);
  }
  SECTION("whole pages")
  {
    // What an eviction would bring down besides is counted, so only whole ones are written here.
    const length_list whole{{8, 3}, {16}, {20, 2}, {36}, {40}, {4}, {32}};
    holds_just_these<whole_pages>(whole, 0);
    holds_just_these<whole_pages>(whole, 4);
  }
  SECTION("whole chunks")
  {
    holds_just_these<whole_chunks>(lengths, 0);
    holds_just_these<whole_chunks>(lengths, 5);
  }
  SECTION("pages by themselves")
  {
    holds_just_these<single_pages>(lengths, 0);
    holds_just_these<single_pages>(lengths, 3);
  }
  SECTION("ranges")
  {
    holds_just_these<ranges>(lengths, 0);
    holds_just_these<ranges>(lengths, 6);
  }
  SECTION("two memories")
  {
    const length_list whole{{8, 3}, {16}, {20, 2}, {36}, {40}, {4}, {32}};
    holds_just_these<two_memories>(whole, 0);
    holds_just_these<two_memories>(whole, 8);
  }
}

TEST_CASE("what an extent has as room to grow is counted, and how a history came matters", "[cache][memory_for]")
{
  const hybrid_layout layout{.page_tokens = 4, .chunk = 16};
  const auto once = memory_below_need<token_write_through>(layout, 36);
  CHECK(once.frames == 4 + 4 + 2);  // a quarter of eight pages, for the ninth
  CHECK(once.runs == 2);
  const auto grown = memory_below_need<token_write_through>(layout, 36, 4);
  CHECK(grown.frames == 10);
  CHECK(grown.runs == 2);  // eight of one page, one of two
  const auto chunks = memory_below_need<chunk_write_through>(layout, 36);
  CHECK(chunks.tokens == 32);
  CHECK(chunks.frames == 8);
  CHECK(chunks.is_joined);
  // At the eviction above the rest comes down, into an extent of its own.
  const auto late = memory_below_need<page_write_through>(layout, 14);
  CHECK(late.tokens == 14);
  CHECK(late.frames == 3 + 1);
  CHECK(memory_below_need<write_back>(layout, 14).runs == 1);
  CHECK(memory_below_need<selective_write<>>(layout, 14).tokens == 14);
  CHECK(store_need<write_back>(layout, 36).frames == 9);
  CHECK(store_need<write_back>(contiguous_layout{.page_tokens = 4, .longest = 40}, 5).frames == 2);
  CHECK(slab_need(contiguous_layout{.page_tokens = 4, .longest = 40}, 5).frames == 10);
  CHECK(slab_need(layout, 0).frames == 0);
  CHECK(sentence_of<config_error>([] {
          static_cast<void>(slab_need(contiguous_layout{.page_tokens = 4, .longest = 40}, 41));
        }) == "a history in tokens is 41, but the layout places at most 40");
}

TEST_CASE("users that fit are those who come before somebody is evicted", "[cache][memory_for]")
{
  const length_list lengths{{5, 2}, {17}, {36, 3}, {8}};
  for (page_count pages = 3; pages < 90; ++pages) {
    CAPTURE(pages);
    const std::uint64_t bytes = std::uint64_t{pages} * tiny_page_bytes + 1;
    const std::uint64_t fit = users_for<single_pages, 0>(bytes, unsized<single_pages>(), lengths);
    length_list order;
    std::uint64_t frames = 0;
    std::uint64_t users = 0;
    for (bool full = false; !full;) {  // one by one
      for (const history_count& h : lengths) {
        for (std::uint64_t i = 0; i < h.users && !full; ++i) {
          frames += (h.tokens + 3) / 4;
          full = frames > pages;
          if (!full) ++users;
        }
      }
    }
    CHECK(fit == users);
  }
  CHECK(users_for<all_tokens, 0>(1000, unsized<all_tokens>(), {}) == largest_size);
  const cache_need need = memory_for<ranges>(unsized<ranges>(), lengths);
  CHECK(users_for<ranges, 1>(need.levels[1].bytes, unsized<ranges>(), lengths) == 7);
  CHECK(users_for<ranges, 1>(need.levels[1].bytes - 1, unsized<ranges>(), lengths) == 6);
  CHECK(sentence_of<config_error>([] {
          const length_list many{{1, largest_size}, {1, 2}};
          static_cast<void>(memory_for<all_tokens>(unsized<all_tokens>(), many));
        }) == "users is 18446744073709551615 + 2, but it may be at most 18446744073709551615");
}

TEST_CASE("a store holds the pages of its records", "[cache][memory_for]")
{
  using stored = cache_of<hybrid_layout, pinned_arena<token_write_through>, memory_store<token_write_through>>;
  emulated_device device(in_virtual_time());
  const stream_id compute = device.create_stream("compute");
  memory_store<>::on<emulated_device> store(device, {});
  const length_list lengths{{5, 3}, {17, 2}, {36}};
  stored::config c{.shape = tiny, .layout = {.page_tokens = tiny_page, .chunk = tiny_chunk}};
  const cache_need need = memory_for<stored>(c, lengths);
  REQUIRE(need.depth == 3);
  c.tiers = {{.bytes = need.levels[0].bytes}, {.bytes = need.levels[1].bytes}, {.store = &store}};
  stored cache(device, c);
  unsigned user = 0;
  for (const history_count& h : lengths) {
    for (std::uint64_t i = 0; i < h.users; ++i, ++user) {
      const request asked{.user = user_id{user}, .history_tokens = h.tokens};
      auto lease = cache.prepare({&asked, 1}, compute).value();
      for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
      lease.finish();
      cache.drain_sync();
      cache.poll();
    }
  }
  cache.drain_sync();
  CHECK(store.shelf().bytes() == need.levels[2].bytes);
  CHECK(need.levels[2].bytes == (3 * 2 + 2 * 5 + 9) * tiny_page_bytes);
}

TEST_CASE("a sharded cache of the size that is said to hold some users holds them", "[cache][memory_for][sharded]")
{
  const std::uint32_t shards = 3;
  for (const bool in_ranges : {false, true}) {
    CAPTURE(in_ranges);
    const auto run = [&]<class Cache>(std::type_identity<Cache>) {
      std::vector<user_history> users;
      for (unsigned u = 0; u < 40; ++u) users.push_back({user_id{u}, 4 * (1 + u % 8)});  // none with room to grow
      const cache_need need = memory_for_shards<Cache>(unsized<Cache>(), users, shards);
      const std::uint64_t unit = tiny_page_bytes * unsized<Cache>().layout.granule_pages();
      for (const level_index shrunk : {level_index{0}, level_index{1}, most_levels}) {
        CAPTURE(shrunk);
        by_level<std::uint64_t> bytes{need.levels[0].bytes, need.levels[1].bytes};
        if (shrunk != most_levels) bytes[shrunk] -= unit;
        emulated_device device(in_virtual_time());
        const stream_id compute = device.create_stream("compute");
        sharded<Cache> cache(device, sized<Cache>(bytes), shards);
        for (const user_history& u : users) {
          const request asked{.user = u.user, .history_tokens = u.tokens};
          auto lease = cache.prepare({&asked, 1}, compute).value();
          for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
          lease.finish();
        }
        cache.drain_sync();
        const cache_stats now = cache.stats();
        for (level_index i = 0; i < 2; ++i) {
          CAPTURE(i);
          if (i == shrunk) CHECK(now.levels[i].evicted_tokens != 0);
          else CHECK(now.levels[i].evicted_tokens == 0);
          if (shrunk == most_levels) CHECK(now.levels[i].capacity_bytes == bytes[i]);
        }
      }
      CHECK(need.levels[0].users == users.size());
    };
    if (in_ranges) run(std::type_identity<ranges>());
    else run(std::type_identity<all_tokens>());
  }
}

TEST_CASE("the books of a cache take what they are said to take", "[cache][memory_for]")
{
  using plain = cache<tier_stack<device_slab<dataless_device>, pinned_arena<token_write_through>>, hybrid_layout,
                      layerwise_transfer<>, lru>;
  const length_list lengths{{1000, 4000}, {3000, 1000}};
  plain::config c{.shape = tiny};
  const cache_need need = memory_for<plain>(c, lengths);
  c.tiers = {{.bytes = need.levels[0].bytes}, {.bytes = need.levels[1].bytes}};
  CHECK(need.books.entries == (5000 + 63) / 64 * 64 * sizeof(plain::entry_type));
  CHECK(need.books.hot_records == (5000 + 63) / 64 * 64 * sizeof(plain::entry_type::hot_record));
  CHECK(page_table_bytes(c.layout, lengths) == 4 + 4000 * (32 * 4 + 12) + 1000 * (94 * 4 + 12));
  const auto in_use = [] {
    const struct ::mallinfo2 now = ::mallinfo2();
    return static_cast<double>(now.uordblks + now.hblkhd);
  };
  const double before = in_use();
  if (before == 0) return;  // another allocator
  dataless_device device;
  plain cache(device, c);
  unsigned user = 0;
  for (const history_count& h : lengths) {
    for (std::uint64_t i = 0; i < h.users; ++i, ++user) {
      const request asked{.user = user_id{user}, .history_tokens = h.tokens};
      auto lease = cache.prepare({&asked, 1}, {}).value();
      for (layer_index layer = 0; layer < tiny.layers; ++layer) lease.layer_done(layer);
      lease.finish();
    }
  }
  REQUIRE(cache.stats().levels[1].evicted_tokens == 0);
  const double took = in_use() - before;
  const auto said = static_cast<double>(need.books.bytes());
  CAPTURE(took, said);
  CHECK(took > 0.95 * said);
  CHECK(took < 1.1 * said);
}
