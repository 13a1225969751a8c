// Who may come in: each admission policy against what it promises, and the sketch that two of them count with.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/lru_k_admission.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/tiny_lfu.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>
#include <kvstrata/replacement/admission/write_rate.hpp>
#include <kvstrata/replacement/frequency_sketch.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::allocations;

[[nodiscard]] object_info of(std::uint64_t key, std::uint64_t bytes = 1, std::int64_t time_ms = 0)
{
  return {.user = user_id{key}, .bytes = bytes, .time_ms = time_ms};
}

/// Asks as caches do, with and without a victim, for objects of many keys and sizes. Allocates nothing.
template <admission_policy A>
void asks_without_allocating()
{
  A policy = make_admission<A>({.bytes = 4096, .objects = 64});
  std::mt19937 random(1);
  bool answers[2] = {false, false};
  const std::size_t before = allocations();
  for (int i = 0; i < 20000; ++i) {
    const object_info candidate = of(random() % 500, 1 + random() % 200, i);
    const object_info victim = of(random() % 500);
    notify_requested(policy, candidate);
    answers[policy.admits(candidate, random() % 2 == 0 ? &victim : nullptr) ? 1 : 0] = true;
  }
  REQUIRE(allocations() == before);
  REQUIRE((answers[0] && answers[1]));  // otherwise it decides nothing
}

struct three_a_second
{
  static constexpr write_rate_options options{.bytes_per_second = 3, .burst_seconds = 2};
};

}  // namespace

TEST_CASE("admission policies allocate when they are made, not when they are asked")
{
  asks_without_allocating<second_use>();
  asks_without_allocating<tiny_lfu>();
  asks_without_allocating<lru_k_admission<2>>();
  asks_without_allocating<lru_k_admission<5>>();
  asks_without_allocating<worth_writing>();
  asks_without_allocating<basic_write_rate<write_rate_options{.bytes_per_second = 50'000, .burst_seconds = 1}>>();
}

TEST_CASE("sketch: counts nobody too low, and few too high")
{
  constexpr std::uint64_t objects = 4096;
  frequency_sketch sketch({.bytes = objects, .objects = objects});
  std::mt19937_64 random(2);
  std::map<std::uint64_t, std::uint32_t> exact;
  for (int i = 0; i < 40000; ++i) {  // below ten times the objects: no halving
    const std::uint64_t key = random() % objects * (random() % 4) / 3 * 0x10001;
    sketch.add(key, 1);
    ++exact[key];
  }
  REQUIRE(sketch.halvings() == 0);
  std::size_t too_high = 0;
  for (const auto& [key, count] : exact) {
    const std::uint32_t told = sketch.frequency(key);
    REQUIRE(told >= (std::min)(count, frequency_sketch::most));
    REQUIRE(told <= frequency_sketch::most);
    too_high += told > count ? 1U : 0U;
  }
  REQUIRE(too_high < exact.size() / 50);
  std::size_t invented = 0;
  for (std::uint64_t key = 1; key <= 1000; ++key) invented += sketch.frequency(key << 40U) != 0 ? 1U : 0U;
  REQUIRE(invented < 20);
}

TEST_CASE("sketch: after ten times the tier's bytes all counts are halved")
{
  frequency_sketch sketch({.bytes = 100, .objects = 16});
  for (int i = 0; i < 9; ++i) sketch.add(1, 1);
  for (int i = 0; i < 3; ++i) sketch.add(2, 1);
  sketch.add(3, 987);
  REQUIRE(sketch.halvings() == 0);  // 999 bytes
  REQUIRE(sketch.frequency(1) == 9);
  sketch.add(3, 5000);
  REQUIRE(sketch.halvings() == 0);  // not before there were as many additions as there are words: 16
  sketch.add(3, 1);
  sketch.add(3, 1);
  REQUIRE(sketch.halvings() == 1);
  REQUIRE(sketch.frequency(1) == 4);
  REQUIRE(sketch.frequency(2) == 1);
  REQUIRE(sketch.frequency(3) == 2);
  for (int i = 0; i < 40; ++i) sketch.add(1, 1);
  REQUIRE(sketch.frequency(1) == frequency_sketch::most);
}

TEST_CASE("sketch: forgets as fast where a tier has room for many more objects than are in it")
{
  // 20,000 pages, 100 users of 200 pages each: 1,000 requests for users are ten tierfuls.
  frequency_sketch sketch({.bytes = 20'000, .objects = 20'000});
  for (int i = 0; i < 100'000; ++i) sketch.add(static_cast<std::uint64_t>(i) % 100, 200);
  REQUIRE(sketch.halvings() == 100'000 / 32'768);  // at most once in as many additions as there are words
  frequency_sketch small({.bytes = 20'000, .objects = 1'000});
  for (int i = 0; i < 100'000; ++i) small.add(static_cast<std::uint64_t>(i) % 100, 200);
  REQUIRE(small.halvings() == 100'000 / 1'024);
}

TEST_CASE("sketch: takes any size")
{
  constexpr std::uint64_t large = ~std::uint64_t{0};
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, large}) {
    frequency_sketch sketch({.bytes = bytes, .objects = 0});
    for (int i = 0; i < 100; ++i) sketch.add(5, large);
    REQUIRE(sketch.frequency(5) <= frequency_sketch::most);
    REQUIRE(sketch.frequency(5) >= 1);
  }
}

TEST_CASE("second_use: who was turned away not long ago comes in")
{
  struct seen
  {
    std::uint64_t key;
    std::uint64_t bytes;
  };
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const tier_size size{.bytes = 1000, .objects = seed % 2 == 0 ? 1000U : 20U};
    second_use policy(size);
    std::deque<seen> memory;  // oldest first
    std::uint32_t admitted = 0;
    for (int i = 0; i < 5000; ++i) {
      const std::uint64_t key = random() % (20 + 20 * seed);
      const std::uint64_t bytes = 1 + random() % 99;
      const auto found = std::find_if(memory.begin(), memory.end(), [key](const seen& s) { return s.key == key; });
      const bool known = found != memory.end();
      if (known) {
        memory.erase(found);
        ++admitted;
      } else {
        memory.push_back({key, bytes});
        const auto total = [&memory] {
          std::uint64_t sum = 0;
          for (const seen& s : memory) sum += s.bytes;
          return sum;
        };
        while (total() > size.bytes || memory.size() > size.objects) memory.pop_front();
      }
      REQUIRE(policy.admits(of(key, bytes), nullptr) == known);
    }
    REQUIRE(admitted > 100);
  }
}

