// When tokens go down, who goes first and how old they are, and what prefetches do: one story each, in virtual time.
#include "cache/scene.hpp"

#include <kvstrata/ahead/prefetcher.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

template <class Writes>
using writing = cache<tier_stack<device_slab<emulated_device>, pinned_arena<Writes>>, paged_layout,
                      layerwise_transfer<>, lru, counters>;

using by_page = writing<page_write_through>;
using by_token = writing<token_write_through>;
using at_eviction = writing<write_back>;
using second_time = writing<selective_write<2>>;

/// Four pages at a time.
struct granular_layout : paged_layout
{
  [[nodiscard]] constexpr token_count chunk_tokens() const noexcept { return 4 * page_tokens; }
  [[nodiscard]] constexpr page_count extent_pages(page_count, page_count wanted) const noexcept
  {
    return (wanted + 3) / 4 * 4;
  }
  [[nodiscard]] constexpr page_count granule_pages() const noexcept { return 4; }
  [[nodiscard]] constexpr token_count longest_history() const noexcept { return no_longest(4 * page_tokens); }
};
using by_granule = cache<tier_stack<device_slab<emulated_device>, pinned_arena<token_write_through>>, granular_layout,
                         layerwise_transfer<>, lru, counters>;

/// Throws when it is told to, once.
struct throws_once
{
  using option_kind = copy_engine_option;
  static inline bool armed = false;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction way) : copies_(d, way) {}
    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      if (std::exchange(armed, false)) throw 1;
      return copies_.copy(list, layer, after);
    }
    void drain_sync() noexcept { copies_.drain_sync(); }

   private:
    batched_copy<>::on<Device> copies_;
  };
};
using by_shaky_engine = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, paged_layout,
                              layerwise_transfer<offload_by<throws_once>>, lru, counters>;

/// A page takes a second on either link.
[[nodiscard]] emulated_device_config slow_links()
{
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = tiny_page_bytes},
          .from_device = {.bytes_per_second = tiny_page_bytes},
          .check_ordering = true,
          .trace = true};
}

template <class Cache>
[[nodiscard]] typename Cache::config with_limits(page_count device_pages, const write_limits& writes)
{
  auto c = tiny_config<Cache>(device_pages, 64);
  c.writes = writes;
  return c;
}

/// Tokens of a user that only the device has; the device must have no more than `device_pages` pages, and no lease.
template <class Scene>
[[nodiscard]] token_count dirty_of(Scene& s, unsigned user, page_count device_pages)
{
  const request all = s.asks(99, device_pages * tiny_page);
  const batch_plan plan = s.cache.plan({&all, 1}).value();
  for (const victim_plan& v : plan.victims) {
    if (v.user == user_id{user}) return v.dirty_tokens;
  }
  return 0;
}

}  // namespace

// --- write policies ---

TEST_CASE("write_back writes at eviction, and only then", "[cache][writes]")
{
  scene<at_eviction> s(8, 64);
  s.serve(1, 14);
  s.serve(1, 14);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 0);
  CHECK(s.cache.stats().dirty_tokens == 14);
  s.serve(2, 32);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 4 * tiny_page_bytes);
  CHECK(s.cache.stats().dirty_tokens == 32);
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
  CHECK(is(s.serve(1, 14), 0, 14, 0));
}

TEST_CASE("token_write_through leaves eviction nothing to write", "[cache][writes]")
{
  scene<by_token> s(8, 64);
  s.serve(1, 10);
  CHECK(s.cache.stats().dirty_tokens == 0);
  CHECK(s.cache.stats().levels[1].resident_tokens == 10);
  s.serve(1, 11);  // the last page travels again
  CHECK(s.cache.tracker().read().offload_bytes[1] == 4 * tiny_page_bytes);
  s.hold({{2, 32}}).release();
  CHECK(s.cache.tracker().read().offload_bytes[1] == 4 * tiny_page_bytes);
  CHECK(is(s.serve(1, 11), 0, 11, 0));
}

