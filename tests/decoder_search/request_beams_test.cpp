// The beams of a request, with logits that are a function of the prefix in the model's place: beside a naive search, beside
// all items, at the sizes of the papers.
#include "decoder/search/request_beams.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata_test::sentence_of;

namespace {

using tokens = std::vector<std::uint32_t>;

// The logit of a token behind a prefix: of the order of 1, and as good as random.
float logit_of(std::span<const std::uint32_t> prefix, std::uint32_t token)
{
  std::uint64_t x = 0x9e3779b97f4a7c15U + prefix.size();
  for (const std::uint32_t t : prefix) x = (x ^ t) * 0xbf58476d1ce4e5b9U + (x >> 29);
  x = (x ^ token) * 0x94d049bb133111ebU;
  x ^= x >> 31;
  return static_cast<float>(x >> 40) * 0x1p-22f - 2;
}

// Decodes with a request's own bookkeeping of lines, as a model's caller has it.
std::vector<found_item> decode(request_beams& beams, std::span<const std::uint32_t> codebooks,
                               std::shared_ptr<const catalogue> items, bool ascending, std::vector<float>& logits,
                               bool lists_ahead = false)
{
  std::vector<tokens> lines(1);
  beams.start(std::move(items));
  while (!beams.done()) {
    const std::uint32_t codebook = codebooks[beams.level()];
    logits.clear();
    REQUIRE(beams.width() == lines.size());
    for (const tokens& line : lines) {
      for (std::uint32_t t = 0; t < codebook; ++t) logits.push_back(logit_of(line, t));
    }
    if (lists_ahead) beams.list_allowed();
    beams.advance(logits, ascending);
    std::vector<tokens> next;
    for (std::size_t b = 0; b < beams.parents().size(); ++b) {
      if (ascending && b != 0) REQUIRE(beams.parents()[b - 1] <= beams.parents()[b]);
      next.push_back(lines[beams.parents()[b]]);
      next.back().push_back(beams.tokens()[b]);
    }
    lines = std::move(next);
  }
  const auto found = beams.found();
  std::set<tokens> all(lines.begin(), lines.end());
  REQUIRE(all.size() == lines.size());
  for (const found_item& f : found) {
    REQUIRE(all.contains(tokens(f.tokens.begin(), f.tokens.begin() + static_cast<std::ptrdiff_t>(codebooks.size()))));
  }
  return {found.begin(), found.end()};
}

double score_of_item(const catalogue& items, std::span<const std::uint32_t> tuple)
{
  double score = 0;
  std::uint32_t node = 0;
  for (std::uint32_t level = 0; level < tuple.size(); ++level) {
    double sum = 0;
    std::uint32_t next = 0;
    items.allowed(level, node, [&](std::uint32_t token, std::uint32_t child) {
      sum += std::exp(static_cast<double>(logit_of(tuple.first(level), token)));
      if (token == tuple[level]) next = child;
    });
    score += static_cast<double>(logit_of(tuple.first(level), tuple[level])) - std::log(sum);
    node = next;
  }
  return score;
}

}  // namespace

TEST_CASE("request beams: as wide as there are prefixes, the answer is every item, by its score")
{
  const std::uint32_t codebooks[] = {9, 8, 7, 6};
  const auto items = std::make_shared<const catalogue>(random_trie(1, codebooks, 500));
  const tokens tuples = random_tuples(1, codebooks, 500);
  std::vector<float> logits;
  for (const bool ascending : {false, true}) {
    request_beams beams(codebooks, {.widths = {9, 72, 500, 500}});
    const auto found = decode(beams, codebooks, items, ascending, logits);
    REQUIRE(found.size() == 500);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto tuple = std::span(tuples).subspan(std::size_t{found[i].item} * 4, 4);
      REQUIRE(static_cast<double>(found[i].score) == Approx(score_of_item(*items, tuple)).margin(1e-4));
      if (i != 0) REQUIRE(found[i].score <= found[i - 1].score);
    }
  }
}

