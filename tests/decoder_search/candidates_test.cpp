// Candidates of one beam: probabilities over the allowed tokens or all of them, list and mask, the pre-cut, odd logits.
#include "decoder/search/candidate_list.hpp"
#include "decoder/search/order.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata_test::sentence_of;

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

std::vector<float> gaussian(std::mt19937_64& random, std::size_t count, float deviation = 1)
{
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> out(count);
  for (float& x : out) x = normal(random);
  return out;
}

double exact_log_sum_exp(const std::vector<float>& logits)
{
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const float x : logits) most = std::max(most, static_cast<double>(x));
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - most);
  return most + std::log(sum);
}

std::vector<std::uint64_t> copy(std::span<const std::uint64_t> keys) { return {keys.begin(), keys.end()}; }

}  // namespace

TEST_CASE("log sum exp: beside double precision, at any size and scale")
{
  std::mt19937_64 random(1);
  for (const std::size_t count : {1U, 2U, 7U, 16U, 17U, 31U, 512U, 8191U, 8192U}) {
    for (const float scale : {0.0f, 1.0f, 20.0f, 1e4f}) {
      auto logits = gaussian(random, count, scale);
      for (float& x : logits) x += 50;
      const double exact = exact_log_sum_exp(logits);
      REQUIRE(std::abs(static_cast<double>(log_sum_exp(logits)) - exact) <= 1e-6 * (1 + std::abs(exact)));
    }
  }
  CHECK(log_sum_exp({}) == -infinite);
  CHECK(log_sum_exp(std::vector<float>(40, -infinite)) == -infinite);
  auto logits = gaussian(random, 100);
  const float before = log_sum_exp(logits);
  logits.insert(logits.end(), 60, -infinite);
  CHECK(log_sum_exp(logits) == Approx(before).epsilon(1e-6));
  logits[77] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(log_sum_exp(logits)));
  CHECK(std::isnan(log_sum_exp(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), -infinite})));
}

TEST_CASE("candidates: allowed tokens alone, as list and as mask, with either normaliser")
{
  std::mt19937_64 random(2);
  const std::uint32_t codebooks[] = {40, 130, 70};
  const auto trie = random_trie(3, codebooks, 3000);
  std::vector<std::uint64_t> bits((trie->items() + 63) / 64);
  for (std::uint64_t& word : bits) word = random() & random();
  const catalogue all(trie);
  const catalogue some(std::make_shared<const eligible_items>(trie, bits, trie->items()));
  candidate_list list, masked;
  for (int round = 0; round < 300; ++round) {
    const catalogue& items = round % 2 == 0 ? all : some;
    const auto level = static_cast<std::uint32_t>(random() % 3);
    const auto node = static_cast<std::uint32_t>(random() % trie->nodes(level));
    const auto logits = gaussian(random, codebooks[level], 3);
    const beam_score beam{.score = -2.5f, .node = node, .index = static_cast<std::uint32_t>(random() % 50)};
    list_options how{.over = round % 3 == 0 ? normaliser::full_vocabulary : normaliser::allowed_only,
                     .most = round % 5 == 0 ? random() % 6 : 0};

    std::vector<std::uint32_t> tokens;
    std::vector<float> allowed;
    items.allowed(level, node, [&](std::uint32_t token, std::uint32_t child) {
      REQUIRE(trie->child(level, node, token) == child);
      tokens.push_back(token);
      allowed.push_back(logits[token]);
    });
    const double norm = exact_log_sum_exp(how.over == normaliser::full_vocabulary ? logits : allowed);
    const auto keys = copy(list.of(beam, logits, items, level, how));
    REQUIRE(keys.size() == (how.most == 0 ? tokens.size() : std::min(how.most, tokens.size())));
    REQUIRE(std::is_sorted(keys.rbegin(), keys.rend()));
    double mass = 0;
    for (const std::uint64_t key : keys) {
      const std::uint32_t token = flat_of(key) - beam.index * codebooks[level];
      REQUIRE(std::binary_search(tokens.begin(), tokens.end(), token));
      const double exact = -2.5 + static_cast<double>(logits[token]) - norm;
      REQUIRE(std::abs(static_cast<double>(score_of(key)) - exact) < 2e-5);
      mass += std::exp(static_cast<double>(score_of(key)) + 2.5);
    }
    if (how.over == normaliser::allowed_only && how.most == 0 && !tokens.empty())
      REQUIRE(mass == Approx(1).epsilon(1e-4));

    std::vector<std::uint64_t> mask((codebooks[level] + 63) / 64, ~std::uint64_t{0});
    items.mask(level, node, mask);
    REQUIRE(copy(masked.of(beam, logits, mask, how)) == keys);
    if (keys.size() > 1) {  // a floor leaves out what is not above it
      how.floor = keys[keys.size() / 2];
      REQUIRE(copy(list.of(beam, logits, items, level, how)) ==
              std::vector<std::uint64_t>(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2)));
    }
  }
}

