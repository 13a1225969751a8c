// Compute streams stay apart: what one of them waits for is its own, or memory that changes hands. In virtual time, against
// the same story with the others idle.
#include "cache/streams_bed.hpp"

#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr double quick = 1e-4;  // a layer of B's
constexpr double slow = 100;    // of the others': none of these ends while B is looked at
constexpr double seconds_of_rounding = 1e-9;

template <class Cache>
[[nodiscard]] typename Cache::config with_sizes(page_count slab, page_count below)
{
  auto c = tiny_config<Cache>(slab, below, 4 * below);
  if constexpr (requires { c.layout.chunk; }) c.layout.chunk = tiny_chunk;
  return c;
}

struct story
{
  std::vector<double> seconds;  // of B's requests, one after the other
  std::uint64_t waited = 0;     // pages, for other streams
  std::uint64_t evicted = 0, fetched = 0;
};

/// B, on the first stream, serves who is in the slab, who is below, and who is new and needs room, again and again, while
/// each other stream computes a cold history: for ever, as far as B is concerned, or in no time. All else is the same.
template <class Server>
[[nodiscard]] story tell(Server& s, bool busy)
{
  constexpr token_count old_history = 48, history = 30;
  for (std::uint64_t user = 1; user <= 12; ++user) s.serve(0, user, old_history, quick);  // the first go down again
  for (std::uint64_t user = 21; user <= 24; ++user) s.serve(0, user, history, quick);
  s.cache.drain_sync();
  const auto before = s.cache.stats();
  for (std::size_t other = 1; other < s.streams.size(); ++other) {
    static_cast<void>(s.queue(other, 100 + other, 50, busy ? slow : 0));
    static_cast<void>(s.queue(other, 200 + other, 9, busy ? slow : 0));
  }
  if (busy) s.device.advance_host(slow / 10);  // what was evicted for them has gone down
  else s.cache.drain_sync();
  story out;
  token_count more = history;
  for (std::uint64_t round = 0; round < 3; ++round) {
    more += 5;
    for (std::uint64_t user = 21; user <= 24; ++user) out.seconds.push_back(s.serve(0, user, more, quick));
    out.seconds.push_back(s.serve(0, 1 + round, old_history + 2, quick));  // from below, if a policy brought them there
    out.seconds.push_back(s.serve(0, 31 + round, 40, quick));              // new
  }
  out.waited = s.waited_pages();
  const auto after = s.cache.stats();
  out.evicted = after.levels[0].evicted_tokens - before.levels[0].evicted_tokens;
  s.cache.drain_sync();
  return out;
}

/// B's times with the others busy are those with the others idle.
template <class Make>
void check_apart(Make&& make)
{
  auto idle_server = make();
  const story idle = tell(*idle_server, false);
  auto busy_server = make();
  const story busy = tell(*busy_server, true);
  REQUIRE(idle.seconds.size() == busy.seconds.size());
  for (std::size_t i = 0; i < idle.seconds.size(); ++i) {
    CAPTURE(i);
    CHECK(busy.seconds[i] <= idle.seconds[i] + seconds_of_rounding);
  }
  CHECK(idle.evicted != 0);
  CHECK(busy.waited == 0);
}

/// Every way of moving bytes and every write policy, with or without a bound, for so many streams.
template <class Cache, class Each>
void each_way(const typename Cache::config& c, Each&& each)
{
  for (const way w : {way::per_page, way::coalesced, way::batched, way::staged, way::kernel}) {
    for (const policy p : {policy::page, policy::token, policy::chunk, policy::back, policy::selective}) {
      for (const std::uint64_t bound : {std::uint64_t{0}, 8 * std::uint64_t{tiny_page_bytes}}) {
        INFO(way_names[static_cast<std::size_t>(w)] << ", " << policy_names[static_cast<std::size_t>(p)] << ", "
                                                    << (bound == 0 ? "no bound" : "bounded"));
        way_now = w;
        policy_now = p;
        auto with = c;
        if (bound != 0) with.writes.in_flight_bytes = bound;
        each(with);
      }
    }
  }
}

}  // namespace