TEST_CASE("request beams: the order that parents are in changes nothing that is found")
{
  const std::uint32_t codebooks[] = {100, 90, 80};
  const auto trie = random_trie(2, codebooks, 20'000);
  std::vector<std::uint64_t> bits((20'000 + 63) / 64, 0x5555'0000'ffff'1111U);
  const auto items = std::make_shared<const catalogue>(std::make_shared<const eligible_items>(trie, bits, 20'000));
  std::vector<float> logits;
  for (const std::size_t pre_cut : {std::size_t{0}, std::size_t{3}}) {
    const search_options how{.widths = {20, 64, 64}, .pre_cut = pre_cut};
    request_beams by_score(codebooks, how), by_parent(codebooks, how);
    const auto a = decode(by_score, codebooks, items, false, logits);
    const auto b = decode(by_parent, codebooks, items, true, logits);
    REQUIRE(a.size() == 64);
    REQUIRE(b.size() == 64);
    for (std::size_t i = 0; i < 64; ++i) {
      REQUIRE(a[i].item == b[i].item);
      REQUIRE(a[i].score == b[i].score);
      REQUIRE((bits[a[i].item / 64] >> (a[i].item % 64) & 1U) != 0);
    }
    CHECK(by_score.visited() <= by_score.listed());
  }
}

TEST_CASE("request beams: 1.52 million items of three and four tokens, 512 beams, all of them items")
{
  std::vector<tokens> shapes{{512, 512, 512}};
  const std::size_t count = kvstrata_test::effort > 1 ? 1'520'000 : 430'000;
  if (kvstrata_test::effort > 1) shapes.push_back({8192, 8192, 8192, 8192});
  std::vector<float> logits;
  for (const tokens& codebooks : shapes) {
    const auto items = std::make_shared<const catalogue>(random_trie(3, codebooks, count));
    search_options how{.widths = tokens(codebooks.size(), 512)};
    if (codebooks.size() == 3) how.widths = {128, 384, 512};  // that grow
    request_beams beams(codebooks, how);
    const auto found = decode(beams, codebooks, items, true, logits);
    REQUIRE(found.size() == 512);
    std::set<std::uint32_t> different;
    for (const found_item& f : found) {
      REQUIRE(different.insert(f.item).second);
      REQUIRE(items->items().find(std::span(f.tokens).first(codebooks.size())) == f.item);
    }
  }
}

TEST_CASE("request beams: without constraints most tuples are no items, and are told apart")
{
  const std::uint32_t codebooks[] = {30, 30, 30};
  const auto items = std::make_shared<const catalogue>(random_trie(4, codebooks, 5000));
  std::vector<float> logits;
  request_beams beams(codebooks, {.widths = {50, 50, 50}, .constrained = false});
  std::size_t valid = 0;
  for (const found_item& f : decode(beams, codebooks, items, false, logits)) {
    const auto item = items->items().find(std::span(f.tokens).first(3));
    REQUIRE(f.item == item.value_or(no_item));
    valid += item ? 1U : 0U;
  }
  CHECK(valid < 30);  // about one in five
  for (const found_item& f : decode(beams, codebooks, nullptr, false, logits)) CHECK(f.item == no_item);
}

TEST_CASE("request beams: the next request allocates nothing, and misuse changes nothing")
{
  const std::uint32_t codebooks[] = {20, 20};
  const auto items = std::make_shared<const catalogue>(random_trie(5, codebooks, 200));
  std::vector<float> first(20), second(20 * 10);
  for (std::uint32_t t = 0; t < 20; ++t) first[t] = logit_of({}, t);
  for (std::uint32_t i = 0; i < 200; ++i) second[i] = logit_of({}, i + 100);
  request_beams beams(codebooks, {.widths = {10, 15}});
  const auto once = [&] {
    beams.start(items);
    beams.advance(first, true);
    beams.advance(second, true);
    return beams.found().size();
  };
  CHECK(once() == 15);
  const std::size_t before = kvstrata_test::allocations();
  CHECK(once() == 15);
  CHECK(kvstrata_test::allocations() == before);

  CHECK(sentence_of<kvstrata::usage_error>([&] { beams.advance(first, true); }) ==
        "a request that is done has no beams to advance");
  CHECK(sentence_of<kvstrata::usage_error>([&] { beams.start(nullptr); }) ==
        "a search for valid items needs a catalogue, but it is null");
  CHECK(beams.found().size() == 15);
  beams.start(items);
  CHECK(sentence_of<kvstrata::usage_error>([&] { beams.advance(second, true); }) ==
        "1 beams have 20 logits of level 0, but there are 200");
  CHECK(beams.level() == 0);
  CHECK(beams.width() == 1);
}

TEST_CASE("request beams: with or without early termination, with lists made ahead or not, the beams are the same")
{
  const std::vector<std::uint32_t> codebooks{24, 24, 24};
  const auto trie = random_trie(3, codebooks, 3000);
  std::vector<std::uint64_t> some((trie->items() + 63) / 64, 0x3333333333333333U);
  some.back() &= (std::uint64_t{1} << trie->items() % 64) - 1;
  const auto eligible = std::make_shared<const eligible_items>(trie, some, trie->items());
  const std::shared_ptr<const catalogue> versions[] = {std::make_shared<const catalogue>(trie),
                                                       std::make_shared<const catalogue>(eligible)};
  std::vector<float> logits;
  for (const bool constrained : {true, false}) {
    for (const auto& items : versions) {
      search_options how{.widths = {8, 20, 20}, .constrained = constrained};
      request_beams usual(codebooks, how);
      const auto wanted = decode(usual, codebooks, items, false, logits);
      request_beams ahead(codebooks, how);
      const auto listed = decode(ahead, codebooks, items, false, logits, true);
      how.early_termination = false;
      request_beams all(codebooks, how);
      const auto thorough = decode(all, codebooks, items, true, logits);
      REQUIRE(listed.size() == wanted.size());
      REQUIRE(thorough.size() == wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        REQUIRE(listed[i].tokens == wanted[i].tokens);
        REQUIRE(thorough[i].tokens == wanted[i].tokens);
        REQUIRE(thorough[i].score == wanted[i].score);
      }
      CHECK(ahead.visited() == usual.visited());
      CHECK(usual.visited() < usual.candidates());
      CHECK(all.visited() == all.candidates());
      CHECK(all.candidates() == usual.candidates());
    }
  }
}
