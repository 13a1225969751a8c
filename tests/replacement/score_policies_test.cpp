// Policies that score objects: LIRS, Window TinyLFU, Greedy-Dual-Size-Frequency, Belady. The conformance suite, what
// each promises of its order, and the same decisions, request for request, as their papers written down naively.
#include "replacement/naive_score_policies.hpp"
#include "replacement/replacement_conformance.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/gdsf.hpp>
#include <kvstrata/replacement/lirs.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/w_tiny_lfu.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <set>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;
using ids = std::vector<std::uint32_t>;
using key_list = std::vector<std::uint64_t>;

/// For the suite, which knows no future: an invented one.
class belady_of_somebody : belady
{
 public:
  using belady::hook, belady::remove, belady::victims;
  explicit belady_of_somebody(const tier_size& size) : belady(size) {}
  void insert(hook& object, const object_info& info) { belady::insert(object, with_future(info)); }
  void touch(hook& object, const object_info& info) { belady::touch(object, with_future(info)); }

 private:
  static object_info with_future(object_info info)
  {
    info.hint.next_request = to_number(info.user) * 7919 % 31;
    return info;
  }
};

/// Keys that mix what favours this and what favours that: some that are hot, loops, and new ones. All below `keys`.
[[nodiscard]] key_list mixed_keys(std::uint32_t seed, std::size_t requests, std::uint64_t keys)
{
  std::mt19937 random(seed);
  key_list out;
  std::uint64_t scan = 0;
  while (out.size() < requests) {
    switch (random() % 4) {
      case 0:
        for (std::uint64_t i = random() % keys; i != 0; --i) out.push_back(scan++ % keys);
        break;
      case 1:
        for (std::uint64_t i = 0; i < keys; ++i) out.push_back(i * i % (1 + keys / 3));
        break;
      default:
        for (std::uint64_t i = 0; i < keys; ++i) out.push_back(random() % keys * (random() % 8) / 8);
        break;
    }
  }
  return out;
}

/// Who hits, request for request, as by the naive policy. Hits at all, and not always.
template <class Policy, class Naive>
void decides_as(Naive naive, std::uint64_t capacity, const key_list& keys)
{
  object_cache<Policy> cache({.bytes = capacity, .objects = capacity});
  std::size_t hits = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool hit = cache.request(trace_access{.key = keys[i]}) == access_outcome::hit;
    if (hit != naive.request(keys[i])) FAIL("request " << i << " for key " << keys[i] << " is a hit for one of them");
    hits += hit ? 1U : 0U;
  }
  REQUIRE(hits > keys.size() / 100);
  REQUIRE(hits < keys.size());
}

}  // namespace

TEST_CASE("lirs: conformance") { replacement_conformance<lirs>(); }
TEST_CASE("lirs with more HIR: conformance") { replacement_conformance<basic_lirs<50>>(); }
TEST_CASE("w_tiny_lfu: conformance") { replacement_conformance<w_tiny_lfu>(); }
TEST_CASE("w_tiny_lfu with a large window: conformance") { replacement_conformance<basic_w_tiny_lfu<40, 50>>(); }
TEST_CASE("gdsf: conformance") { replacement_conformance<gdsf>(); }
TEST_CASE("belady: conformance") { replacement_conformance<belady_of_somebody>(); }

TEST_CASE("lirs decides as the stack of its paper")
{
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    for (const std::uint64_t capacity : {2U, 3U, 10U, 40U, 120U}) {
      CAPTURE(seed, capacity);
      // Twice as many keys as fit: so many ghosts fit into its memory.
      const key_list keys = mixed_keys(seed, 5000, 2 * capacity);
      decides_as<lirs>(naive_lirs(capacity, (std::max)(capacity / 100, std::uint64_t{1})), capacity, keys);
      decides_as<basic_lirs<30>>(naive_lirs(capacity, (std::max)(capacity * 30 / 100, std::uint64_t{1})), capacity,
                                 keys);
    }
  }
}

