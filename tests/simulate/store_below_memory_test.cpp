// A memory above a store, against plain lists; and what each door writes and saves on a trace that is always the same.
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/lru_k_admission.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/lru_k.hpp>
#include <kvstrata/simulate/shipped_admissions.hpp>
#include <kvstrata/simulate/store_below_memory.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <map>
#include <random>
#include <utility>

namespace {

using namespace kvstrata;

/// Lets in every other of those who ask.
struct every_other
{
  using option_kind = admission_option;
  bool admits(const object_info&, const object_info*) { return ++asked % 2 == 0; }
  std::uint64_t asked = 0;
};

/// The same in lists, oldest first.
template <bool RequestsCount>
class plain_levels
{
 public:
  plain_levels(std::uint64_t memory, std::uint64_t store) : memory_(memory), store_(store) {}

  void request(std::uint64_t key, std::uint64_t bytes)
  {
    ++counts.requests;
    counts.bytes_asked += bytes;
    size_[key] = bytes;
    const auto below = find(below_, key);
    if (const auto above = find(above_, key); above != above_.end()) {
      ++counts.hits_above;
      counts.bytes_above += above->second;
      above_.erase(above);
    } else if (below != below_.end()) {
      ++counts.hits_below;
      counts.bytes_below += below->second;
    }
    if (RequestsCount && below != below_.end()) below_.splice(below_.end(), below_, below);
    if (bytes > memory_) return offer(key);
    above_.emplace_back(key, bytes);
    while (total(above_) > memory_) {
      const std::uint64_t goes = above_.front().first;
      above_.pop_front();
      offer(goes);
    }
  }

  write_counts counts;

 private:
  using list = std::list<std::pair<std::uint64_t, std::uint64_t>>;

  [[nodiscard]] static list::iterator find(list& in, std::uint64_t key)
  {
    return std::find_if(in.begin(), in.end(), [key](const auto& one) { return one.first == key; });
  }
  [[nodiscard]] static std::uint64_t total(const list& of)
  {
    std::uint64_t sum = 0;
    for (const auto& [key, bytes] : of) sum += bytes;
    return sum;
  }
  void offer(std::uint64_t key)
  {
    const std::uint64_t bytes = size_.at(key);
    if (const auto below = find(below_, key); below != below_.end()) {
      if (bytes <= below->second) return;
      while (total(below_) - below->second + bytes > store_) {
        const auto victim = below_.begin() == below ? std::next(below) : below_.begin();
        if (victim == below_.end()) return;
        below_.erase(victim);
      }
      counts.bytes_written += bytes - below->second;
      below->second = bytes;
      return;
    }
    ++counts.offered;
    if (bytes > store_ || !door_.admits({}, nullptr)) return;
    ++counts.written;
    counts.bytes_written += bytes;
    while (total(below_) + bytes > store_) below_.pop_front();
    below_.emplace_back(key, bytes);
  }

  std::uint64_t memory_;
  std::uint64_t store_;
  std::map<std::uint64_t, std::uint64_t> size_;
  list above_;
  list below_;
  every_other door_;
};

template <class Below, bool RequestsCount>
void agrees_with_lists()
{
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::uint64_t memory = 200 + 100 * seed;
    const std::uint64_t store = 900;
    store_below_memory<Below, every_other> levels({.bytes = memory, .objects = 100}, {.bytes = store, .objects = 100});
    plain_levels<RequestsCount> plain(memory, store);
    std::map<std::uint64_t, std::uint64_t> length;
    for (int i = 0; i < 4000; ++i) {
      const std::uint64_t key = (std::min)(random() % 60, random() % 60);
      length[key] += 1 + random() % 9;  // they grow, some beyond the memory, some beyond the store
      levels.request({.user = user_id{key}, .bytes = length[key]});
      plain.request(key, length[key]);
      REQUIRE(levels.counts() == plain.counts);
      REQUIRE(levels.memory_bytes() <= memory);
      REQUIRE(levels.store_bytes() <= store);
    }
    REQUIRE(plain.counts.hits_below > 100);
    REQUIRE(plain.counts.written > 50);
  }
}

