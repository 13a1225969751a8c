// What the cache does, one story each. The random walks look for what nobody thought of; these tell what is meant.
#include "cache/scene.hpp"

using namespace kvstrata;
using namespace kvstrata_test;

TEST_CASE("the first visit computes all, the second only what is new", "[cache]")
{
  scene<default_scene_cache> s(16, 32);
  CHECK(is(s.serve(1, 10), 0, 0, 10));
  CHECK(is(s.serve(1, 10), 10, 0, 0));
  CHECK(is(s.serve(1, 13), 10, 0, 3));
  CHECK(s.cache.stats().levels[0].resident_tokens == 13);
  CHECK(s.cache.stats().users == 1);
}

TEST_CASE("users are those of whom a token is cached, not those who are only held", "[cache]")
{
  scene<page_scene_cache> s(8, 16);
  auto first = s.hold({{1, 9}, {2, 0}});
  CHECK(s.cache.stats().users == 0);
  s.run_model(first);
  first.commit();
  CHECK(s.cache.stats().users == 1);
  first.release();
  CHECK(s.cache.stats().users == 1);
  auto second = s.hold({{1, 9}, {3, 20}});
  CHECK(s.cache.stats().users == 1);
  second.release();  // nothing was committed
  CHECK(s.cache.stats().users == 1);
  s.hold({{4, 32}}).release();  // user 1 is in the lower tier alone
  CHECK(s.cache.stats().levels[0].resident_tokens == 0);
  CHECK(s.cache.stats().users == 1);
  s.serve(5, 32);
  CHECK(s.cache.stats().users == 2);
  s.serve(6, 32);  // pushes user 5 down, and user 1 out
  CHECK(s.cache.stats().users == 2);
  auto held = s.hold({{6, 32}});
  s.cache.erase(user_id{6});
  CHECK(s.cache.stats().users == 1);
  s.run_model(held);
  held.commit();
  held.release();
  CHECK(s.cache.stats().users == 1);
  s.cache.erase(user_id{5});
  CHECK(s.cache.stats().users == 0);
  s.serve(7, 8);
  auto stale = s.hold({{7, 8}});
  s.epoch = epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  CHECK(s.cache.stats().users == 0);
  stale.release();
  s.serve(8, 32);  // the stale copies go
  CHECK(s.cache.stats().users == 1);
}

TEST_CASE("finish commits and releases at once", "[cache]")
{
  scene<default_scene_cache> s(16, 32);
  auto lease = s.hold({{1, 10}});
  CHECK_THROWS_AS(lease.finish(), usage_error);  // no layer is done: the lease stays as it was
  CHECK(s.cache.stats().leases == 1);
  s.run_model(lease);
  lease.finish();
  CHECK(s.cache.stats().leases == 0);
  CHECK_THROWS_WITH(lease.finish(), "finish: this lease is released or was moved from");
  CHECK(is(s.serve(1, 10), 10, 0, 0));

  auto hit = s.hold({{1, 10}});
  hit.finish();  // nothing was to be computed
  auto committed = s.hold({{1, 12}});
  s.run_model(committed);
  committed.commit();
  CHECK_THROWS_AS(committed.finish(), usage_error);
  CHECK(s.cache.stats().leases == 1);
  committed.release();
  CHECK(is(s.serve(1, 12), 12, 0, 0));
}

TEST_CASE("a batch's view is a page table in the order of the requests", "[cache]")
{
  scene<default_scene_cache> s(16, 32);
  auto lease = s.hold({{7, 9}, {3, 0}, {5, 4}});
  const page_table_view view = lease.view();
  REQUIRE(lease.size() == 3);
  CHECK(view.indptr[1] == 3);
  CHECK(view.indptr[2] == 3);
  CHECK(view.indptr[3] == 4);
  CHECK(view.last_page_len[0] == 1);
  CHECK(view.last_page_len[1] == 0);
  CHECK(view.last_page_len[2] == 4);
  CHECK(view.tokens(0) == 9);
  CHECK(view.key(1, 2, 3) == view.base + view.where.offset(1, to_number(view.page_ids[3])) + 3 * tiny.key_bytes());
  REQUIRE(lease.compute(0).size() == 1);
  CHECK(lease.compute(0)[0] == token_interval{0, 9});
  CHECK(lease.compute(1).empty());
}