TEST_CASE("lirs: who comes back soon stays, who is used once goes first")
{
  replacement_rig<lirs> r(64, 10 * 1024);
  for (std::uint32_t id = 0; id < 64; ++id) r[id].info.bytes = 1024;
  for (std::uint32_t id = 0; id < 10; ++id) r.insert(id);
  REQUIRE(r.victims(10) == ids{9, 0, 1, 2, 3, 4, 5, 6, 7, 8});  // all but one are LIR
  r.touch(0);
  REQUIRE(r.victims(3) == ids{9, 1, 2});
  r.evict(9);
  r.insert(10);
  r.evict(10);
  r.insert(9);  // came back before LIR object 1 did, so that one gives its place up
  REQUIRE(r.victims(10) == ids{1, 2, 3, 4, 5, 6, 7, 8, 0, 9});
  r.touch(1);  // not used since it was demoted, and its last use was the oldest of all
  REQUIRE(r.victims(2) == ids{1, 2});
  r.touch(1);  // twice since LIR object 2 was used
  REQUIRE(r.victims(10) == ids{2, 3, 4, 5, 6, 7, 8, 0, 9, 1});
}

TEST_CASE("lirs remembers those that left while they would fit into the tier, and not who was erased")
{
  for (const std::uint32_t others : {3U, 9U, 10U, 11U, 40U}) {
    for (const bool erased : {false, true}) {
      CAPTURE(others, erased);
      replacement_rig<lirs> r(64, 10 * 1024);
      for (std::uint32_t id = 0; id < 64; ++id) r[id].info.bytes = 1024;
      for (std::uint32_t id = 0; id < 10; ++id) r.insert(id);
      erased ? r.remove(9) : r.evict(9);
      for (std::uint32_t id = 10; id < 10 + others; ++id) {
        r.insert(id);
        r.evict(id);
      }
      r.insert(9);
      const bool known = r.victims(1) != ids{9};  // LIR object 0 has made way for it
      REQUIRE(known == (!erased && others <= 10));
    }
  }
}

TEST_CASE("lirs comes close to the optimum on a loop that does not fit, where lru has no hits")
{
  object_cache<lirs> cache({.bytes = 100, .objects = 100});
  object_cache<lru> plain({.bytes = 100, .objects = 100});
  std::uint32_t hits = 0;
  for (std::uint64_t i = 0; i < 150 * 40; ++i) {
    hits += cache.request(trace_access{.key = i % 150}) == access_outcome::hit ? 1U : 0U;
    REQUIRE(plain.request(trace_access{.key = i % 150}) == access_outcome::admitted);
  }
  REQUIRE(hits >= 39 * 98);  // the optimum is at most 99 a round after the first
}

TEST_CASE("w_tiny_lfu decides as written down naively")
{
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    for (const std::uint64_t capacity : {1U, 2U, 7U, 100U, 250U}) {
      CAPTURE(seed, capacity);
      decides_as<w_tiny_lfu>(naive_w_tiny_lfu(capacity), capacity, mixed_keys(seed, 5000, 3 * capacity));
    }
  }
}