TEST_CASE("selective_write: who comes once is lost and counted, who comes twice is kept", "[cache][writes]")
{
  scene<second_time> s(8, 64);
  s.serve(1, 16);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 0);
  s.serve(2, 32);
  CHECK(s.cache.stats().levels[0].dropped_tokens == 16);
  s.serve(2, 32);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 8 * tiny_page_bytes);
  CHECK(is(s.serve(1, 16), 0, 0, 16));
  CHECK(is(s.serve(2, 32), 16, 16, 0));
  CHECK(s.cache.stats().levels[0].dropped_tokens == 16 + 16);
}

// --- the queue of writes ---

TEST_CASE("delayed writes keep their place, begin one after the other, and are all written", "[cache][writes]")
{
  scene<by_page> s(slow_links(), with_limits<by_page>(16, {.in_flight_bytes = 1}));
  for (const unsigned user : {1U, 2U, 3U}) s.serve(user, 8);
  CHECK(s.cache.stats().waiting_writes == 2);
  CHECK(s.cache.tracker().read().delayed_tokens == 16);
  s.serve(2, 12);  // has a place already
  CHECK(s.cache.stats().waiting_writes == 2);
  CHECK(s.cache.stats().levels[1].resident_tokens == 8);
  CHECK(dirty_of(s, 1, 16) == 0);
  s.cache.drain_sync();
  s.cache.clean(0);
  CHECK(s.cache.stats().waiting_writes == 1);
  CHECK(dirty_of(s, 2, 16) == 0);
  CHECK(dirty_of(s, 3, 16) == 8);
  s.serve(4, 4);  // the link has room again soon, but user 3 was first
  CHECK(s.cache.stats().waiting_writes == 2);
  s.cache.drain_sync();
  s.cache.clean(0);
  CHECK(dirty_of(s, 3, 16) == 0);
  CHECK(dirty_of(s, 4, 16) == 4);
  s.cache.drain_sync();
  s.cache.clean(0);
  CHECK(s.cache.stats().waiting_writes == 0);
  CHECK(s.cache.stats().dirty_tokens == 0);
  CHECK(s.cache.stats().levels[1].resident_tokens == 8 + 12 + 8 + 4);
}

TEST_CASE("writes that could not begin, as something threw, keep their places", "[cache][writes]")
{
  scene<by_shaky_engine> s(slow_links(), with_limits<by_shaky_engine>(16, {.in_flight_bytes = 1}));
  for (const unsigned user : {1U, 2U, 3U}) s.serve(user, 8);
  s.cache.drain_sync();
  throws_once::armed = true;
  CHECK_THROWS_AS(s.cache.clean(0), int);
  CHECK(s.cache.stats().waiting_writes == 2);
  CHECK(s.cache.stats().levels[1].resident_tokens == 8);
  s.serve(4, 4);  // goes behind them
  CHECK(s.cache.stats().waiting_writes == 2);
  CHECK(dirty_of(s, 2, 16) == 0);
  CHECK(dirty_of(s, 4, 16) == 4);
  for (int round = 0; round < 2; ++round) {
    s.cache.drain_sync();
    s.cache.clean(0);
  }
  CHECK(s.cache.stats().dirty_tokens == 0);
}

TEST_CASE("an eviction does not wait for its turn, and who is erased or outdated loses their place", "[cache][writes]")
{
  scene<by_page> s(slow_links(), with_limits<by_page>(8, {.in_flight_bytes = 1}));
  s.serve(1, 8);
  s.serve(2, 8);
  s.serve(3, 16);
  CHECK(s.cache.stats().waiting_writes == 2);
  s.serve(4, 16);  // users 1 and 2 go
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
  CHECK(is(s.serve(2, 8), 0, 8, 0));
  s.cache.erase(user_id{4});
  const std::uint64_t waited = s.cache.stats().waiting_writes;
  s.epoch = epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  CHECK(s.cache.stats().dirty_tokens == 0);
  const auto written = s.cache.tracker().read().offload_bytes[1];
  s.cache.drain_sync();
  s.cache.clean(0);
  CHECK(s.cache.stats().waiting_writes == 0);
  CHECK(waited <= 2);
  CHECK(s.cache.tracker().read().offload_bytes[1] == written);
}