TEST_CASE("second_use keeps what is asked for once out of a cache")
{
  object_cache<lru, second_use> cache({.bytes = 100, .objects = 100});
  for (std::uint64_t key = 0; key < 1000; ++key) {
    REQUIRE(cache.request(trace_access{.key = key}) == access_outcome::bypassed);
  }
  REQUIRE(cache.objects() == 0);
  REQUIRE(cache.request(trace_access{.key = 950}) == access_outcome::admitted);
  REQUIRE(cache.request(trace_access{.key = 950}) == access_outcome::hit);
  REQUIRE(cache.request(trace_access{.key = 800}) == access_outcome::bypassed);  // a tierful of others ago
}

TEST_CASE("tiny_lfu: more often than whom it would push out, or there is room")
{
  tiny_lfu policy({.bytes = 100, .objects = 100});
  const object_info a = of(1);
  const object_info b = of(2);
  REQUIRE(policy.admits(a, nullptr));
  REQUIRE_FALSE(policy.admits(a, &b));
  policy.requested(a);
  REQUIRE(policy.admits(a, &b));
  REQUIRE_FALSE(policy.admits(b, &a));
  policy.requested(b);
  REQUIRE_FALSE(policy.admits(a, &b));
  REQUIRE_FALSE(policy.admits(b, &a));
  policy.requested(b);
  REQUIRE(policy.admits(b, &a));
  REQUIRE(policy.admits(b, nullptr));
}

TEST_CASE("tiny_lfu lets no scan through lru")
{
  object_cache<lru, tiny_lfu> cache({.bytes = 100, .objects = 100});
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t key = 0; key < 100; ++key) static_cast<void>(cache.request(trace_access{.key = key}));
  }
  std::uint32_t through = 0;
  for (std::uint64_t key = 1000; key < 1600; ++key) {
    through += cache.request(trace_access{.key = key}) == access_outcome::admitted ? 1U : 0U;
  }
  REQUIRE(through < 6);  // the sketch may take a few for others
  std::uint32_t hits = 0;
  for (std::uint64_t key = 0; key < 100; ++key) {
    hits += cache.request(trace_access{.key = key}) == access_outcome::hit ? 1U : 0U;
  }
  REQUIRE(hits > 94);
}