TEST_CASE("w_tiny_lfu: a newcomer goes unless it was asked for more often than whom it would push out")
{
  replacement_rig<basic_w_tiny_lfu<10, 50>> r(32, 10 * 1024);
  for (std::uint32_t id = 0; id < 32; ++id) r[id].info.bytes = 1024;
  for (std::uint32_t id = 0; id < 10; ++id) r.insert(id);
  REQUIRE(r.victims(10) == ids{9, 0, 1, 2, 3, 4, 5, 6, 7, 8});  // 9 is the window, and no better than 0
  r.touch(9);
  REQUIRE(r.victims(10) == ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  r.touch(0);
  r.touch(4);
  REQUIRE(r.victims(10) == ids{1, 2, 3, 5, 6, 7, 8, 0, 4, 9});  // 0 and 4 are protected
  for (std::uint32_t id = 5; id < 8; ++id) r.touch(id);         // there is room for four of them: 4.5 KiB
  REQUIRE(r.victims(10) == ids{1, 2, 3, 8, 0, 4, 5, 6, 7, 9});
}

TEST_CASE("w_tiny_lfu: nobody is judged while the window has room for the next one")
{
  replacement_rig<basic_w_tiny_lfu<10, 50>> r(32, 10 * 1024);
  for (std::uint32_t id = 0; id < 32; ++id) r[id].info.bytes = 512;
  for (std::uint32_t id = 0; id < 20; ++id) r.insert(id);
  REQUIRE(r.victims(3) == ids{18, 0, 1});  // the window has 18 and 19
  r.evict(18);
  REQUIRE(r.victims(2) == ids{0, 1});
  r[20].info.bytes = 1024;
  r.evict(0);
  r.insert(20);  // pushes 19 out, which is now the youngest on probation
  REQUIRE(r.victims(19) == ids{20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19});
}

TEST_CASE("w_tiny_lfu keeps who is asked for often through a scan, which lru does not")
{
  object_cache<w_tiny_lfu> cache({.bytes = 200, .objects = 200});
  object_cache<lru> plain({.bytes = 200, .objects = 200});
  std::uint64_t fresh = 1000;
  std::uint32_t hits = 0;
  std::uint32_t plain_hits = 0;
  for (int round = 0; round < 20; ++round) {
    for (std::uint64_t key = 0; key < 150; ++key) {
      hits += cache.request(trace_access{.key = key}) == access_outcome::hit ? 1U : 0U;
      plain_hits += plain.request(trace_access{.key = key}) == access_outcome::hit ? 1U : 0U;
    }
    for (int i = 0; i < 300; ++i, ++fresh) {
      REQUIRE(cache.request(trace_access{.key = fresh}) == access_outcome::admitted);
      REQUIRE(plain.request(trace_access{.key = fresh}) == access_outcome::admitted);
    }
  }
  REQUIRE(plain_hits == 0);
  REQUIRE(hits >= 150 * 15);
}

TEST_CASE("gdsf decides as its paper, with sizes and costs")
{
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    for (const std::uint64_t capacity : {16U, 64U, 1024U, 4096U}) {
      for (const bool costs : {false, true}) {
        CAPTURE(seed, capacity, costs);
        object_cache<gdsf, always, object_size::fixed> cache({.bytes = capacity, .objects = capacity});
        naive_gdsf naive(capacity);
        std::size_t i = 0;
        for (const std::uint64_t key : mixed_keys(seed, 4000, 300)) {
          const std::uint64_t bytes = std::uint64_t{1} << key % 5;  // powers of two: the arithmetic is exact
          const double cost = costs ? static_cast<double>(1 + key % 7) : 0;
          const object_info info{.user = user_id{key}, .bytes = bytes, .recompute_seconds = cost};
          const bool hit = cache.request(info) == access_outcome::hit;
          if (hit != naive.request(key, bytes, costs ? cost : 1)) FAIL("request " << i << " for key " << key);
          ++i;
        }
      }
    }
  }
}

