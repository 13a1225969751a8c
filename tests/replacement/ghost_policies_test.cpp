// Policies that remember who left: conformance, the papers' algorithms written again without cleverness, and what is
// remembered and what is not.
#include "replacement/naive_ghost_policies.hpp"
#include "replacement/replacement_conformance.hpp"
#include "support/catch.hpp"

#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/ghost_list.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>
#include <kvstrata/replacement/two_q.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <algorithm>
#include <cstdint>
#include <list>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;
using ids = std::vector<std::uint32_t>;

/// Keys of which the smaller are asked for more often, with phases in which others are popular, and now and then a scan
/// of new ones.
std::vector<std::uint64_t> mixed_keys(std::uint32_t seed, std::size_t count, std::uint64_t keys)
{
  std::mt19937 random(seed);
  std::vector<std::uint64_t> out;
  std::uint64_t fresh = 1'000'000;
  while (out.size() < count) {
    const std::uint64_t phase = out.size() / 700 * 17;
    if (random() % 400 == 0) {
      for (int i = 0; i < 60; ++i) out.push_back(fresh++);
    }
    const std::uint64_t popular = random() % keys * (random() % keys) / keys;
    out.push_back((popular + phase) % keys);
  }
  return out;
}

/// The same hits, request by request, as the naive cache.
template <class Policy, class Naive, object_size Size>
void hits_like(std::uint64_t capacity, std::uint64_t largest)
{
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    CAPTURE(capacity, largest, seed);
    object_cache<Policy, always, Size> real({.bytes = capacity, .objects = capacity});
    Naive naive;
    naive.capacity = capacity;
    std::uint64_t hits = 0;
    std::size_t wrong = 0;
    const auto keys = mixed_keys(seed, 3000, 150);
    for (const std::uint64_t key : keys) {
      const std::uint64_t bytes = 1 + key * 7 % largest;
      const bool hit = real.request(trace_access{.key = key, .bytes = bytes}) == access_outcome::hit;
      if (naive.request(key, bytes) != hit) ++wrong;
      if (hit) ++hits;
    }
    REQUIRE(wrong == 0);
    REQUIRE(real.used_bytes() == naive.resident());
    REQUIRE((capacity < 10 || hits > keys.size() / 50));
  }
}

template <class Policy, class Naive>
void hits_like()
{
  for (const std::uint64_t capacity : {1U, 2U, 7U, 30U, 64U, 100U}) {
    hits_like<Policy, Naive, object_size::unit>(capacity, 1);
  }
  for (const std::uint64_t capacity : {40U, 333U, 1000U}) hits_like<Policy, Naive, object_size::fixed>(capacity, 23);
}

/// Whom the policy would let go, in order, when 0 came first and left, 1 to 15 came, 0 came back, and 16 to 19 came.
/// All have one byte, in a tier of 20.
template <class Policy>
ids order_after_return(bool is_evicted)
{
  replacement_rig<Policy> rig(40, 20);
  for (std::uint32_t id = 0; id < 20; ++id) rig[id].info.bytes = 1;
  rig.insert(0);
  for (std::uint32_t id = 1; id < 10; ++id) rig.insert(id);
  if (is_evicted) rig.evict(0);
  else rig.remove(0);
  for (std::uint32_t id = 10; id < 16; ++id) rig.insert(id);
  rig.insert(0);
  for (std::uint32_t id = 16; id < 20; ++id) rig.insert(id);
  return rig.victims(~0U);
}

/// 1 to 19, with 0 after `before` of them.
ids with_zero_after(std::uint32_t before)
{
  ids out;
  for (std::uint32_t id = 1; id <= before; ++id) out.push_back(id);
  out.push_back(0);
  for (std::uint32_t id = before + 1; id < 20; ++id) out.push_back(id);
  return out;
}

/// How many of 40 objects that came and were evicted one after the other are remembered: those that come back go after
/// others that are new.
template <class Policy>
std::uint32_t remembered(std::uint64_t bytes_each, const tier_size& size)
{
  struct object : Policy::hook
  {
    object_info info;
  };
  std::uint32_t count = 0;
  for (std::uint32_t probe = 0; probe < 40; ++probe) {
    std::vector<object> objects(45);
    for (std::uint32_t id = 0; id < 45; ++id) objects[id].info = {.user = user_id{id}, .bytes = bytes_each};
    Policy policy(size);
    for (std::uint32_t id = 0; id < 40; ++id) {
      policy.insert(objects[id], objects[id].info);
      policy.evict(objects[id], objects[id].info);
    }
    policy.insert(objects[probe], objects[probe].info);
    for (std::uint32_t id = 40; id < 45; ++id) policy.insert(objects[id], objects[id].info);
    typename Policy::hook* first = nullptr;
    policy.victims([&first](typename Policy::hook& hook) {
      first = &hook;
      return false;
    });
    const bool is_remembered = first != &objects[probe];
    if (count > 0) REQUIRE(is_remembered);  // the youngest are
    if (is_remembered) ++count;
    for (object& one : objects) {
      if (one.is_linked()) policy.remove(one);
    }
  }
  return count;
}