// --- the cleaner ---

TEST_CASE("watermarks: the coldest are written down until little enough is dirty", "[cache][writes]")
{
  scene<at_eviction> s(slow_links(), with_limits<at_eviction>(16, {.clean_above = 0.5, .clean_below = 0.25}));
  s.serve(1, 16);
  s.serve(2, 16);
  CHECK(s.cache.stats().dirty_tokens == 32);  // half of the device: not above
  s.serve(3, 16);
  CHECK(s.cache.stats().dirty_tokens == 16);
  CHECK(s.cache.tracker().read().cleaned_tokens == 32);
  CHECK(dirty_of(s, 1, 16) == 0);
  CHECK(dirty_of(s, 2, 16) == 0);
  CHECK(dirty_of(s, 3, 16) == 16);
  CHECK(s.cache.stats().levels[0].evicted_tokens == 0);
}

TEST_CASE("watermarks: who is held is passed over", "[cache][writes]")
{
  scene<at_eviction> s(slow_links(), with_limits<at_eviction>(16, {.clean_above = 0.5, .clean_below = 0.5}));
  s.serve(1, 16);
  s.serve(2, 12);
  {
    const auto held = s.hold({{1, 16}});
    s.serve(3, 12);
    CHECK(s.cache.tracker().read().cleaned_tokens == 12);  // user 2
    CHECK(s.cache.stats().dirty_tokens == 16 + 12);
  }
  CHECK(dirty_of(s, 1, 16) == 16);
  CHECK(dirty_of(s, 2, 16) == 0);
}

TEST_CASE("watermarks: a commit warms, so another goes first", "[cache][writes]")
{
  scene<at_eviction> s(slow_links(), with_limits<at_eviction>(16, {.clean_above = 0.5, .clean_below = 0.5}));
  s.serve(1, 16);
  s.serve(2, 12);
  s.serve(1, 16);
  s.serve(3, 8);
  CHECK(dirty_of(s, 1, 16) == 16);
  CHECK(dirty_of(s, 2, 16) == 0);
}

TEST_CASE("clean flushes tails, the coldest first, within its budget", "[cache][writes]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 10);
  s.serve(2, 11);
  CHECK(s.cache.stats().dirty_tokens == 2 + 3);
  CHECK(s.cache.clean(1) == 2);  // whole users
  CHECK(s.cache.stats().dirty_tokens == 3);
  CHECK(dirty_of(s, 2, 8) == 3);
  {
    const auto held = s.hold({{2, 11}});
    CHECK(s.cache.clean() == 0);
  }
  CHECK(s.cache.clean() == 3);
  CHECK(s.cache.clean() == 0);
  const auto written = s.cache.tracker().read().offload_bytes[1];
  CHECK(written == 6 * tiny_page_bytes);
  s.hold({{3, 32}}).release();
  CHECK(s.cache.tracker().read().offload_bytes[1] == written);
  CHECK(s.cache.tracker().read().cleaned_tokens == 5);
  CHECK(is(s.serve(2, 11), 0, 11, 0));
}

// --- who goes, and when ---

TEST_CASE("what was given back is used before anybody is evicted", "[cache]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 16);
  s.serve(2, 16);
  s.cache.erase(user_id{1});
  s.serve(3, 16);
  CHECK(s.cache.stats().levels[0].evicted_tokens == 0);
  s.serve(4, 32);
  s.serve(4, 16);
  CHECK(s.cache.prefetch(s.asks(2, 16), {}).value().displaced_tokens == 16);
  CHECK(s.cache.undo_prefetch(user_id{2}) == 16);
  const auto evicted = s.cache.stats().levels[0].evicted_tokens;
  s.serve(5, 16);
  CHECK(s.cache.stats().levels[0].evicted_tokens == evicted);
}