TEST_CASE("who was pushed off the device comes back from the lower tier", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  CHECK(is(s.serve(1, 30), 0, 0, 30));  // all 8 pages
  CHECK(is(s.serve(2, 32), 0, 0, 32));
  CHECK(is(s.serve(1, 32), 0, 30, 2));
  CHECK(s.cache.tracker().read().dropped_tokens[0] == 0);
  CHECK(s.cache.tracker().read().evicted_tokens[0] == 62);
}

TEST_CASE("a victim loses its front, and only the front comes from the lower tier", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 24);  // 6 pages
  s.serve(2, 16);  // 4 pages: two of user 1 go
  const outlook plan = s.look(1, 24);
  CHECK(plan.in_slab == token_interval{8, 24});
  CHECK(plan.fetches == std::vector{token_interval{0, 8}});
  CHECK(plan.pages_taken == 2);
  CHECK(is(s.serve(1, 24), 16, 8, 0));
  CHECK(s.cache.tracker().read().onload_bytes[1] == 2 * tiny_page_bytes);
}

TEST_CASE("evict_whole pushes the whole victim out", "[cache]")
{
  scene<paper_scene_cache> s(8, 64);
  s.serve(1, 24);
  s.serve(2, 16);
  CHECK(s.look(1, 24).in_slab.empty());
  CHECK(s.look(1, 24).fetches == std::vector{token_interval{0, 16}});  // whole chunks only
}

TEST_CASE("the plan says who goes, and how dirty they are", "[cache]")
{
  scene<page_scene_cache> s(8, 64);
  s.serve(1, 14);  // 3 pages written down, 2 tokens not
  s.serve(2, 16);
  const auto r = s.asks(3, 16);
  const batch_plan plan = s.cache.plan({&r, 1}).value();
  CHECK(plan.pages_needed == 4);
  CHECK(plan.pages_free == 0);
  REQUIRE(plan.victims.size() == 1);
  CHECK(plan.victims[0].user == user_id{1});
  CHECK(plan.victims[0].pages == 4);
  CHECK(plan.victims[0].tokens == 14);
  CHECK(plan.victims[0].dirty_tokens == 2);
  CHECK_FALSE(plan.victims[0].stale);
  CHECK(s.cache.stats().levels[0].evicted_tokens == 0);  // it only says so
}

// DESIGN section 5, point 4.
TEST_CASE("page_write_through writes a tail down when it is evicted", "[cache]")
{
  scene<page_scene_cache> s(8, 64);
  s.serve(1, 30);
  CHECK(s.cache.stats().levels[1].resident_tokens == 28);  // the tail page is not full
  s.serve(2, 32);
  CHECK(s.cache.stats().levels[1].resident_tokens == 30 + 32);
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
  CHECK(is(s.serve(1, 30), 0, 30, 0));
}

TEST_CASE("chunk_write_through loses a tail at eviction, and counts it", "[cache]")
{
  scene<paper_scene_cache> s(8, 64);
  s.serve(1, 30);
  CHECK(s.cache.stats().levels[1].resident_tokens == 16);
  s.serve(2, 32);
  CHECK(s.cache.stats().levels[0].evicted_tokens == 30);
  CHECK(s.cache.stats().levels[0].dropped_tokens == 14);
  CHECK(is(s.serve(1, 30), 0, 16, 14));
}

TEST_CASE("without a lower tier all that is evicted is dropped", "[cache]")
{
  scene<lone_scene_cache> s(8);
  s.serve(1, 30);
  s.serve(2, 12);  // three pages
  CHECK(s.cache.stats().levels[0].evicted_tokens == 12);
  CHECK(s.cache.stats().levels[0].dropped_tokens == 12);
  CHECK(is(s.serve(1, 30), 18, 0, 12));
  CHECK(s.cache.stats().levels[1].capacity_bytes == 0);
}

TEST_CASE("the lower tier evicts by itself, and loses what no other tier has", "[cache]")
{
  scene<default_scene_cache> s(8, 8);
  s.serve(1, 16);
  s.serve(2, 16);
  CHECK(s.cache.stats().levels[1].resident_tokens == 32);
  s.serve(3, 16);  // pushes user 1 off the device, and, being written down, out of the lower tier
  const auto counted = s.cache.tracker().read();
  CHECK(counted.evicted_tokens[1] == 16);
  CHECK(counted.dropped_tokens[1] == 16);
  CHECK(is(s.serve(1, 16), 0, 0, 16));
}