/// 0 is worth keeping; 1 is new and has so many bytes. Who goes first?
template <class Policy>
std::uint32_t first_beside_new(std::uint64_t bytes, std::uint64_t changed_to, bool touched = false)
{
  replacement_rig<Policy> rig(3, 1000);
  for (std::uint32_t id = 0; id < 2; ++id) rig[id].info.bytes = 100;
  rig.insert(0);
  rig.evict(0);
  rig.insert(0);
  rig[1].info.bytes = bytes;
  rig.insert(1);
  rig[1].info.bytes = changed_to;
  if (touched) rig.touch(1);
  else notify_changed(rig.policy(), rig[1], rig[1].info);
  return rig.victims(1).front();
}

}  // namespace

TEST_CASE("s3_fifo: conformance") { replacement_conformance<s3_fifo>(); }
TEST_CASE("two_q: conformance") { replacement_conformance<two_q>(); }
TEST_CASE("arc: conformance") { replacement_conformance<arc>(); }
TEST_CASE("lru_k: conformance") { replacement_conformance<lru_k<>>(); }
TEST_CASE("lru_k of three uses: conformance") { replacement_conformance<lru_k<3>>(); }

TEST_CASE("s3_fifo hits when the paper's algorithm does") { hits_like<s3_fifo, naive_s3_fifo>(); }
TEST_CASE("two_q hits when the paper's algorithm does") { hits_like<two_q, naive_two_q>(); }
TEST_CASE("arc hits when the paper's algorithm does, with sizes") { hits_like<arc, naive_arc>(); }
TEST_CASE("lru_k hits when the paper's algorithm does")
{
  hits_like<lru_k<>, naive_lru_k<2>>();
  hits_like<lru_k<3>, naive_lru_k<3>>();
}

TEST_CASE("who is evicted is remembered, who is removed is not")
{
  const ids as_they_came = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 16, 17, 18, 19};
  REQUIRE(order_after_return<s3_fifo>(false) == as_they_came);
  REQUIRE(order_after_return<two_q>(false) == as_they_came);
  REQUIRE(order_after_return<arc>(false) == as_they_came);
  REQUIRE(order_after_return<lru_k<>>(false) == as_they_came);
  REQUIRE(order_after_return<s3_fifo>(true) == with_zero_after(18));  // the small queue has less than its 2 bytes then
  REQUIRE(order_after_return<two_q>(true) == with_zero_after(14));    // Kin is 5
  REQUIRE(order_after_return<arc>(true) == with_zero_after(18));      // p is 1: 0 came back from B1
  REQUIRE(order_after_return<lru_k<>>(true) == with_zero_after(19));  // the only one used twice
}

