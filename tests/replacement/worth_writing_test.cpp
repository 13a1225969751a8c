// worth_writing: what it promises of rates, price, budget, costs, room and sessions.
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/worth_writing.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <set>

namespace {

using namespace kvstrata;

constexpr std::int64_t hour_ms = 60 * 60 * 1000;

[[nodiscard]] object_info of(std::uint64_t key, std::int64_t time_ms = 0, std::uint64_t bytes = 1)
{
  return {.user = user_id{key}, .bytes = bytes, .time_ms = time_ms};
}

/// A store that forgets in the order of writing, and asks its door about who is not in it.
template <class Policy>
class queue_behind
{
 public:
  queue_behind(Policy& door, std::size_t objects) : door_(&door), objects_(objects) {}

  /// Was the user there? If not, they are offered.
  bool request(const object_info& info, bool offered = true)
  {
    door_->requested(info);
    if (there_.contains(info.user)) return true;
    if (!offered || !door_->admits(info, nullptr)) return false;
    ++written_;
    there_.insert(info.user);
    order_.push_back(info.user);
    if (order_.size() > objects_) {
      there_.erase(order_.front());
      order_.pop_front();
    }
    return false;
  }
  [[nodiscard]] std::uint64_t written() const { return written_; }
  [[nodiscard]] bool has(std::uint64_t key) const { return there_.contains(user_id{key}); }