TEST_CASE("ages are requests since the user's last one", "[cache][observe]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 8);
  s.serve(2, 8);
  s.serve(3, 8);
  s.serve(1, 8);  // after two others
  auto counted = s.cache.tracker().read();
  CHECK(counted.hit_ages[0].sum == 2);
  CHECK(counted.hit_ages[0].counts[log2_histogram::bucket_of(2)] == 1);
  s.serve(4, 24);  // user 2 goes, of two requests ago, and user 3, of one
  counted = s.cache.tracker().read();
  CHECK(counted.eviction_ages[0].sum == 2 + 1);
  CHECK(counted.eviction_ages[0].counts[log2_histogram::bucket_of(2)] == 1);
  CHECK(counted.eviction_ages[0].counts[log2_histogram::bucket_of(1)] == 1);
  CHECK(counted.hit_ages[1].sum == 0);
  s.serve(2, 8);  // comes up after three others
  counted = s.cache.tracker().read();
  CHECK(counted.hit_ages[1].sum == 3);
  CHECK(counted.hit_ages[0].sum == 2);
}

TEST_CASE("unread are the tokens that no request was served before they went", "[cache][observe]")
{
  scene<by_page> s(8, 64);
  const auto unread = [&] { return s.cache.tracker().read().unread_tokens[0]; };
  const auto push_out = [&] { s.hold({{9, 32}}).release(); };
  s.serve(1, 8);
  push_out();
  CHECK(unread() == 8);  // computed, and gone
  s.serve(1, 8);         // came up, and was served
  push_out();
  CHECK(unread() == 8);
  s.serve(1, 8);
  s.serve(1, 12);
  push_out();
  CHECK(unread() == 8 + 4);
  static_cast<void>(s.cache.prefetch(s.asks(1, 12), {}));
  push_out();
  CHECK(unread() == 8 + 4 + 12);
  static_cast<void>(s.cache.prefetch(s.asks(1, 12), {}));
  s.serve(1, 8);  // less than was brought up
  push_out();
  CHECK(unread() == 8 + 4 + 12 + 4);
}

TEST_CASE("unread: a shorter request adds to what was read", "[cache][observe]")
{
  scene<lone_scene_cache> s(8);
  s.serve(1, 32);
  s.serve(1, 32);
  s.serve(1, 8);
  s.serve(2, 32);
  CHECK(s.cache.tracker().read().evicted_tokens[0] == 32);
  CHECK(s.cache.tracker().read().unread_tokens[0] == 0);
}

TEST_CASE("unread is exact, whatever lengths are asked for and whoever goes", "[cache][observe]")
{
  constexpr token_count longest = 32;
  struct token
  {
    bool here = false;
    bool served = false;
  };
  std::map<unsigned, std::array<token, longest>> users;
  scene<lone_scene_cache> s(longest / tiny_page);
  random_source random(7);
  std::uint64_t unread = 0;
  std::uint64_t behind = 0;  // tokens that were read before, behind those asked for
  for (int step = 0; step < 3000; ++step) {
    const unsigned user = random.below(4);
    const request asked = s.asks(user, 1 + random.below(random.below(3) == 0 ? longest : 12));
    const batch_plan plan = s.cache.plan({&asked, 1}).value();
    for (const victim_plan& v : plan.victims) {
      auto& theirs = users[static_cast<unsigned>(to_number(v.user))];
      token_count left = v.tokens;
      for (token_count i = 0; i < longest && left != 0; ++i) {
        token& t = theirs[v.rear ? longest - 1 - i : i];
        if (!t.here) continue;
        --left;
        if (!t.served) ++unread;
        t = {};
      }
    }
    auto& mine = users[user];
    const token_interval hit = plan.requests[0].in_slab;
    for (token_count i = hit.begin; i < hit.end; ++i) mine[i].served = true;
    for (const token_interval piece : plan.compute_of(0)) {
      for (token_count i = piece.begin; i < piece.end; ++i) mine[i] = {.here = true};
    }
    for (token_count i = hit.end; i < longest; ++i) behind += mine[i].served ? 1U : 0U;
    s.serve(user, asked.history_tokens);
    REQUIRE(s.cache.tracker().read().unread_tokens[0] == unread);
  }
  CHECK(unread > 1000);
  CHECK(behind > 1000);
}

