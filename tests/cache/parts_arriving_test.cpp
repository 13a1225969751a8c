// A replace or read part that another lease computes: others wait for its commit, or compute their own, as they say.
#include "cache/parts_bed.hpp"
#include "support/allocation_count.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;
using namespace std::chrono_literals;

using arriving_bed = parts_bed<default_scene_cache>;

[[nodiscard]] part own(part p)
{
  p.if_computed_elsewhere = computed_elsewhere::compute_own;
  return p;
}

[[nodiscard]] std::set<page_id> pages_in(const arriving_bed::lease& l, std::size_t request = 0, std::size_t part = 0)
{
  const auto pages = l.view(part).pages(request);
  return {pages.begin(), pages.end()};
}

/// One that is turned away while `first` computes item 7.
struct item_scene : arriving_bed
{
  explicit item_scene(page_count slab = 30) : arriving_bed(slab, 40), first(hold(1, {reads(7, 8)})) {}

  void commit_first()
  {
    run_model(*first);
    first->commit();
  }
  /// Commits one that computes its own, with what stands on it.
  void finish(arriving_bed::lease& l)
  {
    run_model(l);
    l.finish();
  }

  std::optional<arriving_bed::lease> first;
};

TEST_CASE("parts: what another lease computes is waited for until it is committed, or will not be", "[cache][parts]")
{
  item_scene s;
  const auto second = s.prepare(2, {s.reads(7, 8), s.appends(2, 4)});
  REQUIRE(!second);
  const pressure why = second.why();
  CHECK((why.why == pressure::reason::arriving && comes_by_commit(why) && why.space == 3 && why.user == 7));
  CHECK(to_string(why) ==
        "sequence 7 of space 3 is being computed by another lease; call again when that is committed or released");
  CHECK(sentence_of<usage_error>([&] { static_cast<void>(arrival_of(why)); }) ==
        "arrival_of: " + to_string(why) +
            "; no device tells when that is: ask comes_by_commit first, and wait with wait_sync of the cache");
  CHECK(s.cache.stats().pressures(pressure::reason::arriving) == 1);
  CHECK(s.cache.stats().pressures(pressure::reason::user_held) == 0);
  CHECK_FALSE(s.cache.wait_sync(why, 0s));

  SECTION("committed")
  {
    s.commit_first();  // not released yet
    CHECK(s.cache.wait_sync(why, 0s));
    CHECK(s.serve(2, {s.reads(7, 8), s.appends(2, 4)}).from[0] == 8);
  }
  SECTION("dropped")
  {
    s.first.reset();
    CHECK(s.cache.wait_sync(why, 0s));
    CHECK(s.serve(2, {s.reads(7, 8)}).computed == 8);
  }
  SECTION("erased")
  {
    CHECK(s.cache.erase(sequence_key{3, 7}));
    CHECK(s.cache.wait_sync(why, 0s));
    CHECK(s.serve(2, {s.reads(7, 8)}).computed == 8);
    s.commit_first();  // of no use to anybody
    s.first.reset();
    CHECK(s.serve(2, {s.reads(7, 8)}).from[0] == 8);
  }
  SECTION("of an epoch that is over")
  {
    s.cache.advance_epoch(s.epoch = epoch_id{1});
    CHECK(s.cache.wait_sync(why, 0s));
    CHECK(s.serve(2, {s.reads(7, 8)}).computed == 8);
  }
}

TEST_CASE("parts: an append part under another lease is held, not computed for others", "[cache][parts]")
{
  arriving_bed b(30, 40);
  const auto first = b.hold(1, {b.reads(7, 8), b.appends(1, 4)});
  const pressure why = b.prepare(2, {own(b.reads(7, 8)), own(b.appends(1, 4))}).why();
  CHECK((why.why == pressure::reason::user_held && !comes_by_commit(why) && why.space == 2));
}

TEST_CASE("parts: who waits for what another lease computes is woken by all that ends it", "[cache][parts][threads]")
{
  for (int round = 0; round < 20 * effort; ++round) {
    emulated_device device;
    const stream_id compute = device.create_stream("compute");
    sharded<default_scene_cache> cache(device, tiny_config<default_scene_cache>(16, 64), 2);
    const std::vector<part> item{arriving_bed::reads(7, 8)};
    const auto asks = [&item](std::uint64_t epoch = 0) {
      return std::vector<request>{{.user = user_id{1}, .epoch = epoch_id{epoch}, .parts = item}};
    };
    std::uint64_t epoch = 0;
    std::atomic<int> woken{0};
    for (int end = 0; end < 4; ++end) {
      auto first = cache.prepare(asks(epoch), compute).value();
      const pressure why = cache.prepare(asks(epoch), compute).why();
      REQUIRE((comes_by_commit(why) && why.shard != pressure::no_shard));
      std::thread waiting([&] { woken += cache.wait_sync(why, 1h) ? 1 : 0; });
      if (round % 2 == 0) std::this_thread::yield();
      if (end == 0) {
        for (layer_index l = 0; l < tiny.layers; ++l) first.layer_done(l);
        first.commit();
        waiting.join();
        cache.prepare(asks(epoch), compute).value().release();  // it is there
        first.release();
        CHECK(cache.erase(sequence_key{3, 7}));
        continue;
      }
      if (end == 1) first.release();
      if (end == 2) static_cast<void>(cache.erase(sequence_key{3, 7}));
      if (end == 3) cache.advance_epoch(epoch_id{++epoch});
      waiting.join();
    }
    CHECK(woken == 4);
  }
}

