// Selecting beams: the heap beside a full sort, what it looks at, the order of scores.
#include "decoder/search/beam_selector.hpp"
#include "decoder/search/candidate_list.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace decoder;
using kvstrata_test::sentence_of;

namespace {

using lists = std::vector<std::vector<std::uint64_t>>;

std::vector<std::uint64_t> full_sort(const lists& all, std::size_t width)
{
  std::vector<std::uint64_t> keys;
  for (const auto& list : all) keys.insert(keys.end(), list.begin(), list.end());
  std::sort(keys.begin(), keys.end(), std::greater<>());
  keys.resize(std::min(width, keys.size()));
  return keys;
}

std::vector<std::uint64_t> selected(beam_selector& selector, const lists& all, std::size_t width)
{
  selector.start(width);
  for (const auto& list : all) selector.take(list);
  const auto keys = selector.finish();
  return {keys.begin(), keys.end()};
}

// Lists of `beams` beams with up to `each` candidates and scores out of `draw`.
template <class Draw>
lists random_lists(std::mt19937_64& random, std::size_t beams, std::size_t each, Draw draw)
{
  lists all(beams);
  for (std::size_t b = 0; b < beams; ++b) {
    const std::size_t count = random() % (each + 1);
    for (std::size_t i = 0; i < count; ++i) {
      all[b].push_back(key_of(draw(), static_cast<std::uint32_t>(b * each + i)));
    }
    std::sort(all[b].begin(), all[b].end(), std::greater<>());
  }
  return all;
}

}  // namespace

TEST_CASE("order: scores order as numbers do, zeros are one, NaN is last")
{
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const float rising[] = {-inf,
                          std::numeric_limits<float>::lowest(),
                          -1.5f,
                          -std::numeric_limits<float>::min(),
                          -std::numeric_limits<float>::denorm_min(),
                          0.0f,
                          std::numeric_limits<float>::denorm_min(),
                          1.0f,
                          std::numeric_limits<float>::max(),
                          inf};
  for (std::size_t i = 0; i + 1 < std::size(rising); ++i) CHECK(ordered(rising[i]) < ordered(rising[i + 1]));
  for (const float x : rising) CHECK(score_of_order(ordered(x)) == x);
  CHECK(ordered(-0.0f) == ordered(0.0f));
  CHECK(key_of(-0.0f, 3) > key_of(0.0f, 4));  // the lower flat index, not the sign
  CHECK(ordered(nan) == ordered(-nan));
  CHECK(ordered(nan) == ordered(std::bit_cast<float>(0x7f800001U)));
  CHECK(ordered(nan) < ordered(-inf));
  CHECK(std::isnan(score_of(key_of(nan, 7))));
  CHECK(key_of(1.0f, 3) > key_of(1.0f, 4));
  CHECK(flat_of(key_of(-2.0f, 123'456)) == 123'456);
  CHECK(score_of(key_of(-2.0f, 123'456)) == -2.0f);
  CHECK(key_of(nan, 0xfffffffe) > 0);
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto a = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    const auto b = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(a) || std::isnan(b)) continue;
    REQUIRE((a < b) == (ordered(a) < ordered(b)));
  }
}

TEST_CASE("selection: the heap selects what a full sort does, ties, NaN and infinities included")
{
  std::mt19937_64 random(2);
  std::normal_distribution<float> normal;
  const float odd[] = {0.0f,
                       -0.0f,
                       1.0f,
                       -1.0f,
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity(),
                       std::numeric_limits<float>::quiet_NaN()};
  beam_selector selector;
  for (int round = 0; round < 600; ++round) {
    const std::size_t width = round % 5 == 0 ? 1 : 1 + random() % 40;
    const lists all = random_lists(random, 1 + random() % 12, 1 + random() % 30, [&] {
      return round % 3 == 0   ? odd[random() % std::size(odd)]
             : round % 3 == 1 ? static_cast<float>(random() % 4)
                              : normal(random);
    });
    REQUIRE(selected(selector, all, width) == full_sort(all, width));
  }
}

TEST_CASE("selection: with the floor, lists may leave out what cannot enter")
{
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  beam_selector selector;
  std::uint64_t left_out = 0;
  for (int round = 0; round < 100; ++round) {
    const lists all = random_lists(random, 8, 50, [&] { return normal(random); });
    selector.start(20);
    for (auto list : all) {
      const std::uint64_t floor = selector.floor();
      left_out += static_cast<std::uint64_t>(std::erase_if(list, [&](std::uint64_t key) { return key <= floor; }));
      selector.take(list);
    }
    const auto keys = selector.finish();
    REQUIRE(std::vector<std::uint64_t>(keys.begin(), keys.end()) == full_sort(all, 20));
  }
  CHECK(left_out > 5000);
}

TEST_CASE("selection: at 512 beams of 512 candidates each, at most 2.5 % are looked at")
{
  // Gaussian logits over a codebook of 8,192, the best 512 of each beam; beams as the first step leaves them.
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal;
  constexpr std::size_t width = 512, codebook = 8192;
  std::vector<float> logits(codebook);
  candidate_list list;
  beam_selector selector;
  for (float& x : logits) x = normal(random);
  selector.start(width);
  selector.take(list.of({}, logits, {.most = width}));
  std::vector<float> scores;
  for (const std::uint64_t key : selector.finish()) scores.push_back(score_of(key));
  lists all;
  for (std::uint32_t b = 0; b < width; ++b) {
    for (float& x : logits) x = normal(random);
    const auto keys = list.of({.score = scores[b], .index = b}, logits, {.most = width});
    all.emplace_back(keys.begin(), keys.end());
    REQUIRE(keys.size() == width);
  }
  REQUIRE(selected(selector, all, width) == full_sort(all, width));
  CHECK(selector.visited() <= width * width / 40);
  CHECK(selector.visited() >= width);  // they were selected, after all
}

TEST_CASE("selection: in steady state nothing is allocated, and a width of 0 is refused")
{
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  const lists all = random_lists(random, 16, 64, [&] { return normal(random); });
  std::vector<float> logits(300);
  for (float& x : logits) x = normal(random);
  beam_selector selector;
  candidate_list list;
  const auto once = [&](std::size_t width) {
    selector.start(width);
    for (const auto& l : all) selector.take(l);
    selector.take(list.of({.index = 100}, logits, {.most = 20, .floor = selector.floor()}));
    return selector.finish().size();
  };
  CHECK(once(64) == 64);
  const std::size_t before = kvstrata_test::allocations();
  CHECK(once(64) == 64);
  CHECK(once(7) == 7);
  CHECK(kvstrata_test::allocations() == before);
  CHECK(sentence_of<kvstrata::usage_error>([&] { selector.start(0); }) ==
        "a selection of 0 beams selects nothing: the width must be at least 1");
}