TEST_CASE("served_tokens: exact up to four stretches, then the closest become one", "[cache][observe]")
{
  served_tokens read;
  for (const token_count begin : {40U, 0U, 20U, 30U}) read.add({begin, begin + 4});
  CHECK(read.among({0, 100}) == 16);
  CHECK(read.among({2, 22}) == 4);
  read.add({30, 34});
  CHECK(read.among({0, 100}) == 16);
  read.add({10, 12});  // closest to {4} and {20} by 6 and 8; {24, 30} and {34, 40} lie 6 apart, too: the first goes
  CHECK(read.among({0, 100}) == 18 + 6);
  CHECK(read.among({4, 10}) == 6);
  read.keep({8, 42});
  CHECK(read.among({0, 100}) == 4 + 4 + 4 + 2);
  read.add({11, 40});
  CHECK(read.among({0, 100}) == 42 - 8);
  read.clear();
  CHECK(read.among({0, 100}) == 0);
}

TEST_CASE("unread in the lower tier: what the device served between was not read from it", "[cache][observe]")
{
  scene<by_page> s(8, 8);
  s.serve(1, 32);
  s.hold({{9, 32}}).release();  // off the device
  CHECK(s.cache.prefetch(s.asks(1, 16), {.pages = 2}).value().tokens == 8);
  CHECK(is(s.serve(1, 16), 8, 8, 0));
  CHECK(is(s.serve(1, 32), 16, 16, 0));
  s.serve(2, 32);
  CHECK(s.cache.tracker().read().evicted_tokens[1] == 32);
  CHECK(s.cache.tracker().read().unread_tokens[1] == 8);
}

TEST_CASE("unread in the lower tier: never brought up", "[cache][observe]")
{
  scene<by_page> s(8, 8);
  s.serve(1, 16);
  s.serve(2, 32);  // pushes user 1 down, and out of the lower tier
  auto counted = s.cache.tracker().read();
  CHECK(counted.evicted_tokens[1] == 16);
  CHECK(counted.unread_tokens[1] == 16);
}

// --- prefetches ---

TEST_CASE("a prefetch keeps its limit where pages are taken in granules", "[cache][prefetch]")
{
  for (const token_count history : {80U, 66U, 17U}) {
    for (const token_count others : {96U, 40U}) {      // what pushes the user off the device: all of them, or the front
      for (const token_count front : {0U, 6U, 20U}) {  // what a request brings up again, when all had gone
        for (page_count limit = 0; limit < 12; ++limit) {
          if (front != 0 && others != 96) continue;
          CAPTURE(history, others, front, limit);
          scene<by_granule> s(24, 96);
          s.serve(1, history);
          s.hold({{9, others}}).release();
          if (front != 0) s.serve(1, std::min(front, history));
          const token_count had = s.look(1, history).in_slab.size();
          token_count came = 0;
          prefetch_outcome got;
          do {
            const auto used = s.cache.stats().levels[0].resident_bytes;
            got = s.cache.prefetch(s.asks(1, history), {.pages = limit}).value();
            came += got.tokens;
            REQUIRE(got.pages <= limit);
            REQUIRE(got.left == history - had - came);
            REQUIRE(s.cache.stats().levels[0].resident_bytes - used == got.pages * tiny_page_bytes);
          } while (got.tokens != 0);
          if (limit >= 4) REQUIRE(got.left == 0);
          else if (others == 96) REQUIRE(had + came == std::min((front + 15) / 16 * 16, history));  // what it fills
        }
      }
    }
  }
}