TEST_CASE("parts: any number of leases compute their own of what another one computes", "[cache][parts]")
{
  item_scene s;
  const auto plan = s.cache.plan(std::vector{s.asks(2, std::vector{own(s.reads(7, 8))})});
  CHECK((plan.has_value() && plan->requests[0].own));
  auto second = s.hold(2, {own(s.reads(7, 8)), s.appends(2, 6)});
  auto third = s.hold(3, {own(s.reads(7, 8)), s.appends(3, 5)});
  CHECK_FALSE(s.first->plan().requests[0].own);
  std::set<page_id> all = pages_in(*s.first);
  for (const auto* const l : {&second, &third}) {
    CHECK(l->plan().requests[0].own);
    CHECK_FALSE(l->plan().requests[1].own);
    REQUIRE(l->compute(0).size() == 1);
    CHECK((l->compute(0)[0] == token_interval{0, 8}));
    CHECK(pages_in(*l).size() == 2);
    all.merge(pages_in(*l));
  }
  CHECK(all.size() == 6);
  CHECK(s.prepare(4, {s.reads(7, 8)}).why().by_commit);  // who does not say so waits all the same
  const auto check_end = [&s](token_count shared) {
    CHECK(s.cache.stats().forgotten.total() == 0);
    CHECK(s.cache.stats().superseded_versions == 0);
    CHECK(s.cache.stats().levels[0].resident_tokens == shared + 6 + 5);
    CHECK(s.cache.stats().levels[0].resident_bytes == (shared / 4 + 2 + 2) * tiny_page_bytes);
    CHECK(s.cache.stats().users == (shared == 0 ? 2 : 3));
    CHECK(s.cache.leases().empty());
    auto lease = s.hold(2, {s.reads(7, 8), s.appends(2, 7)});
    CHECK(lease.sources(0, 0).from[0] == shared);
    CHECK(lease.sources(0, 1).from[0] == 6);  // they stand on that version, whoever's it was
    lease.release();
    CHECK(s.hold(3, {s.reads(7, 8), s.appends(3, 5)}).sources(0, 1).from[0] == 5);
  };

  SECTION("the other's commit comes first")
  {
    s.commit_first();
    s.finish(second);
    s.first.reset();
    s.finish(third);
    check_end(8);
  }
  SECTION("it comes last")
  {
    s.finish(second);
    s.finish(third);
    s.commit_first();
    s.first.reset();
    check_end(8);
  }
  SECTION("it never comes: of the own ones nothing is kept")
  {
    s.finish(second);
    s.first.reset();
    s.finish(third);
    check_end(0);
  }
}

TEST_CASE("parts: of a batch all share the own one, and all must want it", "[cache][parts]")
{
  item_scene s;
  const std::vector<part> mine{own(s.reads(7, 8)), s.appends(2, 4)}, also_mine{own(s.reads(7, 8))},
      waits{s.reads(7, 8)};
  const std::vector<request> one_waits{s.asks(2, mine), s.asks(3, waits)},
      other_waits{s.asks(3, waits), s.asks(2, mine)};
  CHECK(comes_by_commit(s.cache.prepare(one_waits, s.compute).why()));
  CHECK(comes_by_commit(s.cache.prepare(other_waits, s.compute).why()));
  const std::vector<request> both{s.asks(2, mine), s.asks(3, also_mine)};
  auto lease = s.cache.prepare(both, s.compute).value();
  CHECK(pages_in(lease, 0) == pages_in(lease, 1));
  CHECK(lease.compute(0).size() == 1);
  CHECK(lease.compute(1).empty());
  CHECK((lease.plan().requests[lease.plan().row(0, 0)].own && lease.plan().requests[lease.plan().row(1, 0)].own));
  s.finish(lease);
  CHECK(s.cache.stats().users == 1);  // what is appended
}