TEST_CASE("tokens that the lower tier has no room for stay on the device and go down later", "[cache]")
{
  scene<default_scene_cache> s(12, 4);
  {
    auto held = s.hold({{1, 16}});
    s.run_model(held);
    held.commit();  // fills the lower tier, and is held
    s.serve(2, 16);
    CHECK(s.cache.tracker().read().refused_tokens[1] == 16);
    CHECK(s.cache.stats().levels[1].resident_tokens == 16);
  }
  CHECK(is(s.serve(2, 16), 16, 0, 0));  // a hit; now there is room
  CHECK(s.cache.stats().levels[1].evicted_tokens == 16);
  CHECK(s.cache.stats().levels[1].dropped_tokens == 0);  // user 1 is on the device
  CHECK(s.look(2, 16).in_slab.size() == 16);
  s.hold({{3, 48}}).release();  // pushes everybody off the device
  CHECK(is(s.serve(2, 16), 0, 16, 0));
}

// DESIGN section 4: dropping a lease without commit discards its new tokens and nothing else.
TEST_CASE("a lease that is dropped keeps what was brought up and forgets what was computed", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 16);
  s.serve(2, 32);
  {
    auto lease = s.hold({{1, 24}});
    CHECK(is(lease.sources(0), 0, 16, 8));
    s.run_model(lease);
  }
  CHECK(is(s.serve(1, 24), 16, 0, 8));
  CHECK(s.cache.stats().leases == 0);
}

TEST_CASE("a user who was only ever dropped leaves nothing behind", "[cache]")
{
  scene<default_scene_cache> s(8, 8);
  s.hold({{1, 30}}).release();
  const cache_stats stats = s.cache.stats();
  CHECK(stats.users == 0);
  CHECK(stats.levels[0].resident_bytes == 0);
}

TEST_CASE("commit, but nothing to compute: no layer needs to be done", "[cache]")
{
  scene<default_scene_cache> s(8, 8);
  s.serve(1, 8);
  auto lease = s.hold({{1, 8}});
  lease.commit();
  lease.release();
  CHECK(s.cache.tracker().read().committed_tokens == 8);
}

// DESIGN section 5, point 3.
TEST_CASE("an erased user is gone for everybody else at once, and their memory at the release", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 12);
  auto lease = s.hold({{1, 16}});
  CHECK(s.cache.erase(user_id{1}));
  CHECK_FALSE(s.cache.erase(user_id{1}));
  CHECK(s.cache.stats().users == 0);
  CHECK(s.cache.stats().levels[0].resident_tokens == 0);
  CHECK(s.cache.stats().levels[0].resident_bytes == 4 * tiny_page_bytes);

  auto again = s.hold({{1, 16}});  // beside the old lease, in pages of its own
  CHECK(is(again.sources(0), 0, 0, 16));
  s.run_model(again);
  again.commit();
  again.release();

  s.run_model(lease);
  lease.commit();  // keeps nothing
  lease.release();
  CHECK(s.cache.stats().levels[0].resident_bytes == 4 * tiny_page_bytes);
  CHECK(s.cache.stats().levels[1].resident_bytes == 4 * tiny_page_bytes);
  CHECK(s.cache.tracker().read().committed_tokens == 12 + 16);
  CHECK(is(s.serve(1, 16), 16, 0, 0));
}

TEST_CASE("a user who is not held is erased from every tier", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 30);
  CHECK_FALSE(s.cache.erase(user_id{2}));
  CHECK(s.cache.erase(user_id{1}));
  const cache_stats stats = s.cache.stats();
  CHECK(stats.users == 0);
  CHECK(stats.levels[0].resident_bytes + stats.levels[1].resident_bytes == 0);
  CHECK(stats.levels[0].evicted_tokens + stats.levels[0].dropped_tokens == 0);  // nobody was under pressure
}