TEST_CASE("a prefetcher keeps its budget where pages are taken in granules", "[cache][prefetch]")
{
  for (page_count budget = 4; budget <= 12; ++budget) {
    CAPTURE(budget);
    scene<by_granule> s(24, 96);
    s.serve(1, 80);
    s.hold({{9, 96}}).release();
    prefetcher<by_granule> ahead(s.cache, {.budget_pages = budget, .step_pages = budget});
    ahead.launch(s.asks(1, 80));
    ahead.poll(0);
    CHECK(ahead.held_pages() == budget / 4 * 4);
    CHECK(s.look(1, 80).in_slab == token_interval{80 - budget / 4 * 16, 80});
  }
}

TEST_CASE("users of an older epoch do not count as displaced", "[cache][prefetch]")
{
  scene<by_token> s(8, 64);
  s.serve(4, 16);
  auto held = s.hold({{4, 16}});
  s.epoch = epoch_id{1};
  s.cache.advance_epoch(s.epoch);
  s.serve(1, 16);
  s.hold({{9, 16}}).release();  // user 1 goes down: the other four pages are held
  held.release();
  s.serve(2, 16);
  const auto got = s.cache.prefetch(s.asks(1, 16), {}).value();
  CHECK(got.tokens == 16);
  CHECK(got.displaced_pages == 0);
  CHECK(got.displaced_tokens == 0);
  CHECK(s.cache.tracker().read().displaced_tokens == 0);
  CHECK(s.look(2, 16).in_slab == token_interval{0, 16});
}

TEST_CASE("a prefetch just before its request does not cost the overlap by layers", "[cache][prefetch]")
{
  scene<by_page> s(slow_links(), tiny_config<by_page>(8, 64));
  s.serve(1, 24);
  s.serve(2, 32);
  s.cache.drain_sync();
  s.device.clear_trace();
  CHECK(s.cache.prefetch(s.asks(1, 24), {}).value().tokens == 24);
  CHECK_FALSE(s.cache.arrived(user_id{1}));
  CHECK(is(s.serve(1, 26), 24, 0, 2));
  s.device.wait_sync(s.device.record(s.compute));
  CHECK(s.cache.arrived(user_id{1}));
  std::vector<double> arrived, begun;
  for (const op_span& span : s.device.trace()) {
    if (span.kind == operation_kind::copy_to_device) arrived.push_back(span.end);
    if (span.kind == operation_kind::kernel) begun.push_back(span.begin);
  }
  REQUIRE(arrived.size() == 6 * tiny.layers);
  REQUIRE(begun.size() == tiny.layers);
  for (std::size_t l = 0; l < tiny.layers; ++l) CHECK(begun[l] == Approx(arrived[6 * l + 5]));
  CHECK(s.cache.tracker().read().saved_tokens == 24);
}

TEST_CASE("a prefetch brings the rear first, within its limit of pages", "[cache][prefetch]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 24);
  s.hold({{2, 32}}).release();
  const auto first = s.cache.prefetch(s.asks(1, 24), {.pages = 2}).value();
  CHECK(first.tokens == 8);
  CHECK(first.pages == 2);
  CHECK(first.left == 16);
  CHECK(s.look(1, 24).in_slab == token_interval{16, 24});
  CHECK(s.cache.prefetch(s.asks(1, 24), {.pages = 0}).value().tokens == 0);
  const auto second = s.cache.prefetch(s.asks(1, 24), {.pages = 3}).value();
  CHECK(second.tokens == 12);
  CHECK(second.left == 4);
  CHECK(s.look(1, 24).in_slab == token_interval{4, 24});
  CHECK(s.cache.undo_prefetch(user_id{1}) == 20);  // both: no request has read any
  CHECK(s.look(1, 24).in_slab.empty());
  CHECK(s.look(1, 24).fetched == 24);
}