 private:
  Policy* door_;
  std::size_t objects_;
  std::uint64_t written_ = 0;
  std::set<user_id> there_;
  std::deque<user_id> order_;
};

struct outcome
{
  std::uint64_t regular = 0;   ///< writes of users who come often
  std::uint64_t stranger = 0;  ///< and of users who come once
  std::uint64_t hits = 0;
};

/// A hundred users who come about every hour for five days, and as many strangers. The second half is counted.
template <class Policy>
[[nodiscard]] outcome regulars_and_strangers(Policy& policy, std::size_t objects, std::uint64_t bytes = 1)
{
  std::mt19937 random(7);
  outcome out;
  queue_behind store(policy, objects);
  std::uint64_t next_stranger = 1'000'000;
  for (std::int64_t i = 0; i < 24'000; ++i) {
    const std::int64_t now = 1'650'000'000'000 + i * hour_ms / 200;
    const bool regular = i % 2 == 0;
    const std::uint64_t before = store.written();
    const bool hit = store.request(of(regular ? random() % 100 : next_stranger++, now, bytes));
    if (i < 12'000) continue;
    out.hits += hit ? 1U : 0U;
    (regular ? out.regular : out.stranger) += store.written() - before;
  }
  return out;
}

struct dear
{
  static constexpr worth_writing_options options{.price = 1e6};
};

}  // namespace

TEST_CASE("worth_writing: who comes often comes in, who came once does not; at no price everybody")
{
  constexpr tier_size size{.bytes = 50, .objects = 50};
  worth_writing policy(size);
  const outcome in = regulars_and_strangers(policy, 50);
  worth_writing free(size, {.price = 0});
  const outcome all = regulars_and_strangers(free, 50);
  CAPTURE(in.regular, in.stranger, in.hits, all.hits);
  REQUIRE(all.stranger == 6'000);
  REQUIRE(all.regular + all.hits == 6'000);
  REQUIRE(in.stranger < 60);
  REQUIRE(in.hits > all.hits + 500);
  REQUIRE(in.regular < all.regular / 2);
}

TEST_CASE("worth_writing: the dearer the fewer, and somebody who was never requested not at any price")
{
  std::uint64_t before = std::numeric_limits<std::uint64_t>::max();
  for (const double price : {0.0, 0.25, 1.0, 4.0, 16.0, 256.0, 1e9}) {
    worth_writing policy({.bytes = 50, .objects = 50}, {.price = price});
    const outcome in = regulars_and_strangers(policy, 50);
    CAPTURE(price, in.regular, in.stranger);
    REQUIRE(in.regular + in.stranger <= before);
    before = in.regular + in.stranger;
    REQUIRE_FALSE(policy.admits(of(999'999'999), nullptr));
    REQUIRE(policy.price() == price);
  }
  REQUIRE(before == 0);
}

TEST_CASE("worth_writing: whose reads save more a byte than others' is worth a write that those are not")
{
  worth_writing policy({.bytes = 50, .objects = 50}, {.price = 2});
  queue_behind store(policy, 50);
  std::mt19937 random(3);
  std::uint64_t written[2] = {0, 0};  // whose reads save little, and much
  for (std::int64_t i = 0; i < 24'000; ++i) {
    const std::uint64_t key = random() % 400;
    object_info one = of(key, i * hour_ms / 200);
    one.recompute_seconds = key % 2 == 0 ? 0.1 : 1.9;
    const std::uint64_t before = store.written();
    static_cast<void>(store.request(one));
    if (i >= 4'000) written[key % 2] += store.written() - before;
  }
  CAPTURE(written[0], written[1]);
  REQUIRE(written[1] > 200);
  REQUIRE(written[0] < written[1] / 10);
}

TEST_CASE("worth_writing: in the long run no more than the budget; what is left goes to who comes often")
{
  // 25 writes an hour of 200 requests, where half the requests are worth it at the lowest price.
  constexpr std::uint64_t bytes = 3'600'000;
  constexpr std::uint64_t a_second = 25'000;
  worth_writing policy({.bytes = 50 * bytes, .objects = 50}, {.price = 0.01, .bytes_per_second = a_second});
  const outcome in = regulars_and_strangers(policy, 50, bytes);
  CAPTURE(in.regular, in.stranger, in.hits, policy.price());
  const std::uint64_t budget = 60 * 25;  // of the second half
  REQUIRE(in.regular + in.stranger <= budget + budget / 10);
  REQUIRE(in.regular + in.stranger >= budget - budget / 4);
  REQUIRE(in.regular > 5 * in.stranger);
  REQUIRE(policy.price() > 0.01);
}

TEST_CASE("worth_writing: requests that the memory above answers are one visit")
{
  // All come equally often. Where they ask thirty times in a row, a user is offered when three hundred requests have
  // gone by, as they leave the memory above. The thirty tell no more of returning than one.
  const auto writes = [](int in_a_row) {
    worth_writing policy({.bytes = 100, .objects = 100}, {.price = 3});
    std::mt19937 random(5);
    std::set<std::uint64_t> there;
    std::deque<std::uint64_t> order;
    std::deque<std::uint64_t> above;
    std::uint64_t written = 0;
    for (std::int64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t key = random() % 1000;
      for (int again = 0; again < in_a_row; ++again) policy.requested(of(key, i * hour_ms / 100));
      above.push_back(key);
      if (above.size() <= 10) continue;
      const std::uint64_t leaves = above.front();
      above.pop_front();
      if (there.contains(leaves) || !policy.admits(of(leaves, i * hour_ms / 100), nullptr)) continue;
      if (i >= 10'000) ++written;
      there.insert(leaves);
      order.push_back(leaves);
      if (order.size() > 100) {
        there.erase(order.front());
        order.pop_front();
      }
    }
    return written;
  };
  const std::uint64_t single = writes(1);
  const std::uint64_t sessions = writes(30);
  CAPTURE(single, sessions);
  REQUIRE(single > 50);
  REQUIRE(sessions < 2 * single);
}

TEST_CASE("worth_writing: options stand in the type as well; what cannot be is refused")
{
  basic_worth_writing<dear::options> typed({.bytes = 200, .objects = 200});
  const outcome none = regulars_and_strangers(typed, 200);
  REQUIRE(none.regular + none.stranger == 0);
  const tier_size one{.bytes = 1, .objects = 1};
  REQUIRE_THROWS_AS(worth_writing(one, {.price = -1}), config_error);
  REQUIRE_THROWS_AS(worth_writing(one, {.price = std::numeric_limits<double>::quiet_NaN()}), config_error);
  REQUIRE_THROWS_AS(worth_writing(one, {.price = std::numeric_limits<double>::infinity()}), config_error);
  REQUIRE_THROWS_AS(worth_writing(one, {.users = (std::uint64_t{1} << 31U) + 1}), config_error);
  REQUIRE(worth_writing({.bytes = 100, .objects = 100}).tracked() >= 800);
  REQUIRE(worth_writing({.bytes = 100, .objects = 100}, {.users = 64}).tracked() < 100);
}

TEST_CASE("worth_writing: takes any size, any time and none")
{
  constexpr std::uint64_t huge = ~std::uint64_t{0};
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, huge}) {
    worth_writing policy({.bytes = bytes, .objects = bytes == huge ? 16 : bytes}, {.bytes_per_second = 5});
    for (std::uint64_t i = 0; i < 500; ++i) {
      const std::int64_t time = i % 5 == 0 ? last : i % 5 == 1 ? -last : i % 5 == 2 ? 0 : static_cast<std::int64_t>(i);
      policy.requested(of(i % 7, time, i % 3 == 0 ? huge : 0));
      static_cast<void>(policy.admits(of(i % 9, time, i % 4 == 0 ? huge : i % 2), nullptr));
      REQUIRE(policy.price() >= 0);
      REQUIRE(policy.price() < 1e40);
    }
  }
}