TEST_CASE("KV of an epoch that is over is never served, and its memory goes first", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 12);
  s.serve(2, 8);
  auto lease = s.hold({{1, 12}});
  CHECK(s.cache.stats().levels[0].stale_bytes == 0);
  s.epoch = epoch_id{5};
  s.cache.advance_epoch(s.epoch);
  CHECK(s.cache.epoch() == s.epoch);
  CHECK(s.cache.stats().epoch == s.epoch);
  CHECK(s.cache.tracker().read().epochs == 1);
  CHECK(s.cache.stats().users == 0);
  CHECK(s.cache.stats().levels[0].resident_tokens == 0);
  CHECK(s.cache.stats().levels[0].stale_bytes == 5 * tiny_page_bytes);
  CHECK(s.cache.stats().levels[1].stale_bytes == s.cache.stats().levels[1].resident_bytes);

  s.run_model(lease);
  lease.commit();
  CHECK(is(s.serve(3, 12), 0, 0, 12));
  CHECK(s.look(1, 12).in_slab.empty());
  CHECK(s.look(1, 12).fetched == 0);
  lease.release();

  const auto r = s.asks(4, 12);
  const batch_plan plan = s.cache.plan({&r, 1}).value();
  for (const victim_plan& v : plan.victims) CHECK(v.stale);
  CHECK(is(s.serve(4, 12), 0, 0, 12));
  CHECK(is(s.serve(3, 12), 12, 0, 0));
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
  CHECK(s.cache.stats().levels[0].stale_bytes == 2 * tiny_page_bytes);  // of user 2: there was room for the others
  CHECK(is(s.serve(5, 8), 0, 0, 8));
  CHECK(s.cache.stats().levels[0].stale_bytes == 0);
  CHECK(s.cache.stats().levels[1].stale_bytes == 0);  // who goes, goes from all levels
}

TEST_CASE("a prefetched user is a device hit", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  CHECK(s.cache.prefetch(s.asks(1, 20)).value().tokens == 0);  // nobody knows them
  s.serve(1, 20);
  CHECK(s.cache.prefetch(s.asks(1, 20)).value().tokens == 0);  // on the device already
  s.serve(2, 32);
  CHECK(s.cache.prefetch(s.asks(1, 20)).value().tokens == 20);
  CHECK(s.cache.tracker().read().onload_bytes[1] == 5 * tiny_page_bytes);
  CHECK(s.cache.stats().leases == 0);
  CHECK(is(s.serve(1, 22), 20, 0, 2));
  CHECK(s.cache.tracker().read().served_tokens[1] == 0);
}

TEST_CASE("a prefetch without a lower tier does nothing", "[cache]")
{
  scene<lone_scene_cache> s(8);
  s.serve(1, 20);
  CHECK(s.cache.prefetch(s.asks(1, 20)).value().tokens == 0);
}

TEST_CASE("a history that is shorter than what is cached is served from it and changes nothing", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 20);
  CHECK(is(s.serve(1, 6), 6, 0, 0));
  CHECK(is(s.serve(1, 0), 0, 0, 0));
  CHECK(is(s.serve(1, 20), 20, 0, 0));
}

TEST_CASE("a history that ends before what the device kept moves the device's interval", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 26);  // 7 pages
  s.serve(2, 24);  // 6 pages: five of user 1 go
  CHECK(s.look(1, 26).in_slab == token_interval{20, 26});
  CHECK(is(s.serve(1, 10), 0, 10, 0));
  CHECK(s.look(1, 26).in_slab == token_interval{0, 10});
  CHECK(is(s.serve(1, 26), 10, 16, 0));
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
}

TEST_CASE("what a user has beyond a shorter request makes room in the end", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(1, 32);                          // the whole device
  auto lease = s.hold({{1, 4}, {2, 28}});  // which fit together
  CHECK(is(lease.sources(0), 4, 0, 0));
  CHECK(is(lease.sources(1), 0, 0, 28));
  REQUIRE(lease.plan().victims.size() == 1);
  CHECK(lease.plan().victims[0].user == user_id{1});
  CHECK(lease.plan().victims[0].rear);
  CHECK(lease.plan().victims[0].pages == 7);
  lease.release();
  CHECK(is(s.serve(1, 32), 4, 28, 0));
}

TEST_CASE("leases of different users live side by side", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  auto first = s.hold({{1, 16}});
  auto second = s.hold({{2, 16}});
  CHECK(s.cache.stats().leases == 2);
  s.run_model(second);
  second.commit();
  second.release();
  s.run_model(first);
  first.commit();
  first.release();
  CHECK(is(s.serve(1, 16), 16, 0, 0));
  CHECK(is(s.serve(2, 16), 16, 0, 0));
}

