// The policies that are queues: the conformance suite, what each promises of its order, and naive versions of those
// whose order is not plain, on random requests.
#include "replacement/replacement_conformance.hpp"

#include <kvstrata/replacement/clock.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lfu.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/random.hpp>
#include <kvstrata/replacement/sieve.hpp>
#include <kvstrata/replacement/slru.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <array>
#include <list>
#include <map>

namespace {

using namespace kvstrata;
using kvstrata_test::replacement_conformance;
using kvstrata_test::replacement_rig;
using ids = std::vector<std::uint32_t>;
constexpr std::uint32_t everybody = ~0U;

template <class Policy>
void insert_all(replacement_rig<Policy>& r)
{
  for (std::uint32_t id = 0; id < r.size(); ++id) r.insert(id);
}

/// All objects of one byte in a tier of `capacity` bytes.
template <class Policy>
replacement_rig<Policy> unit_rig(std::uint32_t objects, std::uint64_t capacity)
{
  replacement_rig<Policy> r(objects, capacity);
  for (std::uint32_t id = 0; id < objects; ++id) r[id].info.bytes = 1;
  return r;
}

std::vector<std::uint64_t> random_keys(std::uint32_t seed, std::size_t count)
{
  std::mt19937 random(seed);
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(random() % 40 * (random() % 3));  // some are asked for often
  return keys;
}

template <class Policy>
std::vector<bool> hits(const std::vector<std::uint64_t>& keys, std::uint64_t capacity)
{
  object_cache<Policy> cache({.bytes = capacity, .objects = capacity});
  std::vector<bool> all;
  for (const std::uint64_t key : keys) all.push_back(cache.request(trace_access{.key = key}) == access_outcome::hit);
  return all;
}

/// SIEVE as in the paper's figure: from the tail to the head, and round again.
std::vector<bool> naive_sieve(const std::vector<std::uint64_t>& keys, std::size_t capacity)
{
  struct entry
  {
    std::uint64_t key;
    bool visited;
  };
  std::vector<entry> queue;  // oldest first
  std::size_t hand = 0;
  std::vector<bool> all;
  for (const std::uint64_t key : keys) {
    const auto found = std::find_if(queue.begin(), queue.end(), [key](const entry& one) { return one.key == key; });
    all.push_back(found != queue.end());
    if (found != queue.end()) {
      found->visited = true;
      continue;
    }
    if (queue.size() == capacity) {
      if (hand == queue.size()) hand = 0;
      while (queue[hand].visited) {
        queue[hand].visited = false;
        hand = (hand + 1) % queue.size();
      }
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(hand));
    }
    // A hand that went beyond the newest goes to the oldest, not to who comes now.
    if (hand == queue.size()) hand = 0;
    queue.push_back({key, false});
  }
  return all;
}

std::vector<bool> naive_lfu(const std::vector<std::uint64_t>& keys, std::size_t capacity)
{
  struct entry
  {
    std::uint64_t uses = 0;
    std::uint64_t since = 0;
  };
  std::map<std::uint64_t, entry> here;
  std::uint64_t now = 0;
  std::vector<bool> all;
  for (const std::uint64_t key : keys) {
    all.push_back(here.contains(key));
    if (!all.back() && here.size() == capacity) {
      here.erase(std::min_element(here.begin(), here.end(), [](const auto& a, const auto& b) {
        return std::pair(a.second.uses, a.second.since) < std::pair(b.second.uses, b.second.since);
      }));
    }
    ++here[key].uses;
    here[key].since = ++now;
  }
  return all;
}

/// Two segments, the upper one of at most `most` objects.
std::vector<bool> naive_slru(const std::vector<std::uint64_t>& keys, std::size_t capacity, std::size_t most)
{
  std::list<std::uint64_t> low;  // oldest first
  std::list<std::uint64_t> high;
  std::vector<bool> all;
  for (const std::uint64_t key : keys) {
    const bool was_here = std::erase(low, key) + std::erase(high, key) != 0;
    all.push_back(was_here);
    if (was_here) {
      high.push_back(key);
      if (high.size() > most) low.splice(low.end(), high, high.begin());
    } else {
      if (low.size() + high.size() == capacity) (low.empty() ? high : low).pop_front();
      (low.size() < capacity - most || high.size() >= most ? low : high).push_back(key);
    }
  }
  return all;
}

