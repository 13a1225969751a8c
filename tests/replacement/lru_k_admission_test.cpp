// lru_k_admission: what it lets in is what a cache would hold that is kept by the times of all requests, sorted anew.
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/lru_k_admission.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;

[[nodiscard]] object_info of(std::uint64_t key, std::uint64_t bytes = 1)
{
  return {.user = user_id{key}, .bytes = bytes};
}

/// Keeps every request of those it tracks, and looks through everybody each time.
class naive_lru_k_cache
{
 public:
  naive_lru_k_cache(std::size_t k, std::uint64_t bytes, std::size_t users) : k_(k), bytes_(bytes), users_(users) {}

  void requested(std::uint64_t key, std::uint64_t bytes)
  {
    if (!times_.contains(key) && times_.size() == users_) {
      const auto oldest = std::min_element(
          times_.begin(), times_.end(), [](const auto& a, const auto& b) { return a.second.back() < b.second.back(); });
      cached_.erase(oldest->first);
      times_.erase(oldest);
    }
    times_[key].push_back(++now_);
    if (times_[key].size() >= k_) hold(key, bytes);
  }

  [[nodiscard]] bool admits(std::uint64_t key, std::uint64_t bytes)
  {
    if (!cached_.contains(key)) return false;
    hold(key, bytes);
    return cached_.contains(key);
  }

  [[nodiscard]] std::size_t cached() const { return cached_.size(); }

 private:
  [[nodiscard]] std::uint64_t last_but(std::uint64_t key) const { return times_.at(key)[times_.at(key).size() - k_]; }

  void hold(std::uint64_t key, std::uint64_t bytes)
  {
    if (bytes > bytes_) {
      cached_.erase(key);
      return;
    }
    cached_[key] = bytes;
    const auto total = [this] {
      std::uint64_t sum = 0;
      for (const auto& [user, size] : cached_) sum += size;
      return sum;
    };
    while (total() > bytes_) {
      cached_.erase(std::min_element(cached_.begin(), cached_.end(), [this](const auto& a, const auto& b) {
        return last_but(a.first) < last_but(b.first);
      }));
    }
  }

  std::size_t k_;
  std::uint64_t bytes_;
  std::size_t users_;
  std::uint64_t now_ = 0;
  std::map<std::uint64_t, std::vector<std::uint64_t>> times_;
  std::map<std::uint64_t, std::uint64_t> cached_;
};

template <std::size_t K>
void agrees_with_the_naive_one()
{
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    CAPTURE(K, seed);
    std::mt19937 random(seed);
    const std::uint64_t users = seed % 2 == 0 ? 1000 : 20 + 3 * seed;  // room for all, and for some
    const tier_size size{.bytes = 300 + 100 * seed, .objects = 64};
    lru_k_admission<K> policy(size, users);
    naive_lru_k_cache naive(K, size.bytes, users);
    std::uint32_t admitted = 0;
    for (int i = 0; i < 4000; ++i) {
      // Some come often, some hardly ever; now and then one larger than the tier.
      const std::uint64_t key = (std::min)(random() % 80, random() % 80);
      const std::uint64_t bytes = random() % 500 == 0 ? size.bytes + 1 : 1 + random() % 60;
      policy.requested(of(key, bytes));
      naive.requested(key, bytes);
      const std::uint64_t asks = random() % 2 == 0 ? key : random() % 90;
      const std::uint64_t grown = bytes + random() % 10;
      const object_info victim = of(random() % 80);
      const bool expected = naive.admits(asks, grown);
      admitted += expected ? 1U : 0U;
      REQUIRE(policy.admits(of(asks, grown), random() % 2 == 0 ? &victim : nullptr) == expected);
      REQUIRE(policy.above_the_bar() == naive.cached());
    }
    REQUIRE(admitted > (users == 1000 ? 50U : 0U));
    REQUIRE(admitted < 4000);
  }
}

}  // namespace

TEST_CASE("lru_k_admission: lets in who would be in an LRU-K cache of the tier's bytes, exactly")
{
  agrees_with_the_naive_one<1>();
  agrees_with_the_naive_one<2>();
  agrees_with_the_naive_one<3>();
  agrees_with_the_naive_one<7>();
}

TEST_CASE("lru_k_admission: K requests, the first of them newer than the oldest such in the cache")
{
  lru_k_admission<2> policy({.bytes = 2, .objects = 2});
  const auto ask = [&policy](std::uint64_t key) { policy.requested(of(key)); };
  const auto in = [&policy](std::uint64_t key) { return policy.admits(of(key), nullptr); };
  REQUIRE_FALSE(in(1));  // never heard of
  ask(1);
  REQUIRE_FALSE(in(1));  // once only, though there is room
  ask(1);
  REQUIRE(in(1));
  ask(2);
  ask(3);
  ask(3);
  REQUIRE((in(1) && in(3)));
  ask(2);  // whose last but one is newer than 1's: 1 goes below the bar
  REQUIRE_FALSE(in(1));
  REQUIRE((in(2) && in(3)));
  ask(1);  // last but one: its second request, older than 2's first
  REQUIRE_FALSE(in(1));
  ask(1);
  REQUIRE(in(1));
  REQUIRE_FALSE(in(2));
}

TEST_CASE("lru_k_admission: any size; what is larger than the tier stays out; refuses more than can be numbered")
{
  constexpr std::uint64_t huge = ~std::uint64_t{0};
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, huge}) {
    lru_k_admission<2> policy({.bytes = bytes, .objects = bytes == huge ? 16 : bytes});
    REQUIRE(policy.tracked() >= 1);
    for (std::uint64_t i = 0; i < 200; ++i) {
      policy.requested(of(i % 7, i % 3 == 0 ? huge : 5));
      const bool in = policy.admits(of(i % 7, 5), nullptr);
      if (bytes < 5) REQUIRE_FALSE(in);
    }
  }
  REQUIRE_THROWS_AS(lru_k_admission<2>({.bytes = 1, .objects = 1}, (std::uint64_t{1} << 31U) + 1), config_error);
}

TEST_CASE("lru_k_admission: tracks four users an object unless told")
{
  REQUIRE(lru_k_admission<3>({.bytes = 1 << 20, .objects = 4096}).tracked() == 4 * 4096);
  REQUIRE(lru_k_admission<3>({.bytes = 10, .objects = 4096}).tracked() == 40);
  REQUIRE(lru_k_admission<3>({.bytes = 1 << 20, .objects = 4096}, 77).tracked() == 77);
}