TEST_CASE("candidates: a mask is a mask, however good the logits of what it leaves out are")
{
  // Additive -10,000 would let token 0 win here.
  const std::vector<float> logits{1e6f, -5e5f, infinite, std::numeric_limits<float>::quiet_NaN()};
  const std::uint64_t only_one[] = {0b0010};
  candidate_list list;
  const auto keys = list.of({}, logits, only_one, {});
  REQUIRE(keys.size() == 1);
  CHECK(flat_of(keys[0]) == 1);
  CHECK(score_of(keys[0]) == 0.0f);  // the only one there is: probability 1
  const std::uint64_t beyond[] = {~std::uint64_t{0xf}};
  CHECK(list.of({}, logits, beyond, {}).empty());
}

TEST_CASE("candidates: without a catalogue all tokens are, and what has no probability comes last")
{
  std::mt19937_64 random(4);
  auto logits = gaussian(random, 100);
  logits[3] = -infinite;
  candidate_list list;
  const auto keys = copy(list.of({.score = -1, .index = 2}, logits, {}));
  REQUIRE(keys.size() == 100);
  CHECK(flat_of(keys.back()) == 203);
  CHECK(score_of(keys.back()) == -infinite);
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  CHECK(flat_of(keys[0]) == 200 + static_cast<std::uint32_t>(best));
  CHECK(copy(list.of({.score = -1, .index = 2}, logits, {.most = 10})) ==
        std::vector<std::uint64_t>(keys.begin(), keys.begin() + 10));
  // Where nothing has any probability, all tie, and the lower token goes first.
  const auto none = copy(list.of({}, std::vector<float>(5, -infinite), {}));
  for (std::uint32_t i = 0; i < 5; ++i) {
    CHECK(flat_of(none[i]) == i);
    CHECK(score_of(none[i]) == -infinite);
  }
  logits[7] = std::numeric_limits<float>::quiet_NaN();  // nobody's probability is known
  for (const std::uint64_t key : list.of({}, logits, {})) REQUIRE(std::isnan(score_of(key)));
}

TEST_CASE("candidates: sums that round to the same are in order all the same")
{
  // At -2^24, logits a quarter apart are one score: lists are ordered by what is selected by, score and flat index.
  candidate_list list;
  const std::vector<float> logits{0.0f, 0.25f, 0.5f, 0.25f};
  const auto keys = list.of({.score = -16'777'216.0f}, logits, {});
  REQUIRE(std::is_sorted(keys.rbegin(), keys.rend()));
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(flat_of(keys[i]) == i);
}

TEST_CASE("candidates: logits and masks of another length are refused")
{
  const std::uint32_t codebooks[] = {40, 130};
  const catalogue items(random_trie(5, codebooks, 100));
  candidate_list list;
  CHECK(sentence_of<kvstrata::usage_error>([&] {
          static_cast<void>(list.of({}, std::vector<float>(41), items, 0, {}));
        }) == "level 0 of the catalogue has 40 tokens, but there are 41 logits");
  std::vector<std::uint64_t> mask(2);
  CHECK(sentence_of<kvstrata::usage_error>([&] {
          static_cast<void>(list.of({}, std::vector<float>(130), mask, {}));
        }) == "a mask of 130 tokens has 3 words, but this one has 2");
  mask.assign(2, 7);
  CHECK(sentence_of<kvstrata::usage_error>([&] { items.mask(1, 0, mask); }) ==
        "a mask of level 1 has 3 words, but this one has 2");
  CHECK(mask == std::vector<std::uint64_t>(2, 7));
}