TEST_CASE("a prefetch displaces no more than its limit", "[cache][prefetch]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 24);
  s.serve(2, 32);  // the whole device
  CHECK(s.cache.prefetch(s.asks(1, 24), {.displaced_pages = 0}).value().tokens == 0);
  const auto some = s.cache.prefetch(s.asks(1, 24), {.displaced_pages = 2}).value();
  CHECK(some.tokens == 8);
  CHECK(some.displaced_tokens == 8);
  CHECK(s.look(2, 32).in_slab == token_interval{8, 32});
  CHECK(s.cache.tracker().read().displaced_tokens == 8);
}

TEST_CASE("where victims go whole, a prefetch that would displace more than its limit does not", "[cache][prefetch]")
{
  scene<paper_scene_cache> s(8, 64);
  s.serve(1, 16);
  s.serve(2, 28);  // pushes user 1 down; a page is free
  const auto got = s.cache.prefetch(s.asks(1, 16), {.displaced_pages = 3}).value();
  CHECK(got.tokens == 4);  // into the free page
  CHECK(got.displaced_tokens == 0);
  CHECK(s.look(2, 28).in_slab.size() == 28);
}

TEST_CASE("what a request has read is not taken back", "[cache][prefetch]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 20);
  s.serve(2, 28);  // user 1 keeps [16, 20)
  CHECK(s.cache.prefetch(s.asks(1, 20), {}).value().tokens == 16);
  {
    const auto held = s.hold({{3, 4}});
    CHECK(s.cache.undo_prefetch(user_id{1}) == 16);
    CHECK(s.look(1, 20).in_slab == token_interval{16, 20});
  }
  CHECK(s.cache.prefetch(s.asks(1, 20), {}).value().tokens == 16);
  s.serve(1, 20);
  CHECK(s.cache.undo_prefetch(user_id{1}) == 0);
  CHECK(s.look(1, 20).in_slab.size() == 20);
  CHECK(s.cache.undo_prefetch(user_id{77}) == 0);
}

TEST_CASE("a user who is erased while a prefetch is under way", "[cache][prefetch]")
{
  scene<by_page> s(slow_links(), tiny_config<by_page>(8, 64));
  s.serve(1, 24);
  s.serve(2, 32);
  CHECK(s.cache.prefetch(s.asks(1, 24), {}).value().tokens == 24);
  CHECK(s.cache.erase(user_id{1}));
  CHECK(s.cache.arrived(user_id{1}));  // there is nothing to come
  CHECK(s.cache.undo_prefetch(user_id{1}) == 0);
  CHECK(s.cache.prefetch(s.asks(1, 24), {}).value().tokens == 0);
  CHECK(is(s.serve(1, 24), 0, 0, 24));  // into pages that the copies still write: the checker sees that it waits
  s.cache.drain_sync();
}

TEST_CASE("a user under a lease is not prefetched", "[cache][prefetch]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 24);
  s.serve(2, 32);
  const auto held = s.hold({{1, 12}});
  const auto turned_away = s.cache.prefetch(s.asks(1, 24), {});
  REQUIRE_FALSE(turned_away);
  CHECK(turned_away.why().why == pressure::reason::user_held);
}

TEST_CASE("what was there before a prefetch, and went meanwhile, is prefetched when it comes again",
          "[cache][prefetch]")
{
  scene<by_page> s(8, 64);
  s.serve(1, 20);
  s.serve(2, 24);  // user 1 keeps [12, 20)
  CHECK(s.cache.prefetch(s.asks(1, 20), {}).value().tokens == 12);
  s.serve(3, 28);  // and now [16, 20)
  s.cache.erase(user_id{3});
  CHECK(s.cache.prefetch(s.asks(1, 20), {}).value().tokens == 16);
  CHECK(s.cache.undo_prefetch(user_id{1}) == 16);
  CHECK(s.look(1, 20).in_slab == token_interval{16, 20});
  CHECK(s.cache.prefetch(s.asks(1, 20), {}).value().tokens == 16);
  s.serve(1, 20);
  CHECK(s.cache.tracker().read().saved_tokens == 16);
}
