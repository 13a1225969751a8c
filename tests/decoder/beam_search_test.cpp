// Beam search from prompts in pages, beside a naive one that recomputes every beam from scratch, and beside scoring all items.
#include "decoder/beam_search.hpp"
#include "decoder/fixture.hpp"
#include "decoder/reference.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::ancestor_indexed;
using kvstrata::reorder_in_place;
using kvstrata_test::sentence_of;

namespace {

using tokens = std::vector<std::uint32_t>;

struct naive_beam
{
  tokens line;
  double score = 0;
};

// log-probabilities of what may follow a line: recomputed from scratch.
std::vector<naive_beam> continued(const model& m, const tokens& history, const naive_beam& beam, const catalogue* items,
                                  const search_options& how)
{
  const row logits = recompute(m, history, 0, true, beam.line).logits;
  std::vector<std::uint32_t> allowed;
  if (how.constrained) {
    std::uint32_t node = 0;
    for (std::uint32_t level = 0; level < beam.line.size(); ++level)
      node = *items->items().child(level, node, beam.line[level]);
    items->allowed(static_cast<std::uint32_t>(beam.line.size()), node,
                   [&](std::uint32_t t, std::uint32_t) { allowed.push_back(t); });
  } else {
    allowed.resize(logits.size());
    std::iota(allowed.begin(), allowed.end(), 0U);
  }
  double sum = 0;
  for (std::size_t t = 0; t < logits.size(); ++t) {
    const bool counts = how.over == normaliser::full_vocabulary ||
                        std::binary_search(allowed.begin(), allowed.end(), static_cast<std::uint32_t>(t));
    if (counts) sum += std::exp(logits[t]);
  }
  std::vector<naive_beam> out;
  for (const std::uint32_t t : allowed) {
    out.push_back({beam.line, beam.score + logits[t] - std::log(sum)});
    out.back().line.push_back(t);
  }
  return out;
}

struct naive_result
{
  std::vector<naive_beam> beams;
  double gap = std::numeric_limits<double>::infinity();  // the least distance of what was selected from what was not
};

naive_result naive_search(const model& m, const tokens& history, const catalogue* items, const search_options& how)
{
  naive_result out{{naive_beam{}}};
  const auto best_first = [](const naive_beam& a, const naive_beam& b) { return a.score > b.score; };
  for (const std::uint32_t width : how.widths) {
    std::vector<naive_beam> all;
    for (const naive_beam& beam : out.beams) {
      auto next = continued(m, history, beam, items, how);
      std::sort(next.begin(), next.end(), best_first);
      if (how.pre_cut != 0 && !beam.line.empty() && next.size() > how.pre_cut) {
        out.gap = std::min(out.gap, next[how.pre_cut - 1].score - next[how.pre_cut].score);
        next.resize(how.pre_cut);
      }
      all.insert(all.end(), next.begin(), next.end());
    }
    std::sort(all.begin(), all.end(), best_first);
    if (all.size() > width) {
      out.gap = std::min(out.gap, all[width - 1].score - all[width].score);
      all.resize(width);
    }
    out.beams = std::move(all);
  }
  return out;
}

// A model, prompts in its pages and a catalogue.
struct scene
{
  model m;
  generator random;
  prompts_in_pages prompts;

  scene(const config& c, const std::vector<kvstrata::token_count>& lengths, std::uint64_t seed)
      : m(c, 2), random(seed), prompts(random, m, lengths, 8)
  {
  }

