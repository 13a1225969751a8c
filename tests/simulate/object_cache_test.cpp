// The cache without data and its index, against plain containers.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/belady.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/key_index.hpp>
#include <kvstrata/simulate/object_cache.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::allocations;

struct entry
{
  std::uint64_t key = 0;
  std::uint32_t next = 0;
};

constexpr auto hit = access_outcome::hit;
constexpr auto admitted = access_outcome::admitted;
constexpr auto bypassed = access_outcome::bypassed;

/// A hook may have members of any name.
class named_like_the_cache : lru
{
 public:
  struct hook : lru::hook
  {
    int key = 0, next = 0, size = 0, bytes = 0;
  };
  void insert(hook& object, const object_info& info) { lru::insert(object, info); }
  void touch(hook& object, const object_info& info) { lru::touch(object, info); }
  void remove(hook& object) noexcept { lru::remove(object); }
  template <class Visit>
  void victims(Visit&& visit)
  {
    lru::victims([&](lru::hook& one) { return visit(static_cast<hook&>(one)); });
  }
};

/// A request that was asked about, and the victim's bytes if there was one.
using question = std::pair<std::uint64_t, std::optional<std::uint64_t>>;

/// Lets in what is smaller than the victim, and notes what it is told.
struct smaller_only
{
  using option_kind = admission_option;
  bool admits(const object_info& candidate, const object_info* victim)
  {
    asked->emplace_back(to_number(candidate.user), victim == nullptr ? std::nullopt : std::optional(victim->bytes));
    return victim == nullptr || candidate.bytes < victim->bytes;
  }
  void requested(const object_info& info) { requests->push_back(to_number(info.user)); }

  std::vector<question>* asked = nullptr;
  std::vector<std::uint64_t>* requests = nullptr;
};

/// Adds up the bytes of its objects as it is told of them.
struct adds_up : lru
{
  struct hook : lru::hook
  {
    std::uint64_t known = 0;
  };
  void insert(hook& object, const object_info& info)
  {
    lru::insert(object, info);
    sum += object.known = info.bytes;
  }
  void touch(hook& object, const object_info& info)
  {
    lru::touch(object, info);
    sum += info.bytes - object.known;
    object.known = info.bytes;
  }
  void evict(hook& object, const object_info& info) noexcept
  {
    right = right && info.bytes == object.known;
    remove(object);
  }
  void remove(hook& object) noexcept
  {
    lru::remove(object);
    sum -= object.known;
  }
  template <class Visit>
  void victims(Visit&& visit)
  {
    lru::victims([&](lru::hook& one) { return visit(static_cast<hook&>(one)); });
  }
  std::uint64_t sum = 0;
  bool right = true;
};

/// LRU by bytes with plain containers; objects have the size they came with, or grow.
class plain_lru
{
 public:
  plain_lru(std::uint64_t capacity, bool grows) : capacity_(capacity), grows_(grows) {}

  access_outcome request(std::uint64_t key, std::uint64_t bytes)
  {
    const auto found = std::find_if(order_.begin(), order_.end(), [key](const auto& one) { return one.first == key; });
    if (found != order_.end()) {
      if (grows_) {
        used_ -= found->second;
        found->second = (std::min)(bytes, capacity_);
        for (auto oldest = order_.begin(); oldest != order_.end() && used_ + found->second > capacity_;) {
          if (oldest == found) {
            ++oldest;
            continue;
          }
          used_ -= oldest->second;
          oldest = order_.erase(oldest);
        }
        used_ += found->second;
      }
      order_.splice(order_.end(), order_, found);
      return hit;
    }
    if (bytes > capacity_) return bypassed;
    while (used_ + bytes > capacity_) {
      used_ -= order_.front().second;
      order_.pop_front();
    }
    used_ += bytes;
    order_.emplace_back(key, bytes);
    return admitted;
  }
  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] std::size_t objects() const { return order_.size(); }

 private:
  std::uint64_t capacity_;
  bool grows_;
  std::uint64_t used_ = 0;
  std::list<std::pair<std::uint64_t, std::uint64_t>> order_;  // oldest first
};