TEST_CASE("ghosts are bounded by the bytes they had, and by the number of the tier's objects")
{
  // A tier of many pages and few users: shares of 1,000 bytes, and one more until the next object comes.
  REQUIRE(remembered<s3_fifo>(100, {.bytes = 1000, .objects = 100'000}) == 9 + 1);
  REQUIRE(remembered<two_q>(100, {.bytes = 1000, .objects = 100'000}) == 5 + 1);
  REQUIRE(remembered<arc>(100, {.bytes = 1000, .objects = 100'000}) == 9 + 1);  // T1 and B1 together: 10
  REQUIRE(remembered<lru_k<>>(100, {.bytes = 1000, .objects = 100'000}) == 10 + 1);
  // A tier of few pages for its bytes.
  REQUIRE(remembered<s3_fifo>(60, {.bytes = 1000, .objects = 10}) == 9 + 1);
  REQUIRE(remembered<two_q>(60, {.bytes = 1000, .objects = 10}) == 5 + 1);
  REQUIRE(remembered<arc>(60, {.bytes = 1000, .objects = 10}) == 10 + 1);
  REQUIRE(remembered<lru_k<>>(60, {.bytes = 1000, .objects = 10}) == 10 + 1);
}

TEST_CASE("shares are counted in bytes, as objects change")
{
  REQUIRE(first_beside_new<s3_fifo>(101, 100) == 1);  // the small queue's share is 100
  REQUIRE(first_beside_new<s3_fifo>(101, 99) == 0);
  REQUIRE(first_beside_new<s3_fifo>(99, 100, true) == 1);
  REQUIRE(first_beside_new<two_q>(300, 251) == 1);  // Kin is 250
  REQUIRE(first_beside_new<two_q>(300, 250) == 0);
  REQUIRE(first_beside_new<two_q>(250, 251, true) == 1);
  REQUIRE(first_beside_new<arc>(300, 101) == 1);  // p is 100
  REQUIRE(first_beside_new<arc>(300, 100) == 0);
}

TEST_CASE("s3_fifo: two uses lead to the main queue, where each use is a round more")
{
  replacement_rig<s3_fifo> r(8, 10);
  for (std::uint32_t id = 0; id < 5; ++id) {
    r[id].info.bytes = 1;
    r.insert(id);
  }
  r.touch(0);
  for (int i = 0; i < 2; ++i) r.touch(1);
  REQUIRE(r.victims(5) == ids{0, 2, 3, 4, 1});  // 1 has moved, uncounted; one use does not move 0
  for (const std::uint32_t id : {0U, 2U, 3U, 4U}) r.remove(id);
  for (const std::uint32_t id : {5U, 6U}) {
    r[id].info.bytes = 1;
    r.insert(id);
    for (int i = 0; i < 9; ++i) r.touch(id);
  }
  REQUIRE(r.victims(3) == ids{1, 5, 6});
  for (int i = 0; i < 9; ++i) r.touch(5);
  for (int i = 0; i < 2; ++i) r.touch(6);
  REQUIRE(r.victims(3) == ids{1, 6, 5});  // nine uses are more than two
  for (int i = 0; i < 9; ++i) r.touch(6);
  for (int i = 0; i < 3; ++i) r.touch(5);
  REQUIRE(r.victims(3) == ids{1, 6, 5});  // but count as three
}

TEST_CASE("lru_k: who was used once goes first, then by the last use but one")
{
  replacement_rig<lru_k<>> r(5);
  for (std::uint32_t id = 0; id < 5; ++id) r.insert(id);
  r.touch(3);
  r.touch(1);
  REQUIRE(r.victims(5) == ids{0, 2, 4, 1, 3});  // 1 came before 3
  r.touch(1);
  r.touch(1);
  REQUIRE(r.victims(5) == ids{0, 2, 4, 3, 1});
}

TEST_CASE("a list of ghosts does what lists and walking do")
{
  struct known
  {
    std::uint64_t key, bytes, note;
  };
  for (const std::size_t slots : {0U, 1U, 2U, 3U, 16U, 50U}) {
    CAPTURE(slots);
    std::mt19937_64 random(slots);
    ghost_list<2, std::uint64_t> real(slots, 6);
    std::list<known> naive[2];  // the oldest first
    const auto sum = [&naive](std::uint32_t list) {
      std::uint64_t bytes = 0;
      for (const known& one : naive[list]) bytes += one.bytes;
      return bytes;
    };
    std::size_t wrong = 0;
    for (std::uint64_t step = 0; step < 6000; ++step) {
      const std::uint64_t key = random() % (slots * 2 + 2) << 40U;
      const std::uint32_t at = random() % 2;
      const auto is_key = [key](const known& one) { return one.key == key; };
      const auto where = [&](std::uint32_t list) {
        return std::find_if(naive[list].begin(), naive[list].end(), is_key);
      };
      const std::uint32_t in = where(0) != naive[0].end() ? 0 : 1;
      const bool is_there = where(in) != naive[in].end();
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
        case 3:
          if (is_there) break;
          real.remember(key, step % 7, at, step);
          if (slots == 0) break;
          if (naive[0].size() + naive[1].size() == slots) naive[naive[at].empty() ? 1 - at : at].pop_front();
          naive[at].push_back({key, step % 7, step});
          break;
        case 4:
        case 5:
        case 6: {
          const auto found = step % 2 == 0 ? real.take(key) : real.find(key);
          if (found.has_value() != is_there) ++wrong;
          if (!found || !is_there) break;
          const known& expected = *where(in);
          if (found->list != in || found->bytes != expected.bytes || found->note != expected.note) ++wrong;
          if (step % 2 == 0) naive[in].erase(where(in));
          break;
        }
        case 7:
          if (step % 2 == 0 && !naive[at].empty()) {
            real.forget(at);
            naive[at].pop_front();
          } else if (step % 16 == 1) {
            real.limit(step % 11, at);
            while (sum(at) > step % 11) naive[at].pop_front();
          }
          break;
      }
      for (const std::uint32_t list : {0U, 1U}) {
        if (real.bytes(list) != sum(list) || real.empty(list) != naive[list].empty()) ++wrong;
      }
      if (real.size() != naive[0].size() + naive[1].size()) ++wrong;
    }
    REQUIRE(wrong == 0);
  }
}
