// Beam search from prompts in pages, beside a naive one that recomputes every beam from scratch, and beside scoring all items.
#include "decoder/naive_search.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::ancestor_indexed;
using kvstrata::reorder_in_place;

namespace {

// Runs the search, and compares what request r found with the naive one's. Counts how many compared to the last beam.
template <class Layout>
int compare(scene& s, const search_options& how, const std::shared_ptr<const catalogue>& items)
{
  beam_search<Layout> search(s.m, how);
  pages scratch = s.scratch(search);
  search.start(s.prompts.kv.view(), scratch.view(), items);
  search.run();
  REQUIRE(search.done());
  int whole = 0;
  for (std::size_t r = 0; r < search.size(); ++r) {
    const naive_result naive = naive_search(s.m, s.prompts.tokens[r], items.get(), how);
    const auto found = search.found(r);
    REQUIRE(found.size() == naive.beams.size());
    std::map<token_line, double> expected;
    for (const naive_beam& b : naive.beams) expected[b.line] = b.score;
    std::set<token_line> lines;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const token_line line(found[i].tokens.begin(),
                            found[i].tokens.begin() + static_cast<std::ptrdiff_t>(how.widths.size()));
      REQUIRE(lines.insert(line).second);  // no beam twice
      if (items != nullptr) REQUIRE(items->items().find(line).value_or(no_item) == found[i].item);
      if (how.constrained) REQUIRE(found[i].item != no_item);
      if (i != 0) REQUIRE(found[i].score <= found[i - 1].score);
      REQUIRE(static_cast<double>(found[i].score) == Approx(naive.beams[i].score).margin(2e-4));
      if (naive.gap < 4e-4) continue;  // so near that rounding may select another
      REQUIRE(expected.contains(line));
      REQUIRE(static_cast<double>(found[i].score) == Approx(expected[line]).margin(2e-4));
    }
    whole += naive.gap < 4e-4 ? 0 : 1;
  }
  return whole;
}

}  // namespace

TEMPLATE_TEST_CASE("beam search: equal to a naive one that recomputes every beam, with no cache", "", reorder_in_place,
                   ancestor_indexed)
{
  const config c = tiny({8, 11, 9});
  scene s(c, {21, 0, 1, 40}, 3);
  const auto trie = random_trie(5, c.codebooks, 300);
  const auto items = std::make_shared<const catalogue>(trie);
  std::vector<std::uint64_t> bits((300 + 63) / 64);
  for (std::uint64_t& word : bits) word = s.random() & s.random();
  const auto some = std::make_shared<const catalogue>(std::make_shared<const eligible_items>(trie, bits, 300));
  int whole = 0;
  whole += compare<TestType>(s, {.widths = {4, 4, 4}}, items);
  whole += compare<TestType>(s, {.widths = {1, 1, 1}}, items);
  whole += compare<TestType>(s, {.widths = {2, 2, 2}}, some);
  whole += compare<TestType>(s, {.widths = {3, 9, 5}}, items);  // that grow, and shrink
  whole += compare<TestType>(s, {.widths = {6, 6, 6}, .pre_cut = 2}, items);
  whole += compare<TestType>(s, {.widths = {5, 5, 5}, .over = normaliser::full_vocabulary}, some);
  whole += compare<TestType>(s, {.widths = {5, 5, 5}, .constrained = false}, items);
  whole += compare<TestType>(s, {.widths = {5, 5, 5}, .constrained = false}, nullptr);
  CHECK(whole >= 24);  // of 32
}

TEMPLATE_TEST_CASE("beam search: of depth 4, depth 1, and at a width of 512", "", reorder_in_place, ancestor_indexed)
{
  int whole = 0;
  {
    const config c = tiny({5, 4, 6, 5}, 7);
    scene s(c, {13}, 4);
    whole += compare<TestType>(s, {.widths = {3, 6, 6, 6}},
                               std::make_shared<const catalogue>(random_trie(2, c.codebooks, 200)));
  }
  {
    const config c = tiny({30}, 8);
    scene s(c, {9}, 5);
    whole += compare<TestType>(s, {.widths = {7}}, std::make_shared<const catalogue>(random_trie(2, c.codebooks, 20)));
  }
  {
    const config c = tiny({40, 40, 40}, 9);
    scene s(c, {6}, 6);
    compare<TestType>(s, {.widths = {512, 512, 512}},
                      std::make_shared<const catalogue>(random_trie(2, c.codebooks, 3000)));  // its gap is what it is
  }
  CHECK(whole == 2);
}

TEMPLATE_TEST_CASE("beam search: as wide as there are prefixes, it is scoring all items one by one", "",
                   reorder_in_place, ancestor_indexed)
{
  const config c = tiny({6, 7, 5});
  scene s(c, {18}, 11);
  const auto trie = random_trie(3, c.codebooks, 120);
  const auto items = std::make_shared<const catalogue>(trie);
  const search_options how{.widths = {6, 42, 120}};
  beam_search<TestType> search(s.m, how);
  pages scratch = s.scratch(search);
  search.start(s.prompts.kv.view(), scratch.view(), items);
  search.run();
  const auto found = search.found(0);
  REQUIRE(found.size() == 120);
  std::map<std::uint32_t, float> scores;
  for (const found_item& f : found) scores[f.item] = f.score;
  REQUIRE(scores.size() == 120);
  const token_line tuples = random_tuples(3, c.codebooks, 120);
  for (std::uint32_t item = 0; item < 120; ++item) {  // by itself: the chain rule over its own tokens
    double score = 0;
    naive_beam prefix;
    for (std::size_t level = 0; level < 3; ++level) {
      for (const naive_beam& next : continued(s.m, s.prompts.tokens[0], prefix, items.get(), how)) {
        if (next.line.back() == tuples[item * 3 + level]) {
          score = next.score;
          prefix = next;
          break;
        }
      }
    }
    REQUIRE(static_cast<double>(scores[item]) == Approx(score).margin(2e-4));
  }
}