template <object_size Size>
void is_the_plain_lru(std::uint32_t seed)
{
  std::mt19937 random(seed);
  object_cache<adds_up, always, Size> cache({.bytes = 1000, .objects = 1000});
  plain_lru plain(1000, Size == object_size::growing);
  for (int step = 0; step < 5000; ++step) {
    const std::uint64_t key = random() % 60;
    const std::uint64_t bytes = Size == object_size::unit ? 1 : random() % (random() % 50 == 0 ? 2000 : 100);
    REQUIRE(cache.request(trace_access{.key = key, .bytes = bytes}) == plain.request(key, bytes));
    REQUIRE(cache.used_bytes() == plain.used());
    REQUIRE(cache.objects() == plain.objects());
    REQUIRE(cache.policy().sum == plain.used());  // what the policy is told is what the objects take
    REQUIRE(cache.policy().right);
  }
}

}  // namespace

TEST_CASE("key_index finds who is in it, whatever pattern the keys have")
{
  const auto pattern = GENERATE(0, 1, 2, 3, 4);
  CAPTURE(pattern);
  constexpr std::size_t count = 3000;
  std::mt19937_64 random(7);
  std::deque<entry> entries(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t keys[] = {i, i << 12U, i << 40U, i * 0x9e3779b97f4a7c15, random()};
    entries[i].key = keys[pattern];
  }
  const auto at = [&entries](std::uint32_t number) -> entry& { return entries[number - 1]; };
  std::map<std::uint64_t, std::uint32_t> oracle;
  key_index index;
  std::size_t most = 16;
  for (int step = 0; step < 20000; ++step) {
    const auto number = static_cast<std::uint32_t>(1 + random() % count);
    if (oracle.erase(at(number).key) != 0) {
      REQUIRE(index.erase(at(number), at) == number);
    } else {
      index.insert(number, at);
      oracle.emplace(at(number).key, number);
    }
    const std::uint64_t key = entries[random() % count].key;
    const auto expected = oracle.find(key);
    REQUIRE(index.find(key, at) == (expected == oracle.end() ? key_index::nobody : expected->second));
    REQUIRE(index.size() == oracle.size());
    most = (std::max)(most, index.size());
    REQUIRE(index.bytes() <= 32 * most);
  }
  REQUIRE(index.find(~std::uint64_t{0} - 5, at) == key_index::nobody);
}

TEST_CASE("key_index keeps chains short for keys in steps")
{
  for (const unsigned shift : {0U, 4U, 9U, 12U, 21U, 32U, 44U}) {
    CAPTURE(shift);
    std::deque<entry> entries(20000);
    const auto of = [&entries](std::uint32_t number) -> entry& { return entries[number - 1]; };
    key_index index;
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      entries[i].key = std::uint64_t{i} << shift;
      index.insert(i + 1, of);
    }
    std::size_t longest = 0;
    for (const entry& one : entries) {
      std::size_t length = 1;
      for (std::uint32_t next = one.next; next != key_index::nobody; next = of(next).next) ++length;
      longest = (std::max)(longest, length);
    }
    REQUIRE(longest <= 16);
  }
}

TEST_CASE("object_cache decides as a plain LRU does, at every kind of size")
{
  for (std::uint32_t seed = 0; seed < 3; ++seed) {
    CAPTURE(seed);
    is_the_plain_lru<object_size::unit>(seed);
    is_the_plain_lru<object_size::fixed>(seed);
    is_the_plain_lru<object_size::growing>(seed);
  }
}

TEST_CASE("object_cache works with a hook whose members have the names of its own")
{
  object_cache<named_like_the_cache, always, object_size::fixed> cache({.bytes = 10, .objects = 10});
  REQUIRE(cache.request(trace_access{.key = 1, .bytes = 6}) == admitted);
  REQUIRE(cache.request(trace_access{.key = 2, .bytes = 6}) == admitted);
  REQUIRE(cache.request(trace_access{.key = 1, .bytes = 6}) == admitted);
  REQUIRE(cache.request(trace_access{.key = 1, .bytes = 6}) == hit);
  REQUIRE(cache.used_bytes() == 6);
}