TEST_CASE("a user under a lease is refused to a second one until the first is released", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(2, 4);
  auto first = s.hold({{1, 8}});
  auto second = s.cache.prepare(s.batch({{2, 4}, {1, 8}}), s.compute);
  REQUIRE_FALSE(second);
  CHECK(second.why().why == pressure::reason::user_held);
  CHECK(second.why().user == 1);
  CHECK(to_string(second.why()) == "user 1 is under another lease; release it first");
  CHECK_THROWS_AS(second.value(), pressure_error);
  CHECK(s.cache.tracker().read().pressure == 1);
  first.release();
  CHECK(s.cache.prepare(s.batch({{2, 4}, {1, 8}}), s.compute).has_value());
}

// DESIGN section 5, point 6.
TEST_CASE("pressure tells the pages, and a release relieves it", "[cache]")
{
  scene<default_scene_cache> s(8, 64);
  s.serve(2, 4);                   // 1 page that may go
  auto first = s.hold({{1, 20}});  // 5 pages
  auto second = s.cache.prepare(s.batch({{3, 16}}), s.compute);
  REQUIRE_FALSE(second);
  CHECK(second.why().why == pressure::reason::held);
  CHECK(second.why().pages_needed == 4);
  CHECK(second.why().pages_free == 2);
  CHECK(second.why().pages_evictable == 1);
  CHECK(second.why().pages_held == 5);
  CHECK(to_string(second.why()) == "4 pages are needed, but only 2 are free and 1 can be evicted; leases hold 5");
  CHECK(s.look(2, 4).in_slab.size() == 4);  // nobody was evicted in vain
  first.release();
  CHECK(s.cache.prepare(s.batch({{3, 16}}), s.compute).has_value());
}

// DESIGN section 5, point 2.
TEST_CASE("what both tiers lost is computed: a front and an end", "[cache]")
{
  scene<default_scene_cache> s(8, 6);
  s.serve(1, 24);  // fills the lower tier with a chunk and a half
  s.serve(2, 8);   // takes the room of the chunk
  CHECK(s.cache.stats().levels[1].evicted_tokens == 16);
  CHECK(s.cache.stats().levels[1].dropped_tokens == 0);  // the device has it
  s.hold({{3, 32}}).release();
  CHECK(s.cache.stats().levels[0].dropped_tokens == 16);  // now it has not
  auto lease = s.hold({{1, 28}});
  CHECK(is(lease.sources(0), 0, 8, 20));
  REQUIRE(lease.compute(0).size() == 2);
  CHECK((lease.compute(0)[0] == token_interval{0, 16}));
  CHECK((lease.compute(0)[1] == token_interval{24, 28}));
  s.run_model(lease);
  lease.commit();
  lease.release();
  CHECK(is(s.serve(1, 28), 28, 0, 0));
}

TEST_CASE("a gap between what the tiers hold is still the model's after a lease that was dropped", "[cache]")
{
  using kept_rear = kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<emulated_device, kvstrata::evict_front>,
                                                         kvstrata::pinned_arena<kvstrata::chunk_write_through>>,
                                    kvstrata::hybrid_layout, kvstrata::layerwise_transfer<kvstrata::coalesced_copy>,
                                    kvstrata::lru, kvstrata::counters>;
  scene<kept_rear> s(8, 16);
  s.serve(1, 24);  // 6 pages; one chunk, [0, 16), goes down
  s.serve(2, 28);  // 7 pages: user 1 keeps [20, 24), and [16, 20) is lost
  CHECK(s.cache.stats().levels[0].dropped_tokens == 4);
  s.cache.erase(kvstrata::user_id{2});
  for (int round = 0; round < 2; ++round) {
    const auto l = s.hold({{1, 24}});  // dropped without commit
    CHECK(is(l.sources(0), 4, 16, 4));
    REQUIRE(l.compute(0).size() == 1);
    CHECK(l.compute(0)[0] == kvstrata::token_interval{16, 20});
  }
  s.serve(1, 24);
  CHECK(is(s.serve(1, 24), 24, 0, 0));
}