/// 40,000 requests in sessions of about two: half the sessions are of 400 regulars, the others of 20,000 who hardly
/// come twice. Over a memory of 50 and a store of 300 users. Whole numbers only, so the same everywhere.
template <class Admission>
[[nodiscard]] write_counts sessions(Admission door)
{
  store_below_memory<lru, Admission> levels({.bytes = 50, .objects = 50}, {.bytes = 300, .objects = 300},
                                            std::move(door));
  std::mt19937 random(11);
  std::array<std::uint64_t, 8> lately{};
  for (std::int64_t i = 0; i < 40'000; ++i) {
    std::uint64_t key = lately[random() % 8];
    if (random() % 2 == 0) {
      const bool regular = random() % 2 == 0;
      key = regular ? random() % 400 : 1'000 + random() % 20'000;
      lately[static_cast<std::size_t>(i) % 8] = key;
    }
    levels.request({.user = user_id{key}, .bytes = 1, .time_ms = 1'650'000'000'000 + i * 30'000});
  }
  return levels.counts();
}

constexpr tier_size store{.bytes = 300, .objects = 300};

}  // namespace

TEST_CASE("store_below_memory: counts what plain lists count, with users that grow")
{
  agrees_with_lists<fifo, false>();
  agrees_with_lists<lru, true>();
}

TEST_CASE("store_below_memory: who comes back by a write has not returned")
{
  // A policy with ghosts would take a write for a second use.
  store_below_memory<lru_k<2>> levels({.bytes = 1, .objects = 1}, {.bytes = 2, .objects = 2});
  for (int round = 0; round < 20; ++round) {
    for (std::uint64_t key = 0; key < 4; ++key) levels.request({.user = user_id{key}, .bytes = 1});
  }
  REQUIRE(levels.counts().requests == 80);
  REQUIRE(levels.counts().hits_above == 0);
  REQUIRE(levels.store_bytes() == 2);
}

TEST_CASE("on one trace of sessions: what each door writes, and what hits")
{
  const write_counts everybody = sessions(always{});
  const write_counts second = sessions(second_use(store));
  const write_counts two = sessions(lru_k_admission<2>(store));
  const write_counts five = sessions(lru_k_admission<5>(store));
  const write_counts worth = sessions(worth_writing(store));
  CAPTURE(everybody.written, everybody.hits_below, second.written, second.hits_below, two.written, two.hits_below);
  CAPTURE(five.written, five.hits_below, worth.written, worth.hits_below);
  REQUIRE(everybody.written == everybody.offered);
  for (const write_counts& one : {everybody, second, two, five, worth}) {
    REQUIRE(one.requests == 40'000);
    REQUIRE(one.hits_above == everybody.hits_above);  // the memory does not know its store
  }
  REQUIRE((everybody.written == 16'249 && everybody.hits_below == 3'181));
  REQUIRE((second.written == 1'009 && second.hits_below == 6'401));
  REQUIRE((two.written == 9'372 && two.hits_below == 3'564));
  REQUIRE((five.written == 1'897 && five.hits_below == 5'724));
  // 1,684 and 6,576 where floating point rounds as usual.
  REQUIRE((worth.written > 1'550 && worth.written < 1'850));
  REQUIRE((worth.hits_below > 6'500 && worth.hits_below < 6'650));
}

TEST_CASE("doors by their names do what the types do")
{
  const auto named = [](const char* name) { return sessions(*make_admission_named(name, store)); };
  REQUIRE(named("second_use") == sessions(second_use(store)));
  REQUIRE(named("lru_k_admission") == sessions(lru_k_admission<2>(store)));
  REQUIRE(named("worth_writing") == sessions(worth_writing(store)));
  REQUIRE_FALSE(make_admission_named("always", store));
  // 30 seconds a request, so a day is 2,880: the budget of one byte a second is never reached.
  REQUIRE(sessions(*make_admission_named("worth_writing", store, 1)) == named("worth_writing"));
  REQUIRE_THROWS_AS(make_admission_named("lru_k", store), config_error);
}