template <class Policy>
double bytes_an_object(std::uint64_t objects)
{
  object_cache<Policy> cache({.bytes = objects, .objects = objects});
  for (std::uint64_t key = 0; key < objects; ++key) static_cast<void>(cache.request(trace_access{.key = key}));
  return static_cast<double>(cache.metadata_bytes()) / static_cast<double>(objects);
}

}  // namespace

TEST_CASE("fifo: conformance") { replacement_conformance<fifo>(); }
TEST_CASE("clock: conformance") { replacement_conformance<clock_sweep>(); }
TEST_CASE("sieve: conformance") { replacement_conformance<sieve>(); }
TEST_CASE("lfu: conformance") { replacement_conformance<lfu>(); }
TEST_CASE("slru: conformance") { replacement_conformance<slru<>>(); }
TEST_CASE("slru of two segments: conformance") { replacement_conformance<slru<2, 80>>(); }
TEST_CASE("random_replacement: conformance") { replacement_conformance<random_replacement>(); }

TEST_CASE("fifo: who came first goes first, used or not")
{
  replacement_rig<fifo> r(4);
  insert_all(r);
  r.touch(0);
  REQUIRE(r.victims(everybody) == ids{0, 1, 2, 3});
  r.evict(1);
  r.evict(0);
  r.insert(0);
  REQUIRE(r.victims(everybody) == ids{2, 3, 0});
}

TEST_CASE("clock: a mark is a second chance at the end of the queue, and is lost when the hand passes")
{
  replacement_rig<clock_sweep> r(4);
  insert_all(r);
  r.touch(0);
  r.touch(2);
  REQUIRE(r.victims(1) == ids{1});                   // the hand has passed 0, which lost its mark
  REQUIRE(r.victims(everybody) == ids{1, 3, 0, 2});  // and now passed 2
  REQUIRE(r.victims(everybody) == ids{1, 3, 0, 2});
  for (std::uint32_t id = 0; id < 4; ++id) r.touch(id);
  REQUIRE(r.victims(1) == ids{1});  // all were marked: one round, then the first
  r.touch(3);
  r.evict(3);
  r.insert(3);  // comes back unmarked
  REQUIRE(r.victims(everybody) == ids{1, 0, 2, 3});
  r.touch(1);
  for (const std::uint32_t id : {1U, 0U}) {  // likewise, with somebody behind it
    r.evict(id);
    r.insert(id);
  }
  REQUIRE(r.victims(everybody) == ids{2, 3, 1, 0});
  for (const std::uint32_t id : {1U, 0U, 3U}) r.evict(id);
  r.touch(2);
  REQUIRE(r.victims(everybody) == ids{2});  // alone, and marked
}

TEST_CASE("sieve: who was marked stays where it is, and the hand goes on from where it was")
{
  replacement_rig<sieve> r(6);
  for (std::uint32_t id = 0; id < 5; ++id) r.insert(id);
  r.touch(0);
  r.touch(2);
  REQUIRE(r.victims(1) == ids{1});  // the hand has passed 0, which lost its mark and its turn
  REQUIRE(r.victims(1) == ids{1});
  r.evict(1);
  REQUIRE(r.victims(1) == ids{3});  // passed 2
  r.evict(3);
  r.insert(5);
  REQUIRE(r.victims(everybody) == ids{4, 5, 0, 2});  // from the hand to the young end, then from the old end on
  r.touch(5);
  r.evict(4);
  REQUIRE(r.victims(1) == ids{0});  // passed 5, which is still the youngest
  REQUIRE(r.victims(everybody) == ids{0, 2, 5});
}

TEST_CASE("sieve: the hand outlives whoever is under it")
{
  replacement_rig<sieve> r(5);
  for (std::uint32_t id = 0; id < 4; ++id) r.insert(id);
  r.touch(0);
  REQUIRE(r.victims(1) == ids{1});
  r.remove(1);  // erased, under the hand
  REQUIRE(r.victims(1) == ids{2});
  r.touch(2);  // used, under the hand
  REQUIRE(r.victims(1) == ids{3});
  r.evict(3);  // the youngest, under the hand: it begins anew, also with who comes now
  r.insert(4);
  REQUIRE(r.victims(everybody) == ids{0, 2, 4});
  for (const std::uint32_t id : {0U, 2U, 4U}) r.remove(id);
  r.insert(1);
  REQUIRE(r.victims(everybody) == ids{1});
}