TEST_CASE("gdsf: the small, the dear and the often used stay; the clock lets the others catch up")
{
  replacement_rig<gdsf> r(8);
  for (std::uint32_t id = 0; id < 8; ++id) r[id].info.bytes = 1024;
  r[1].info.bytes = 512;
  r[2].info.recompute_seconds = 3;
  for (std::uint32_t id = 0; id < 5; ++id) r.insert(id);
  r.touch(3);
  r.touch(3);
  r.touch(3);
  REQUIRE(r.victims(5) == ids{0, 4, 1, 2, 3});  // 1/1024, the same but later, 2/1024, 3/1024, 4/1024
  r.evict(0);
  r.evict(4);  // the clock is at 1/1024
  r.insert(5);
  r.insert(6);
  REQUIRE(r.victims(5) == ids{1, 5, 6, 2, 3});
  r[1].info.bytes = 256;  // lost a part: the clock and the count stay
  r.change(1);
  REQUIRE(r[1].info.bytes == 129);
  REQUIRE(r.victims(5) == ids{5, 6, 2, 3, 1});
  r[3].info.bytes = 64 * 1024;  // grew: five uses are worth less than nothing
  r.touch(3);
  REQUIRE(r.victims(1) == ids{3});
  r.remove(3);  // erased, which is no pressure: the clock stays
  r.insert(7);
  REQUIRE(r.victims(3) == ids{5, 6, 7});
}

TEST_CASE("belady: whoever is asked for latest goes first, and who never is before all")
{
  struct object : belady::hook
  {
  };
  std::vector<object> objects(5);
  belady policy;
  const auto told = [](std::uint64_t next) { return object_info{.hint = {.next_request = next}}; };
  const auto order = [&] {
    ids out;
    policy.victims([&](belady::hook& hook) {
      out.push_back(static_cast<std::uint32_t>(static_cast<object*>(&hook) - objects.data()));
      return true;
    });
    return out;
  };
  policy.insert(objects[0], told(20));
  policy.insert(objects[1], told(30));
  policy.insert(objects[2], told(reuse_hint::never));
  policy.insert(objects[3], told(30));
  REQUIRE(order() == ids{2, 1, 3, 0});
  policy.touch(objects[2], told(25));
  REQUIRE(order() == ids{1, 3, 2, 0});

  // Without a future it refuses, and nothing has changed.
  REQUIRE_THROWS_AS(policy.touch(objects[1], object_info{}), usage_error);
  REQUIRE_THROWS_AS(policy.insert(objects[4], object_info{}), usage_error);
  REQUIRE(order() == ids{1, 3, 2, 0});
  for (std::size_t i = 0; i < 4; ++i) policy.remove(objects[i]);
  REQUIRE(order().empty());
}

TEST_CASE("belady: nobody misses less, on random keys against all ways to replace")
{
  // The fewest misses that any choice of victims leads to, by trying all: states are sets of resident keys.
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const std::size_t capacity = 1 + seed % 4;
    key_list keys(60);
    for (std::uint64_t& key : keys) key = random() % 7;
    std::map<std::set<std::uint64_t>, std::uint32_t> states{{{}, 0}};
    for (const std::uint64_t key : keys) {
      std::map<std::set<std::uint64_t>, std::uint32_t> next;
      const auto reach = [&next](const std::set<std::uint64_t>& state, std::uint32_t misses) {
        const auto found = next.try_emplace(state, misses).first;
        found->second = (std::min)(found->second, misses);
      };
      for (const auto& [state, misses] : states) {
        std::set<std::uint64_t> with = state;
        if (!with.insert(key).second) reach(state, misses);
        else if (with.size() <= capacity) reach(with, misses + 1);
        else {
          for (const std::uint64_t victim : state) {
            std::set<std::uint64_t> without = with;
            without.erase(victim);
            reach(without, misses + 1);
          }
        }
      }
      states = std::move(next);
    }
    std::uint32_t fewest = ~0U;
    for (const auto& [state, misses] : states) fewest = (std::min)(fewest, misses);

    object_cache<belady> cache({.bytes = capacity, .objects = capacity});
    std::uint32_t misses = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto next = std::find(keys.begin() + static_cast<std::ptrdiff_t>(i) + 1, keys.end(), keys[i]);
      const std::uint64_t at = next == keys.end() ? reuse_hint::never : static_cast<std::uint64_t>(next - keys.begin());
      misses += cache.request({.key = keys[i], .next_request = at}) == access_outcome::hit ? 0U : 1U;
    }
    CAPTURE(seed, capacity);
    REQUIRE(misses == fewest);
  }
}
