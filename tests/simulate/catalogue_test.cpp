// Lists of candidates that are drawn: what is stated of them is so.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/simulate/catalogue.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace kvstrata;
using kvstrata_test::sentence_of;

TEST_CASE("catalogue: lists are what their configuration says", "[simulate][cluster]")
{
  const catalogue items({.items = 2000, .topics = 50, .candidates = 12, .own_share = 0.75, .users = 30});
  list_traffic traffic(items, 8, 3);
  list_traffic again(items, 8, 3);
  list_request one;
  list_request same;
  double last = 0;
  double own = 0;
  constexpr int requests = 4000;
  std::vector<std::uint32_t> asked(items.size());
  for (int r = 0; r < requests; ++r) {
    traffic.next(one);
    again.next(same);
    REQUIRE((one.items == same.items && one.seconds == same.seconds && one.user == same.user));
    REQUIRE(one.seconds > last);
    last = one.seconds;
    REQUIRE(one.items.size() == 12);
    REQUIRE(to_number(one.user) < 30);
    REQUIRE((one.history >= 200 && one.history <= items.config().longest_history));
    std::vector<std::uint32_t> sorted = one.items;
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    std::vector<int> of_topic(50);
    for (const std::uint32_t item : one.items) {
      REQUIRE(item < items.size());
      const token_count tokens = items.tokens_of(item);
      REQUIRE((tokens >= 50 && tokens <= 200));
      ++of_topic[items.topic_of(item)];
      ++asked[item];
    }
    own += *std::max_element(of_topic.begin(), of_topic.end());
  }
  // 9 of 12 are of the list's topic, and of the rest a few by chance; 8 come in a second.
  CHECK(own / requests / 12 > 0.75);
  CHECK(own / requests / 12 < 0.80);
  CHECK(std::abs(last * 8 / requests - 1) < 0.06);
  // In each topic the first is asked for most, and the last least.
  double first = 0;
  double rear = 0;
  for (std::uint32_t t = 0; t < 50; ++t) {
    first += asked[t];
    rear += asked[2000 - 50 + t];
  }
  CHECK(first > 3 * rear);
}

TEST_CASE("catalogue: heat moves to other topics when it is told to", "[simulate][cluster]")
{
  const catalogue items({.items = 4000, .topics = 100, .topic_exponent = 1, .users = 10});
  const auto hottest = [&](std::uint64_t heat) {
    list_traffic traffic(items, 1, 3, heat);
    list_request one;
    std::vector<int> asked(100);
    for (int r = 0; r < 500; ++r) {
      traffic.next(one);
      for (const std::uint32_t item : one.items) ++asked[items.topic_of(item)];
    }
    return std::max_element(asked.begin(), asked.end()) - asked.begin();
  };
  CHECK(hottest(0) == hottest(0));
  CHECK(hottest(0) != hottest(1));
}

TEST_CASE("catalogue: what makes no sense is refused in a sentence", "[simulate][cluster]")
{
  const auto refused = [](const catalogue_config& c) { return sentence_of<config_error>([&] { catalogue{c}; }); };
  CHECK(refused({.items = 0}) == "catalogue_config.items is 0, but it must be at least 1");
  CHECK(refused({.items = 10, .topics = 11}) == "catalogue_config.topics is 11, but it may be at most 10");
  CHECK(refused({.items = 100, .topics = 2, .candidates = 26}) ==
        "catalogue_config.candidates is 26, but it may be at most a quarter of the 100 items");
  CHECK(refused({.items = 100, .topics = 10, .candidates = 11}) ==
        "catalogue_config.candidates is 11, but a topic has only 10 items");
  CHECK(refused({.shortest = 201}) == "catalogue_config.shortest is 201, but it may be at most 200");
  CHECK(refused({.own_share = 1.5}) ==
        "catalogue_config.own_share is 1.500000, but it must lie between 0.000000 and 1.000000");
  const catalogue items{catalogue_config{}};
  CHECK(sentence_of<config_error>([&] { list_traffic(items, 0, 1); }) ==
        "requests_per_second is 0.000000, but it must be a finite number above 0");
}

TEST_CASE("catalogue: popularity that falls steeply still fills lists", "[simulate][cluster]")
{
  // The sixteenth item of a topic is asked for once in 10^12 draws: it comes when the fifteen before it are there.
  for (const double own_share : {0.0, 0.9, 1.0}) {
    const catalogue items({.items = 340,
                           .topics = 20,
                           .topic_exponent = 10,
                           .item_exponent = 10,
                           .candidates = 16,
                           .own_share = own_share,
                           .users = 3});
    list_traffic traffic(items, 8, 3);
    list_request one;
    for (int r = 0; r < 20; ++r) {
      traffic.next(one);
      std::vector<std::uint32_t> sorted = one.items;
      std::sort(sorted.begin(), sorted.end());
      REQUIRE(sorted.size() == 16);
      REQUIRE(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
      REQUIRE(sorted.back() < 340);
    }
  }
}