TEST_CASE("sieve: who was skipped because it is held is not waited for, and comes again in the next round")
{
  replacement_rig<sieve> r(4);
  insert_all(r);
  REQUIRE(r.victims(3) == ids{0, 1, 2});  // 0 and 1 are held
  r.evict(2);
  REQUIRE(r.victims(1) == ids{3});
  r.evict(3);
  REQUIRE(r.victims(everybody) == ids{0, 1});
}

TEST_CASE("sieve: everybody marked means one round for nothing, each time")
{
  replacement_rig<sieve> r(4);
  insert_all(r);
  for (int again = 0; again < 3; ++again) {
    for (std::uint32_t id = 0; id < 4; ++id) r.touch(id);
    REQUIRE(r.victims(everybody) == ids{0, 1, 2, 3});
  }
  for (std::uint32_t id = 0; id < 4; ++id) r.touch(id);
  REQUIRE(r.victims(2) == ids{0, 1});
  r.evict(1);
  REQUIRE(r.victims(everybody) == ids{2, 3, 0});  // nobody is marked any more
}

TEST_CASE("lfu: the lowest frequency goes first, and within it who is longest in it")
{
  replacement_rig<lfu> r(5);
  insert_all(r);
  REQUIRE(r.victims(everybody) == ids{0, 1, 2, 3, 4});
  r.touch(1);
  r.touch(0);
  REQUIRE(r.victims(everybody) == ids{2, 3, 4, 1, 0});
  r.touch(1);
  r.touch(0);  // after 1 into every class
  REQUIRE(r.victims(everybody) == ids{2, 3, 4, 1, 0});
  r.touch(4);
  r.touch(4);
  r.touch(4);
  REQUIRE(r.victims(everybody) == ids{2, 3, 1, 0, 4});
  r.evict(0);
  r.insert(0);  // its count ended with its stay
  REQUIRE(r.victims(everybody) == ids{2, 3, 0, 1, 4});
  for (const std::uint32_t id : {2U, 3U, 0U}) r.evict(id);
  r.insert(2);  // the class of frequency 1 is made anew, below the others
  REQUIRE(r.victims(everybody) == ids{2, 1, 4});
}

TEST_CASE("lfu: with more frequencies than it was made for, objects share a class")
{
  std::array<lfu::hook, 4> objects;
  lfu policy({.bytes = 100, .objects = 2});
  const auto order = [&] {
    ids seen;
    policy.victims([&](lfu::hook& one) {
      seen.push_back(static_cast<std::uint32_t>(&one - objects.data()));
      return true;
    });
    return seen;
  };
  for (std::size_t i = 0; i < 3; ++i) policy.insert(objects[i], {});
  policy.touch(objects[1], {});
  policy.touch(objects[2], {});
  policy.touch(objects[1], {});  // would be alone in a third class: it goes to the end of the second
  REQUIRE(order() == ids{0, 2, 1});
  policy.remove(objects[0]);
  policy.touch(objects[2], {});  // now there is one to be had
  REQUIRE(order() == ids{1, 2});
  policy.insert(objects[3], {});  // none is left for frequency 1: with the lowest
  REQUIRE(order() == ids{1, 3, 2});
  for (std::size_t i = 1; i < 4; ++i) policy.remove(objects[i]);
  REQUIRE(order().empty());
}

TEST_CASE("slru: what was used goes up a segment, and who is pushed out of it goes down to the young end")
{
  auto r = unit_rig<slru<2, 50>>(6, 4);  // two and two
  for (std::uint32_t id = 0; id < 4; ++id) r.insert(id);
  REQUIRE(r.victims(everybody) == ids{0, 1, 2, 3});  // 2 and 3 came when the lower segment was full
  r.touch(0);                                        // pushes 2 out
  REQUIRE(r.victims(everybody) == ids{1, 2, 3, 0});
  r.touch(3);
  REQUIRE(r.victims(everybody) == ids{1, 2, 0, 3});
  r.evict(1);
  r.insert(4);
  REQUIRE(r.victims(everybody) == ids{2, 4, 0, 3});
  r.remove(0);  // there is room above: the next one used goes up without pushing anybody out
  r.touch(2);
  REQUIRE(r.victims(everybody) == ids{4, 3, 2});
}