TEST_CASE("write_rate: from any admission to any other no more than the rate, a bucket and one object; and no less")
{
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    const write_rate_options options{.bytes_per_second = std::uint64_t{1000} << seed, .burst_seconds = 1 + seed};
    write_rate policy({.bytes = 1, .objects = 1}, options);
    std::mt19937 random(seed);
    const std::uint64_t largest = std::uint64_t{500} << seed % 4 * 2;
    std::vector<std::pair<std::int64_t, std::uint64_t>> in;
    std::int64_t now = -5000;
    std::int64_t const begin = now;
    std::uint64_t total = 0;
    for (int i = 0; i < 3000; ++i) {
      now += random() % 7 == 0 ? 200 : 1;  // asks for more than the rate, in bursts
      const std::uint64_t bytes = 1 + random() % largest;
      if (!policy.admits(of(random(), bytes, now), nullptr)) continue;
      in.emplace_back(now, bytes);
      total += bytes;
    }
    REQUIRE(in.size() > 30);
    const auto bound = [&](std::int64_t ms) {
      return options.bytes_per_second * options.burst_seconds +
             options.bytes_per_second * static_cast<std::uint64_t>(ms) / 1000;
    };
    bool within = true;
    for (std::size_t first = 0; first < in.size(); ++first) {
      std::uint64_t sum = 0;
      for (std::size_t last = first; last < in.size(); ++last) {
        sum += in[last].second;
        within = within && sum <= bound(in[last].first - in[first].first) + largest;
      }
    }
    REQUIRE(within);
    REQUIRE(total * 10 >= (std::min)(bound(now - begin), std::uint64_t{3000} * largest / 2) * 9);
  }
}

TEST_CASE("write_rate: exact to the byte and the millisecond, on credit for the last one")
{
  write_rate policy({.bytes = 1, .objects = 1}, {.bytes_per_second = 1000, .burst_seconds = 2});
  const auto admits = [&policy](std::uint64_t bytes, std::int64_t ms) {
    return policy.admits(of(0, bytes, ms), nullptr);
  };
  REQUIRE(admits(1999, 1'000'000));
  REQUIRE(admits(501, 1'000'000));        // takes 500 on credit
  REQUIRE_FALSE(admits(1, 1'000'500));    // paid back, and nothing left
  REQUIRE(admits(1'000'000, 1'000'501));  // however large
  REQUIRE_FALSE(admits(1, 1'900'000));
  REQUIRE_FALSE(admits(1, 1'000'000));  // going back in time gains nothing
  REQUIRE_FALSE(admits(1, 2'000'500));
  REQUIRE(admits(1, 2'000'501));
  REQUIRE(admits(2000, 9'000'000));  // long silence: a bucket, not more
  REQUIRE_FALSE(admits(1, 9'000'000));
  REQUIRE(admits(1, 9'100'000));
  REQUIRE(admits(1, 9'000'000));  // going back loses nothing, either
}

TEST_CASE("write_rate: by default the tier is written once a day; options also stand in the type")
{
  constexpr std::uint64_t day = 24 * 60 * 60;
  write_rate policy({.bytes = day * 10, .objects = 1});  // 10 bytes a second
  std::uint64_t admitted = 0;
  for (std::int64_t second = 0; second < std::int64_t{day}; ++second) {
    admitted += policy.admits(of(0, 100, second * 1000), nullptr) ? 100U : 0U;
  }
  REQUIRE(admitted >= day * 10);
  REQUIRE(admitted <= day * 10 + 3600 * 10 + 100);

  basic_write_rate<three_a_second::options> typed({.bytes = 1, .objects = 1});
  std::uint32_t in = 0;
  for (int i = 0; i < 100; ++i) in += typed.admits(of(0, 1, 77), nullptr) ? 1U : 0U;
  REQUIRE(in == 6);

  REQUIRE_THROWS_AS(write_rate({.bytes = 1, .objects = 1}, {.bytes_per_second = 5, .burst_seconds = 0}), config_error);
}