  template <class Layout>
  pages scratch(const beam_search<Layout>& search)
  {
    return {random, m.shape(), 4, std::vector<kvstrata::token_count>(prompts.tokens.size(), search.scratch_rows())};
  }
};

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
    std::map<tokens, double> expected;
    for (const naive_beam& b : naive.beams) expected[b.line] = b.score;
    std::set<tokens> lines;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const tokens line(found[i].tokens.begin(),
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
  const tokens tuples = random_tuples(3, c.codebooks, 120);
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

TEMPLATE_TEST_CASE("beam search: fewer valid items than beams, one item, none that may be shown", "", reorder_in_place,
                   ancestor_indexed)
{
  const config c = tiny({8, 8, 8});
  scene s(c, {12, 5}, 13);
  beam_search<TestType> search(s.m, {.widths = {64, 64, 64}});
  pages scratch = s.scratch(search);
  const auto trie = random_trie(7, c.codebooks, 40);
  const auto found_of = [&](const std::shared_ptr<const catalogue>& items) {
    search.start(s.prompts.kv.view(), scratch.view(), items);
    search.run();
    std::set<std::uint32_t> found;
    for (const found_item& f : search.found(1)) found.insert(f.item);
    REQUIRE(found.size() == search.found(1).size());
    REQUIRE(search.found(0).size() == search.found(1).size());
    return found;
  };
  CHECK(found_of(std::make_shared<const catalogue>(trie)).size() == 40);
  const tokens one{3, 0, 7};
  const auto single = std::make_shared<const catalogue>(std::make_shared<const item_trie>(c.codebooks, one));
  CHECK(found_of(single) == std::set<std::uint32_t>{0});
  CHECK(search.found(0)[0].score == 0.0f);  // nothing else could have been
  const std::uint64_t few = 1U << 4 | 1U << 17 | 1U << 18;
  CHECK(found_of(std::make_shared<const catalogue>(std::make_shared<const eligible_items>(
            trie, std::span(&few, 1), 40))) == std::set<std::uint32_t>{4, 17, 18});
  const std::uint64_t none = 0;
  CHECK(
      found_of(std::make_shared<const catalogue>(std::make_shared<const eligible_items>(trie, std::span(&none, 1), 40)))
          .empty());
  CHECK(found_of(std::make_shared<const catalogue>(trie)).size() == 40);
}

TEMPLATE_TEST_CASE("beam search: a request finds what it would find alone, and the layouts find the same", "",
                   reorder_in_place, ancestor_indexed)
{
  const config c = tiny({16, 16, 16});
  const auto items = std::make_shared<const catalogue>(random_trie(9, c.codebooks, 1000));
  const search_options how{.widths = {8, 16, 16}};
  const auto run = [&]<class Layout>(std::vector<kvstrata::token_count> lengths) {
    scene s(c, lengths, 21);
    beam_search<Layout> search(s.m, how);
    pages scratch = s.scratch(search);
    search.start(s.prompts.kv.view(), scratch.view(), items);
    search.run();
    return std::vector<found_item>(search.found(0).begin(), search.found(0).end());
  };
  // The first history is the same in all: it is drawn first, and pages' ids do not matter.
  const auto mine = run.template operator()<TestType>({30});
  const auto other = run.template operator()<ancestor_indexed>({30});
  REQUIRE(mine.size() == 16);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    REQUIRE(mine[i].item == other[i].item);
    REQUIRE(mine[i].score == Approx(other[i].score).margin(1e-4));
  }
}

TEMPLATE_TEST_CASE("beam search: bytes read are the formula's, L + beams x steps, and bytes moved the layout's", "",
                   reorder_in_place, ancestor_indexed)
{
  const config c = tiny({16, 16, 16});
  const auto items = std::make_shared<const catalogue>(random_trie(9, c.codebooks, 2000));
  const std::vector<kvstrata::token_count> lengths{300, 0, 41};
  scene s(c, lengths, 23);
  beam_search<TestType> search(s.m, {.widths = {16, 100, 50}});
  pages scratch = s.scratch(search);
  search.start(s.prompts.kv.view(), scratch.view(), items);
  const std::uint64_t token = s.m.shape().token_bytes();
  kvstrata::beam_traffic before;
  const std::uint64_t beams[] = {1, 16, 100};
  for (std::uint32_t step = 0; step < 3; ++step) {
    search.step();
    const kvstrata::beam_traffic now = search.traffic();
    std::uint64_t expected = 0;
    for (const auto length : lengths) expected += kvstrata::separated_tokens(length, beams[step], step + 1) * token;
    REQUIRE(now.read() - before.read() == expected);
    REQUIRE(now.prompt_bytes - before.prompt_bytes == 341 * token);
    if (step == 2 || !TestType::ascending_parents) {
      REQUIRE(now.moved_bytes == before.moved_bytes);  // behind the last selection nothing is read
    } else {
      std::uint64_t moved = 0;
      for (std::size_t r = 0; r < 3; ++r) {
        const auto parents = search.beams(r).parents();
        for (std::uint32_t b = 0; b < parents.size(); ++b) moved += parents[b] == b ? 0 : step + 1;
      }
      REQUIRE(now.moved_bytes - before.moved_bytes == moved * token);
      REQUIRE(moved > 0);
    }
    before = now;
  }
  CHECK(kvstrata::copied_tokens(300, 100, 3) > 20 * kvstrata::separated_tokens(300, 100, 3) / 3);
}

TEST_CASE("beam search: a version that is published meanwhile is for the next batch")
{
  const config c = tiny({8, 8, 8});
  scene s(c, {12}, 13);
  catalogue_versions versions(std::make_shared<const catalogue>(random_trie(7, c.codebooks, 40)));
  beam_search<ancestor_indexed> search(s.m, {.widths = {64, 64, 64}});
  pages scratch = s.scratch(search);
  search.start(s.prompts.kv.view(), scratch.view(), versions.current());
  search.step();
  versions.publish(std::make_shared<const catalogue>(random_trie(8, c.codebooks, 25)));
  search.run();
  CHECK(search.found(0).size() == 40);
  search.start(s.prompts.kv.view(), scratch.view(), versions.current());
  search.run();
  CHECK(search.found(0).size() == 25);
}

TEST_CASE("beam search: what is refused")
{
  const config c = tiny({8, 8, 8});
  scene s(c, {12}, 13);
  const auto refused = [&](const search_options& how) {
    return sentence_of<kvstrata::config_error>([&] { const beam_search<ancestor_indexed> search(s.m, how); });
  };
  CHECK(refused({.widths = {4, 4, 4, 4}}) ==
        "the search's widths is 4 steps, but items have 3 tokens, and each takes one");
  CHECK(refused({.widths = {4, 0, 4}}) == "the search's width of step 1 is 0, but it must be at least 1");
  CHECK(refused({.widths = {4, 1U << 30, 4}}) ==
        "the candidates of step 2 is 1073741824 x 8, but they may be at most 4294967295");

  const auto items = std::make_shared<const catalogue>(random_trie(7, c.codebooks, 40));
  beam_search<ancestor_indexed> search(s.m, {.widths = {4, 4, 4}});
  pages scratch = s.scratch(search);
  const auto not_begun = [&](const kvstrata::page_table_view& own, const std::shared_ptr<const catalogue>& version) {
    return sentence_of<kvstrata::usage_error>([&] { search.start(s.prompts.kv.view(), own, version); });
  };
  CHECK(not_begun(scratch.view(), nullptr) == "a search for valid items needs a catalogue, but it is null");
  const std::uint32_t others[] = {8, 8, 9};
  CHECK(not_begun(scratch.view(), std::make_shared<const catalogue>(random_trie(7, others, 40))) ==
        "the search's codebooks are (8, 8, 8), but the catalogue's are (8, 8, 9)");
  pages small(s.random, s.m.shape(), 4, std::vector<kvstrata::token_count>{8});
  CHECK(not_begun(small.view(), items) == "the scratch of request 0 has 8 tokens, but its beams need 9");
  pages two(s.random, s.m.shape(), 4, std::vector<kvstrata::token_count>{9, 9});
  CHECK(not_begun(two.view(), items) == "there are prompts of 1 requests, but scratch of 2");
  search.start(s.prompts.kv.view(), scratch.view(), items);
  search.run();
  CHECK(sentence_of<kvstrata::usage_error>([&] { search.step(); }) == "a batch that is done has no further step");

  beam_forward pass(s.m);
  const std::uint32_t one[] = {1}, row[] = {0, 3}, far[] = {0, 9}, token[] = {8};
  const auto step = [&](const beam_step& b) {
    return sentence_of<kvstrata::usage_error>([&] { pass.start(b, s.prompts.kv.view(), scratch.view()); });
  };
  CHECK(step({3, one, token, row}) == "there is no step 3: items have 3 tokens");
  CHECK(step({1, one, {}, row}) == "1 beams have 0 tokens");
  CHECK(step({1, one, token, std::span(row).first(1)}) == "1 beams of 2 tokens have 1 rows of scratch");
  CHECK(step({1, one, token, row}) == "the token of beam 0 is 8, but its codebook has 8");
  const std::uint32_t good[] = {7};
  CHECK(step({1, one, good, far}) == "row 9 is beyond the scratch of request 0, which has 9");
  CHECK(step({1, {}, {}, {}}) == "a step has beams of 0 requests, but the prompts' pages are of 1");
}
