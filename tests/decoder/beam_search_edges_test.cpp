// Beam search where there is little to find; bytes read and moved; versions; what is refused.
#include "decoder/naive_search.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::ancestor_indexed;
using kvstrata::reorder_in_place;
using kvstrata_test::sentence_of;

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
  const token_line one{3, 0, 7};
  const auto single = std::make_shared<const catalogue>(std::make_shared<const item_trie>(c.codebooks, one));
  CHECK(found_of(single) == std::set<std::uint32_t>{0});
  CHECK(std::abs(search.found(0)[0].score) < 1e-6f);  // nothing else could have been; three logits are rounded
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