TEST_CASE("slru: segments are measured in bytes, and one object may be larger than its segment")
{
  replacement_rig<slru<2, 50>> r(4, 100);
  const std::array<std::uint64_t, 4> bytes{20, 20, 10, 80};
  for (std::uint32_t id = 0; id < 4; ++id) r[id].info.bytes = bytes[id];
  for (std::uint32_t id = 0; id < 3; ++id) r.insert(id);
  r.touch(0);
  r.touch(1);  // 40 of 50 bytes are protected
  REQUIRE(r.victims(everybody) == ids{2, 0, 1});
  r.touch(2);  // 50
  REQUIRE(r.victims(everybody) == ids{0, 1, 2});
  r[0].info.bytes = 21;
  r.touch(0);  // it has grown: 51, so the oldest goes down
  REQUIRE(r.victims(everybody) == ids{1, 2, 0});
  r.change(0);  // smaller again: there is room for 1
  r.touch(1);
  REQUIRE(r.victims(everybody) == ids{2, 0, 1});
  r.insert(3);
  r.touch(3);  // larger than all that may be protected: alone in there
  REQUIRE(r.victims(everybody) == ids{2, 0, 1, 3});
}

TEST_CASE("slru of four segments: each use is one segment up")
{
  auto r = unit_rig<slru<>>(8, 8);  // two each
  insert_all(r);
  r.touch(0);
  REQUIRE(r.victims(everybody) == ids{1, 2, 3, 0, 4, 5, 6, 7});  // 2 was the oldest above
  r.touch(0);
  REQUIRE(r.victims(everybody) == ids{1, 2, 3, 4, 5, 0, 6, 7});
  r.touch(0);
  r.touch(0);  // at the top it stays there
  REQUIRE(r.victims(everybody) == ids{1, 2, 3, 4, 5, 6, 7, 0});
}

TEST_CASE("random_replacement: asking again gives the same answer, and everybody is as likely to go")
{
  constexpr std::uint32_t objects = 8;
  constexpr std::uint32_t rounds = 8000;
  replacement_rig<random_replacement> r(objects);
  insert_all(r);
  REQUIRE(r.victims(everybody) == r.victims(everybody));
  std::array<std::uint32_t, objects> gone{};    // by object
  std::array<std::uint32_t, objects> by_age{};  // by how many came after it
  std::array<std::uint32_t, objects> since{1, 2, 3, 4, 5, 6, 7, 8};
  for (std::uint32_t round = objects + 1; round <= objects + rounds; ++round) {
    r.touch(round % objects);
    const std::uint32_t victim = r.victims(1).front();
    std::uint32_t younger = 0;
    for (const std::uint32_t other : since) younger += other > since[victim] ? 1U : 0U;
    ++by_age[younger];
    ++gone[victim];
    r.evict(victim);
    r.insert(victim);
    since[victim] = round;
  }
  for (std::uint32_t i = 0; i < objects; ++i) {  // 1,000 expected, standard deviation 30
    CAPTURE(i);
    REQUIRE(gone[i] > 850);
    REQUIRE(gone[i] < 1150);
    REQUIRE(by_age[i] > 850);
    REQUIRE(by_age[i] < 1150);
  }
}

TEST_CASE("sieve, lfu and slru decide as naive versions of them do")
{
  for (const std::size_t capacity : {1U, 2U, 3U, 10U, 31U, 60U}) {
    CAPTURE(capacity);
    const auto keys = random_keys(static_cast<std::uint32_t>(capacity), 3000);
    REQUIRE(hits<sieve>(keys, capacity) == naive_sieve(keys, capacity));
    REQUIRE(hits<lfu>(keys, capacity) == naive_lfu(keys, capacity));
    if (capacity % 2 == 0) REQUIRE(hits<slru<2, 50>>(keys, capacity) == naive_slru(keys, capacity, capacity / 2));
  }
}

TEST_CASE("an object of the plain queues takes at most 64 bytes, index included")
{
  for (const std::uint64_t objects : {1000U, 1537U, 10000U, 12289U}) {
    CAPTURE(objects);
    CHECK(bytes_an_object<lru>(objects) <= 64);
    CHECK(bytes_an_object<fifo>(objects) <= 64);
    CHECK(bytes_an_object<clock_sweep>(objects) <= 64);
    CHECK(bytes_an_object<sieve>(objects) <= 64);
  }
}
