// What host streams must do on every device that has them; run by device_conformance.
#pragma once

#include "device/pattern.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/last_use.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace kvstrata_test {

/// `owner` holds a fresh device.
template <kvstrata::host_stream_device Device>
void host_stream_conformance(std::unique_ptr<Device>& owner)
{
  using namespace kvstrata;
  constexpr auto in = copy_direction::to_device;
  constexpr auto out = copy_direction::from_device;
  constexpr std::size_t bytes = 4096;
  Device& d = *owner;
  const bool streams_wait = std::string(d.why_no_host_waits()).empty();

  auto host = d.allocate_pinned(bytes, "host");
  auto back = d.allocate_pinned(bytes, "back");
  auto mem = d.allocate_device(bytes, "mem");
  const stream_id one = d.create_stream("one");
  const stream_id two = d.create_stream("two");
  const stream_id lane = d.create_host_stream("lane");
  const stream_id other = d.create_host_stream("other lane");

  SECTION("host streams: before any promise all has passed")
  {
    REQUIRE(lane != other);
    REQUIRE(lane != one);
    const event none = d.record(lane);
    REQUIRE((none == event{lane, 0}));
    REQUIRE(d.query(none));
    d.wait_sync(none);
    d.wait(one, none);
  }

  SECTION("host streams: a promise is a point of its own, and open until it is completed")
  {
    const event first = d.promise(lane, {});
    const event second = d.promise(lane, {});
    REQUIRE((first == event{lane, 1}));
    REQUIRE((second == event{lane, 2}));
    REQUIRE((d.record(lane) == second));
    REQUIRE_FALSE(d.query(first));
    d.complete(first);
    REQUIRE(d.query(first));
    REQUIRE_FALSE(d.query(second));
    d.complete(second);
    REQUIRE(d.query(second));
    d.wait_sync(second);
    drain_stream_sync(d, lane);
  }

  SECTION("host streams: points are completed in any order and pass in order, however many there are")
  {
    std::mt19937_64 random(7);
    std::vector<event> points;
    std::size_t passed = 0;
    for (std::size_t round = 0; round < 8; ++round) {
      const std::size_t first = points.size();
      for (std::size_t i = 0; i < 3 + 9 * round; ++i) points.push_back(d.promise(lane, {}));
      std::vector<std::size_t> order;
      for (std::size_t i = first; i < points.size(); ++i) order.push_back(i);
      std::shuffle(order.begin(), order.end(), random);
      std::vector<char> done(points.size(), 0);
      std::fill(done.begin(), done.begin() + static_cast<std::ptrdiff_t>(first), char{1});
      for (const std::size_t i : order) {
        d.complete(points[i]);
        done[i] = 1;
        while (passed < points.size() && done[passed] != 0) ++passed;
        for (std::size_t k = first; k < points.size(); ++k) REQUIRE(d.query(points[k]) == (k < passed));
      }
    }
    REQUIRE(passed == points.size());
  }

  SECTION("host streams: a late answer holds up its own stream alone")
  {
    const event late = d.promise(lane, {});
    const event behind = d.promise(lane, {});
    const event elsewhere = d.promise(other, {});
    d.complete(behind);
    d.complete(elsewhere);
    REQUIRE_FALSE(d.query(behind));
    REQUIRE(d.query(elsewhere));
    d.copy(one, in, mem.data(), host.data(), bytes);
    d.wait_sync(d.record(one));
    d.complete(late);
    REQUIRE(d.query(behind));
  }

  SECTION("host streams: fences hold their points like any other")
  {
    fence all;
    std::vector<stream_id> lanes;
    std::vector<event> points;
    for (std::size_t i = 0; i < 7; ++i) {
      lanes.push_back(d.create_host_stream("one of seven"));
      all.add(d.promise(lanes[i], {}));
      points.push_back(d.promise(lanes[i], {}));
      all.add(points[i]);
    }
    d.copy(one, in, mem.data(), host.data(), bytes);
    all.add(d.record(one));
    d.wait_sync(d.record(one));
    for (std::size_t i = 0; i < 7; ++i) {
      d.complete({lanes[i], 1});
      if (i % 2 == 0) d.complete(points[i]);
    }
    all.prune([&](event point) { return d.query(point); });
    std::vector<event> left(all.begin(), all.end());
    std::sort(left.begin(), left.end(), [](event a, event b) { return a.stream < b.stream; });
    REQUIRE((left == std::vector<event>{points[1], points[3], points[5]}));
    for (const std::size_t i : {1u, 3u, 5u}) d.complete(points[i]);
    wait_for_sync(d, all);
    wait_for(d, one, all);
    all.prune([&](event point) { return d.query(point); });
    REQUIRE(all.empty());
  }

  SECTION("host streams: points are completed by several threads, each once")
  {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 250;
    std::vector<event> points;
    for (std::size_t i = 0; i < threads * each; ++i) points.push_back(d.promise(lane, {}));
    std::vector<std::thread> crowd;
    for (std::size_t t = 0; t < threads; ++t) {
      crowd.emplace_back([&, t] {
        for (std::size_t i = 0; i < each; ++i) d.complete(points[i * threads + t]);
      });
    }
    for (std::thread& thread : crowd) thread.join();
    for (const event point : points) REQUIRE(d.query(point));
    d.wait_sync(points.back());
  }

  SECTION("host streams: what is never right is told, and changes nothing")
  {
    const event open = d.promise(lane, {});
    REQUIRE_THROWS_AS(d.promise(one, {}), usage_error);
    REQUIRE_THROWS_AS(d.promise(stream_id{200}, {}), usage_error);
    d.copy(one, in, mem.data(), host.data(), bytes);
    REQUIRE_THROWS_AS(d.complete(d.record(one)), usage_error);
    REQUIRE_THROWS_AS(d.complete(event{lane, 2}), usage_error);
    REQUIRE_THROWS_AS(d.complete(event{lane, 0}), usage_error);
    REQUIRE_THROWS_AS(d.complete(event{stream_id{200}, 0}), usage_error);
    REQUIRE_THROWS_AS(d.promise(lane, {.ready = event{other, 1}}), usage_error);
    REQUIRE_THROWS_AS(d.query(event{lane, 2}), usage_error);
    REQUIRE_THROWS_AS(d.wait(one, event{lane, 2}), usage_error);
    REQUIRE_THROWS_AS(d.wait(lane, d.record(one)), usage_error);
    REQUIRE_THROWS_AS(d.copy(lane, in, mem.data(), host.data(), bytes), usage_error);
    if constexpr (batches_copies<Device>) {
      const copy_piece piece{mem.data(), host.data(), 8};
      REQUIRE_THROWS_AS(d.copy_batch(lane, in, {&piece, 1}), usage_error);
    }
    REQUIRE((d.record(lane) == open));
    REQUIRE_FALSE(d.query(open));
    d.complete(open);
    REQUIRE_THROWS_AS(d.complete(open), usage_error);
    const event late = d.promise(lane, {});
    const event early = d.promise(lane, {});
    d.complete(early);
    REQUIRE_THROWS_AS(d.complete(early), usage_error);  // it has not passed, and yet
    d.complete(late);
    REQUIRE(d.query(early));
    d.wait_sync(d.record(one));
  }

  if (!streams_wait) {
    SECTION("host streams: where streams cannot wait, they do so for what has passed only")
    {
      const event open = d.promise(lane, {});
      REQUIRE_THROWS_AS(d.wait(one, open), usage_error);
      d.complete(open);
      d.wait(one, open);
      d.wait_sync(d.record(one));
    }
    return;
  }

  SECTION("host streams: work behind a wait sees what the host wrote before it completed the point")
  {
    for (unsigned round = 0; round < 20; ++round) {
      std::memset(host.data(), 0, bytes);
      const event got = d.promise(lane, {.label = "get"});
      d.wait(one, got);
      d.copy(one, in, mem.data(), host.data(), bytes);
      const event there = d.record(one);
      d.wait(two, there);
      d.copy(two, out, back.data(), mem.data(), bytes);
      const event all = d.record(two);
      REQUIRE_FALSE(d.query(there));
      REQUIRE_FALSE(d.query(all));
      write_pattern(host.data(), bytes, round);
      d.complete(got);
      d.wait_sync(all);
      REQUIRE(d.query(got));
      REQUIRE(has_pattern(back.data(), bytes, round));
    }
  }

  SECTION("host streams: a wait for a later point is one for those before it")
  {
    const event first = d.promise(lane, {});
    const event second = d.promise(lane, {});
    d.wait(one, second);
    d.copy(one, in, mem.data(), host.data(), bytes);
    const event behind = d.record(one);
    d.complete(second);
    REQUIRE_FALSE(d.query(behind));
    write_pattern(host.data(), bytes, 3);
    d.complete(first);
    d.copy(one, out, back.data(), mem.data(), bytes);
    d.wait_sync(d.record(one));
    REQUIRE(d.query(behind));
    REQUIRE(has_pattern(back.data(), bytes, 3));
  }

  SECTION("host streams: several streams wait for one point, one stream for several")
  {
    const event a = d.promise(lane, {});
    const event b = d.promise(other, {});
    fence both(a);
    both.add(b);
    std::vector<event> ends;
    for (const stream_id s : {one, two}) {
      wait_for(d, s, both);
      d.copy(s, in, mem.data() + (s == one ? 0 : bytes / 2), host.data() + (s == one ? 0 : bytes / 2), bytes / 2);
      ends.push_back(d.record(s));
    }
    d.complete(b);
    for (const event end : ends) REQUIRE_FALSE(d.query(end));
    write_pattern(host.data(), bytes, 5);
    d.complete(a);
    for (const event end : ends) d.wait_sync(end);
    d.copy(one, out, back.data(), mem.data(), bytes);
    d.wait_sync(d.record(one));
    REQUIRE(has_pattern(back.data(), bytes, 5));
  }

  SECTION("host streams: other streams go on beside one that waits for an answer")
  {
    const event never = d.promise(lane, {});
    d.wait(one, never);
    d.copy(one, in, mem.data(), host.data(), 64);
    for (unsigned round = 0; round < 4; ++round) {
      const event quick = d.promise(other, {});
      d.wait(two, quick);
      write_pattern(host.data() + 64, bytes - 64, round);
      d.copy(two, in, mem.data() + 64, host.data() + 64, bytes - 64);
      d.copy(two, out, back.data() + 64, mem.data() + 64, bytes - 64);
      d.complete(quick);
      d.wait_sync(d.record(two));
      REQUIRE(has_pattern(back.data() + 64, bytes - 64, round));
    }
    REQUIRE_FALSE(d.query(d.record(one)));
    d.complete(never);
    d.wait_sync(d.record(one));
  }

  SECTION("host streams: a device that is destroyed takes what is open for completed")
  {
    write_pattern(host.data(), bytes, 9);
    (void)d.promise(lane, {});
    d.wait(one, d.promise(lane, {}));
    d.copy(one, in, mem.data(), host.data(), bytes);
    d.wait(two, d.promise(other, {}));
    d.wait(two, d.record(one));
    d.copy(two, out, back.data(), mem.data(), bytes);
    owner.reset();
    REQUIRE(has_pattern(back.data(), bytes, 9));
  }
}

}  // namespace kvstrata_test