TEST_CASE("a stream does not wait for another one's kernels, whatever moves bytes and comes down", "[cache][streams]")
{
  each_way<straight>(with_sizes<straight>(200, 800),
                     [](const auto& c) { check_apart([&] { return std::make_unique<server<straight>>(c, 2); }); });
}

TEST_CASE("nor do eight streams on one cache, nor three, with lanes for all", "[cache][streams]")
{
  way_now = way::batched;
  policy_now = policy::token;
  for (std::size_t streams = 2; streams <= 8; ++streams) {
    CAPTURE(streams);
    check_apart([&] {
      return std::make_unique<server<straight>>(with_sizes<straight>(static_cast<page_count>(174 + 16 * streams), 1200),
                                                streams);
    });
  }
}

TEST_CASE("nor where the onload lands in a window: what a lease of another stream reads there is left alone",
          "[cache][streams]")
{
  auto c = with_sizes<by_window>(200, 800);
  std::get<0>(c.tiers).window_bytes = 16 * tiny_page_bytes;
  each_way<by_window>(
      c, [](const auto& with) { check_apart([&] { return std::make_unique<server<by_window>>(with, 3); }); });
}

TEST_CASE("nor do demotions from memory to memory wait for another stream's kernels", "[cache][streams]")
{
  each_way<deep>(with_sizes<deep>(200, 170), [](const auto& c) {  // the arena is the smaller one: all goes further down
    check_apart([&] { return std::make_unique<server<deep>>(c, 2); });
  });
}

TEST_CASE("nor do the streams of a sharded cache", "[cache][streams][sharded]")
{
  using shards = sharded<straight>;
  each_way<straight>(with_sizes<straight>(240, 2400),
                     [](const auto& c) { check_apart([&] { return std::make_unique<server<shards>>(c, 3, 2U); }); });
}

TEST_CASE("prefetches and the cleaner keep clear of a stream that computes", "[cache][streams]")
{
  way_now = way::coalesced;
  policy_now = policy::back;
  server<straight> s(with_sizes<straight>(60, 800), 3);
  for (std::uint64_t user = 1; user <= 6; ++user) s.serve(0, user, 40, quick);  // the first went below
  s.cache.drain_sync();
  static_cast<void>(s.queue(1, 101, 20, slow));
  static_cast<void>(s.queue(2, 102, 20, slow));
  CHECK(s.cache.clean() != 0);  // what the others compute, too, once it is there
  const request ahead{.user = user_id{1}, .history_tokens = 40};
  CHECK(s.cache.prefetch(ahead).value().tokens != 0);
  s.cache.wait_arrived_sync(user_id{1});
  CHECK(s.serve(0, 6, 41, quick) < 1);
  CHECK(s.serve(0, 1, 41, quick) < 1);
  CHECK(s.device.now() < slow);
}

TEST_CASE("memory that changes hands is waited for, and counted", "[cache][streams]")
{
  way_now = way::batched;
  policy_now = policy::token;
  server<straight> s(with_sizes<straight>(20, 200), 2);
  s.serve(0, 1, 4, quick);
  static_cast<void>(s.queue(1, 2, 64, slow));  // 16 pages; 3 are free
  CHECK(s.serve(0, 3, 12, quick) < 1);
  CHECK(s.waited_pages() == 0);
  CHECK(s.serve(0, 4, 40, quick) > slow);
  CHECK(s.waited_pages() != 0);
  CHECK(s.cache.stats().levels[0].waited_pages == s.cache.tracker().read().waited_pages[0]);
  CHECK(s.cache.stats().levels[1].waited_pages == s.cache.tracker().read().waited_pages[1]);
  s.cache.drain_sync();
}