TEST_CASE("object_cache asks at the door once, with who would go first, and evicts nobody for whom it turns away")
{
  std::vector<question> asked;
  std::vector<std::uint64_t> requests;
  object_cache<lru, smaller_only, object_size::fixed> cache({.bytes = 10, .objects = 10},
                                                            {.asked = &asked, .requests = &requests});
  const auto request = [&cache](std::uint64_t key, std::uint64_t bytes) {
    return cache.request(trace_access{.key = key, .bytes = bytes});
  };
  REQUIRE(request(1, 4) == admitted);
  REQUIRE(request(2, 4) == admitted);
  REQUIRE(request(3, 5) == bypassed);
  REQUIRE(cache.objects() == 2);
  REQUIRE(request(4, 3) == admitted);
  REQUIRE(request(2, 4) == hit);
  REQUIRE(request(5, 11) == bypassed);  // could never come in: not asked
  REQUIRE(asked == std::vector<question>{{1, std::nullopt}, {2, std::nullopt}, {3, 4}, {4, 4}});
  REQUIRE(requests == std::vector<std::uint64_t>{1, 2, 3, 4, 2, 5});
}

TEST_CASE("object_cache is whole after its policy has refused an object")
{
  object_cache<belady, always, object_size::fixed> cache({.bytes = 10, .objects = 10});
  REQUIRE(cache.request(trace_access{.key = 1, .bytes = 4, .next_request = 5}) == admitted);
  for (int k = 0; k < 1000; ++k) {
    REQUIRE_THROWS_AS(cache.request(trace_access{.key = 2, .bytes = 5}), usage_error);  // the future is not told
  }
  REQUIRE(cache.objects() == 1);
  REQUIRE(cache.used_bytes() == 4);
  REQUIRE(cache.metadata_bytes() < 128 * (cache.object_bytes + 8) + 1000);  // refused ones leave nothing behind
  REQUIRE_THROWS_AS(cache.request(trace_access{.key = 1, .bytes = 4}), usage_error);
  REQUIRE(cache.request(trace_access{.key = 2, .bytes = 5, .next_request = 7}) == admitted);
  REQUIRE(cache.request(trace_access{.key = 3, .bytes = 10, .next_request = 9}) == admitted);
  REQUIRE(cache.objects() == 1);
  REQUIRE(cache.used_bytes() == 10);
}

TEST_CASE("object_cache counts objects of any size")
{
  constexpr std::uint64_t all = ~std::uint64_t{0};
  object_cache<lru, always, object_size::growing> cache({.bytes = all, .objects = 10});
  REQUIRE(cache.request(trace_access{.key = 1, .bytes = all - 5}) == admitted);
  REQUIRE(cache.request(trace_access{.key = 2, .bytes = 6}) == admitted);  // pushes the first out
  REQUIRE(cache.objects() == 1);
  REQUIRE(cache.request(trace_access{.key = 3, .bytes = 7}) == admitted);
  REQUIRE(cache.request(trace_access{.key = 3, .bytes = all - 5}) == hit);  // grows: pushes the second out
  REQUIRE(cache.objects() == 1);
  REQUIRE(cache.used_bytes() == all - 5);
}

TEST_CASE("object_cache allocates while it fills up only")
{
  object_cache<lru> cache({.bytes = 500, .objects = 500});
  std::mt19937_64 random(3);
  for (int i = 0; i < 5000; ++i) static_cast<void>(cache.request(trace_access{.key = random() % 2000}));
  const std::size_t before = allocations();
  for (int i = 0; i < 5000; ++i) static_cast<void>(cache.request(trace_access{.key = random()}));
  REQUIRE(allocations() == before);
}