TEST_CASE("parts: an own one holds its pages like any, and never goes down", "[cache][parts]")
{
  item_scene s(6);
  auto second = s.hold(2, {own(s.reads(7, 8))});
  const pressure why = s.prepare(3, {own(s.reads(7, 8)), s.scratch(4)}).why();
  CHECK((why.why == pressure::reason::held && why.pages_needed == 3 && why.pages_held == 4 && why.pages_free == 2));
  CHECK(s.cache.leases()[1].pages == 2);
  s.finish(second);
  CHECK(s.cache.wait_sync(why, 0s));
  s.hold(3, {own(s.reads(7, 8)), s.scratch(4)}).release();
  s.hold(4, {s.scratch(16)}).release();  // all but the first lease's
  CHECK(s.cache.stats().levels[0].evicted_tokens == 0);
  CHECK(s.cache.stats().levels[1].resident_tokens == 0);
  s.commit_first();
  s.first.reset();
  CHECK(s.serve(2, {own(s.reads(7, 8))}).from[0] == 8);  // where nobody computes it, it is as any
}

TEST_CASE("parts: an own one is of no epoch and no key that others know", "[cache][parts]")
{
  item_scene s;
  auto second = s.hold(2, {own(s.reads(7, 8)), s.appends(2, 6)});
  SECTION("erased, its key is computed anew by whoever comes")
  {
    CHECK(s.cache.erase(sequence_key{3, 7}));
    auto third = s.hold(3, {own(s.reads(7, 8))});
    CHECK_FALSE(third.plan().requests[0].own);
    s.finish(third);
    s.finish(second);
    s.commit_first();
    s.first.reset();
    CHECK(s.cache.stats().levels[0].resident_tokens == 8 + 6);
    CHECK(s.serve(4, {s.reads(7, 8)}).from[0] == 8);
  }
  SECTION("erased when nobody else computes it any more, there is nothing to forget")
  {
    s.first.reset();
    CHECK_FALSE(s.cache.erase(sequence_key{3, 7}));
    s.finish(second);
    CHECK(s.cache.stats().levels[0].resident_tokens == 6);
  }
  SECTION("the next epoch has another")
  {
    s.cache.advance_epoch(s.epoch = epoch_id{1});
    auto third = s.hold(3, {own(s.reads(7, 8))});
    CHECK_FALSE(third.plan().requests[0].own);
    auto fourth = s.hold(4, {own(s.reads(7, 8))});
    CHECK(fourth.plan().requests[0].own);
    s.finish(second);
    s.commit_first();
    s.finish(fourth);
    s.finish(third);
    CHECK(s.cache.stats().users == 1);
    CHECK(s.serve(5, {s.reads(7, 8)}).from[0] == 8);
  }
}

TEST_CASE("parts: an own one of another version than what is written leaves versions as they were", "[cache][parts]")
{
  arriving_bed b(40, 60);
  static_cast<void>(b.serve(1, {b.statics(1, 1, 8)}));
  auto second = b.hold(1, {b.statics(1, 2, 9)});
  auto third = b.hold(2, {own(b.statics(1, 3, 10)), b.appends(2, 5)});
  CHECK((third.plan().requests[0].own && third.sources(0).computed == 10));
  CHECK(b.hold(3, {own(b.statics(1, 1, 8))}).sources(0).from[0] == 8);  // what is there is read
  b.run_model(third);
  third.finish();
  CHECK(b.serve(3, {b.statics(1, 1, 8)}).from[0] == 8);
  b.run_model(second);
  second.finish();
  CHECK(b.cache.stats().superseded_versions == 8);
  CHECK(b.serve(3, {b.statics(1, 2, 9)}).from[0] == 9);
  CHECK(b.serve(2, {b.statics(1, 3, 10), b.appends(2, 5)}).computed == 10);
}

TEST_CASE("parts: where there is no memory for an own one, nothing has changed", "[cache][parts][failure]")
{
  unsigned failures = 0;
  for (std::size_t which = 1, more = 1; more != 0; ++which) {
    item_scene s;
    const std::vector<part> parts{own(s.reads(7, 8)), s.appends(2, 6)};
    const request r = s.asks(2, parts);
    const cache_stats before = s.cache.stats();
    try {
      const failing_allocation starving(which);
      auto lease = s.cache.prepare({&r, 1}, s.compute);
      more = 0;
    } catch (const std::bad_alloc&) {
      ++failures;
      CHECK(s.cache.stats().leases == 1);
      CHECK(s.cache.stats().users == before.users);
      CHECK(s.cache.stats().levels[0].resident_bytes == before.levels[0].resident_bytes);
    }
    auto second = s.hold(2, {own(s.reads(7, 8)), s.appends(2, 6)});
    s.finish(second);
    s.commit_first();
    s.first.reset();
    CHECK(s.serve(2, {s.reads(7, 8), s.appends(2, 6)}).from[0] == 8);
  }
  CHECK(failures > 0);
}

}  // namespace