TEST_CASE("a user who goes from stream to stream is waited for, and is nobody's wait but theirs", "[cache][streams]")
{
  way_now = way::batched;
  policy_now = policy::token;
  server<straight> s(with_sizes<straight>(100, 400), 3);
  static_cast<void>(s.queue(1, 1, 40, slow));
  static_cast<void>(s.queue(2, 1, 41, quick));  // waits for stream 1, and its lane with it
  CHECK(s.serve(0, 2, 40, quick) < 1);
  CHECK(s.serve(0, 2, 41, quick) < 1);
  CHECK(s.serve(0, 1, 42, quick) > slow);
}

TEST_CASE("links are shared: another stream's copies take their time on them and no more", "[cache][streams]")
{
  way_now = way::batched;
  policy_now = policy::token;
  const auto serve_beside = [](double layer_seconds) {
    server<straight> s(with_sizes<straight>(200, 800), 2);
    s.serve(0, 1, 40, quick);
    s.serve(1, 2, 4, quick);
    s.cache.drain_sync();
    static_cast<void>(s.queue(1, 3, 160, layer_seconds));
    double longest = 0;
    for (token_count more = 1; more <= 40; ++more) longest = std::max(longest, s.serve(0, 1, 40 + more, quick));
    return longest;
  };
  const double page = tiny_page_bytes / busy_links().from_device.bytes_per_second;
  CHECK(serve_beside(1e-3) > serve_beside(slow));  // they meet
  CHECK(serve_beside(1e-3) < serve_beside(slow) + 40 * page + 1e-4);
}

// --- lanes ---

TEST_CASE("streams beyond the lanes share one, and wait for each other there", "[cache][streams]")
{
  way_now = way::batched;
  policy_now = policy::token;
  auto c = with_sizes<straight>(200, 800);
  c.copy_lanes = 1;
  server<straight> s(c, 2);
  s.serve(0, 1, 40, quick);
  static_cast<void>(s.queue(1, 2, 40, slow));
  CHECK(s.serve(0, 1, 41, quick) < 1);     // it waits for nothing yet
  CHECK(s.serve(0, 1, 42, quick) > slow);  // but what it wrote does
  c.copy_lanes = 0;
  emulated_device d;
  CHECK_THROWS_AS(straight(d, c), config_error);
}

TEST_CASE("a lane whose leases are over and whose work is done goes to the next stream", "[cache][streams]")
{
  way_now = way::staged;
  policy_now = policy::token;
  server<straight> s(with_sizes<straight>(200, 800), 40);
  const auto streams = [&] { return s.device.stats().streams.size(); };
  for (std::size_t i = 0; i < 20; ++i) {
    s.serve(i, 1, static_cast<token_count>(20 + i), quick);
    s.cache.drain_sync();
  }
  const std::size_t with_one = streams();
  for (std::size_t i = 20; i < 40; ++i) {
    s.serve(i, 1, static_cast<token_count>(20 + i), quick);
    s.cache.drain_sync();
  }
  CHECK(streams() == with_one);
  for (std::size_t i = 0; i < 40; ++i) static_cast<void>(s.queue(i, 2 + i, 8, slow));
  CHECK(streams() - 40 == (with_one - 40) * 16);  // as many lanes as there may be, and no more
  s.cache.drain_sync();
}

TEST_CASE("where the device has no memory for another lane, streams share", "[cache][streams]")
{
  way_now = way::staged;
  policy_now = policy::token;
  auto config = busy_links();
  config.device_bytes = 100 * tiny_page_bytes + 2 * (8 * tiny_piece) + 256;
  emulated_device d(config);
  straight cache(d, with_sizes<straight>(100, 400));
  const auto queue = [&](stream_id on, std::uint64_t user, double seconds) {
    const request one{.user = user_id{user}, .history_tokens = 20};
    auto lease = cache.prepare({&one, 1}, on).value();
    for (layer_index l = 0; l < tiny.layers; ++l) {
      lease.wait(l);
      d.launch(on, {.label = "layer", .seconds = seconds}, [] {});
      lease.layer_done(l);
    }
    lease.finish();
  };
  const stream_id a = d.create_stream("a"), b = d.create_stream("b");
  queue(a, 1, 1);
  queue(b, 2, quick);
  cache.drain_sync();
  CHECK(d.violations().empty());
}
