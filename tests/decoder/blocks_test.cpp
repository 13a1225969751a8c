// Contexts put together from blocks: exact where they must be, approximate elsewhere, and nearer the more is computed anew.
#include "decoder/blocks_bed.hpp"
#include "decoder/reference.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/position/position_free.hpp>
#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/random.hpp>
#include <kvstrata/recompute/v_deviation.hpp>

#include <algorithm>
#include <cmath>
#include <thread>

using namespace decoder_test;
using kvstrata::recompute_shares;
using kvstrata::position::position_free;
using kvstrata::position::rotate_on_copy;
namespace recompute = kvstrata::recompute;
using hstu_test::furthest;
using kvstrata_test::sentence_of;

namespace {

decoder::config small(std::uint32_t layers = 3)
{
  decoder::config c = tiny({20, 20, 20}, 7);
  c.layers = layers;
  return c;
}

// The largest difference of K, V and logits.
double apart(const computed_context& a, const computed_context& b)
{
  double most = furthest(a.logits, b.logits);
  for (std::size_t l = 0; l < b.layers.size(); ++l) {
    most = std::max(most, furthest(a.layers[l].keys, b.layers[l].keys));
    most = std::max(most, furthest(a.layers[l].values, b.layers[l].values));
  }
  return most;
}

template <class Each>
void each_selector(Each&& each)
{
  each(recompute::none{});
  each(recompute::first_k{});
  each(recompute::k_deviation{});
  each(recompute::v_deviation{});
  each(recompute::attention_and_divergence{});
  each(recompute::random{});
}

constexpr double near = 2e-5;  // of numbers of the order of 1, in f32

}  // namespace

TEST_CASE("blocks: a context of its own tokens alone is what the definition gives", "[blocks]")
{
  const decoder::model m(small(), 2);
  items_bed items(m, 4, {});
  context_plan plan = items.plan({});
  plan.words.clear();
  generator random(9);
  const auto history = random_history(random, m.options(), 60);
  for (std::uint32_t t = 0; t < history.size(); ++t)
    plan.words.push_back(decoder::word_of(m.options(), t % 3, history[t]));
  plan.words.push_back(decoder::start_word(m.options()));
  const computed_context mine = recomputed(m, plan);
  const sequence_result exact = decoder_test::recompute(m, history, 0, true, {});
  const std::size_t width = decoder::width_of(m.options());
  for (std::size_t l = 0; l < 3; ++l) {
    for (std::size_t p = 0; p < plan.words.size(); ++p) {
      const auto at = static_cast<std::ptrdiff_t>(p * width);
      const auto row_of = [&](const std::vector<float>& all) {
        return std::vector<float>(all.begin() + at, all.begin() + at + static_cast<std::ptrdiff_t>(width));
      };
      REQUIRE(furthest(row_of(mine.layers[l].keys), exact.keys[l][p]) < near);
      REQUIRE(furthest(row_of(mine.layers[l].values), exact.values[l][p]) < near);
    }
  }
  CHECK(furthest(mine.logits, exact.logits) < near);
  CHECK(mine.report == kvstrata::reuse_report{.own = 61});
  CHECK(mine.report.exact());
}

TEMPLATE_TEST_CASE("blocks: all computed anew is full recomputation, by every selector", "[blocks]", position_free,
                   rotate_on_copy)
{
  const decoder::model m(small(), 2);
  items_bed items(m, 5, {13, 30, 8, 21});
  const encoded_items<TestType> encoded(m, items, {}, 4);
  for (const auto& order : std::vector<std::vector<std::uint32_t>>{
           {0, 1, 2, 3}, {own(5), 3, own(2), 0, 0, 2, own(9)}, {own(3), 1}, {own(4)}}) {
    const context_plan plan = items.plan(order);
    const computed_context full = recomputed(m, plan);
    each_selector([&](const auto& selector) {
      using S = std::decay_t<decltype(selector)>;
      if (!S::recomputes) return;
      const computed_context all = encoded.compute(plan, selector, recompute_shares::of(1));
      REQUIRE(apart(all, full) < near);
      REQUIRE(all.report.reused == 0);
      REQUIRE(all.report.exact());
      REQUIRE(all.report.recomputed == plan.list.block_tokens());
    });
  }
}

TEMPLATE_TEST_CASE("blocks: one block at the context's beginning is exact, wherever else blocks are not", "[blocks]",
                   position_free, rotate_on_copy)
{
  const decoder::model m(small(), 2);
  items_bed items(m, 6, {13, 30});
  const encoded_items<TestType> encoded(m, items, {}, 4);
  const context_plan first = items.plan({1, own(12)});
  const computed_context mine = encoded.compute(first, recompute::none{}, {});
  CHECK(apart(mine, recomputed(m, first)) < near);
  CHECK(mine.report == kvstrata::reuse_report{.reused = 30, .reused_exactly = 30, .own = 13});
  CHECK(mine.report.exact());
  CHECK(mine.work.whole_rows == 13 + 13 + 1);

  const context_plan later = items.plan({own(5), 1, own(6)});
  const computed_context other = encoded.compute(later, recompute::none{}, {});
  const computed_context full = recomputed(m, later);
  CHECK(apart(other, full) > 0.01);  // it did not see what stands before it
  CHECK(!other.report.exact());
  CHECK(other.report == kvstrata::reuse_report{.reused = 30, .own = 12});
  // Layer 0 follows from token and position alone.
  CHECK(decoder::relative_error(other.layers[0].keys, full.layers[0].keys) < 1e-6);
  CHECK(decoder::relative_error(other.layers[0].values, full.layers[0].values) < 1e-6);
  CHECK(decoder::relative_error(other.layers[1].values, full.layers[1].values) > 0.01);
}

TEST_CASE("blocks: position policies agree with each other", "[blocks]")
{
  const decoder::model m(small(), 2);
  items_bed items(m, 8, {13, 30, 8});
  const encoded_items<position_free> unturned(m, items, {}, 4);
  const encoded_items<rotate_on_copy> turned(m, items, {}, 8);
  const encoded_items<rotate_on_copy> far(m, items, {.base = 100}, 5);
  const context_plan plan = items.plan({own(7), 2, 0, own(3), 1, 2, own(2)});
  each_selector([&](const auto& selector) {
    const recompute_shares shares = recompute_shares::of(0.3F, 10);
    const computed_context one = unturned.compute(plan, selector, shares);
    REQUIRE(apart(turned.compute(plan, selector, shares), one) < near);
    REQUIRE(apart(far.compute(plan, selector, shares), one) < near);
  });
}

TEST_CASE("blocks: the error falls with the share that is computed anew, layer by layer, by every selector", "[blocks]")
{
  const decoder::model m(small(4), 2);
  const float shares[] = {0, 0.25F, 0.5F, 0.75F, 1};
  constexpr int contexts = 4;
  each_selector([&](const auto& selector) {
    using S = std::decay_t<decltype(selector)>;
    if (!S::recomputes) return;
    INFO(S::name);
    std::vector<std::vector<double>> errors(5, std::vector<double>(4, 0.0));  // [share][layer]
    for (std::uint64_t seed = 1; seed <= contexts; ++seed) {
      items_bed items(m, seed, {20, 25, 30, 20, 15});
      const encoded_items<position_free> encoded(m, items, {}, 8);
      const context_plan plan = items.plan({own(10), 0, 1, own(4), 2, 3, 4, own(6)});
      const computed_context full = recomputed(m, plan);
      for (std::size_t s = 0; s < 5; ++s) {
        const computed_context mine = encoded.compute(plan, selector, recompute_shares::of(shares[s]));
        for (std::size_t l = 0; l < 4; ++l) {
          errors[s][l] += decoder::relative_error(mine.layers[l].keys, full.layers[l].keys) +
                          decoder::relative_error(mine.layers[l].values, full.layers[l].values);
        }
      }
    }
    for (std::size_t l = 0; l < 4; ++l) {
      INFO("layer " << l);
      REQUIRE(errors[4][l] < 1e-4);
      REQUIRE((l == 0 || errors[0][l] > 0.01));
      for (std::size_t s = 1; s < 5; ++s) REQUIRE((l == 0 || errors[s][l] < errors[s - 1][l]));
    }
  });
}

TEST_CASE("blocks: readers at once, at different places, agree with one after the other, and change no page",
          "[blocks]")
{
  const decoder::model m(small(), 1);
  items_bed items(m, 9, {13, 30, 8});
  const context_plan plans[] = {items.plan({own(7), 1, 0, own(3)}), items.plan({2, own(20), 1, own(1)})};
  const auto test = [&](const auto& encoded) {
    const std::uint64_t before = encoded.checksum();
    const recompute_shares shares = recompute_shares::of(0.3F);
    const computed_context alone[] = {encoded.compute(plans[0], recompute::k_deviation{}, shares, 0),
                                      encoded.compute(plans[1], recompute::first_k{}, shares, 1)};
    computed_context at_once[2];
    std::thread other([&] {
      for (int i = 0; i < 5; ++i) at_once[1] = encoded.compute(plans[1], recompute::first_k{}, shares, 1);
    });
    for (int i = 0; i < 5; ++i) at_once[0] = encoded.compute(plans[0], recompute::k_deviation{}, shares, 0);
    other.join();
    for (int i : {0, 1}) {
      CHECK(at_once[i].logits == alone[i].logits);
      CHECK(at_once[i].layers[2].keys == alone[i].layers[2].keys);
    }
    CHECK(encoded.checksum() == before);
  };
  test(encoded_items<position_free>(m, items, {}, 4, 2));
  test(encoded_items<rotate_on_copy>(m, items, {}, 4, 2));
}

TEST_CASE("blocks: no row sees what stands behind it", "[blocks]")
{
  const decoder::model m(small(), 1);
  items_bed items(m, 10, {13, 30, 8});
  const encoded_items<position_free> encoded(m, items, {}, 4);
  const context_plan plan = items.plan({own(7), 1, own(3), 0, own(12)});
  const auto last_own = static_cast<kvstrata::token_count>(plan.words.size() - 13);  // the first of the last own ones
  std::vector<std::uint32_t> other = plan.words;
  other[last_own] = (other[last_own] + 1) % 40;
  const std::size_t width = decoder::width_of(m.options());
  const auto same_until = [&](const computed_context& a, const computed_context& b) {
    std::size_t least = plan.words.size();
    for (std::size_t l = 0; l < 3; ++l) {
      for (std::size_t i = 0; i < a.layers[l].keys.size(); ++i) {
        if (a.layers[l].keys[i] != b.layers[l].keys[i] || a.layers[l].values[i] != b.layers[l].values[i])
          least = std::min(least, i / width);
      }
    }
    return least;
  };
  // What is chosen must not depend on it, so by selectors that look at nothing.
  const recompute_shares shares = recompute_shares::of(0.4F);
  const auto test = [&](const auto& selector) {
    const computed_context one = encoded.compute(plan, selector, shares);
    const computed_context two = encoded.compute(plan, selector, shares, 0, other);
    CHECK(same_until(one, two) == last_own);
    CHECK(one.logits != two.logits);
  };
  test(recompute::first_k{});
  test(recompute::random{});
  test(recompute::none{});
}

TEST_CASE("blocks: what a pass has done, and what it has reused", "[blocks]")
{
  const decoder::model m(small(), 1);
  items_bed items(m, 11, {10, 30});
  const encoded_items<position_free> encoded(m, items, {}, 4);
  const context_plan plan = items.plan({0, own(4), 1, own(5)});  // 50 tokens
  const computed_context cheap = encoded.compute(plan, recompute::first_k{}, recompute_shares::of(0.1F));
  CHECK(cheap.report.recomputed == 4);  // two of each
  CHECK(cheap.report.reused == 36);
  CHECK(cheap.report.reused_exactly == 8);
  CHECK(cheap.report.own == 10);
  CHECK(cheap.work.whole_rows == 14 + 14 + 1);
  CHECK(cheap.work.projected_rows == 13);  // of the last layer K and V alone
  const computed_context reads = encoded.compute(plan, recompute::v_deviation{}, recompute_shares::of(0.1F));
  CHECK(reads.report.recomputed == 4);
  CHECK(reads.work.whole_rows == 50 + 14 + 1);
  CHECK(reads.work.projected_rows == 36 + 13);
}

TEST_CASE("blocks: what contradicts a context is refused with a sentence", "[blocks]")
{
  const decoder::model m(small(), 1);
  items_bed items(m, 12, {10, 30});
  const encoded_items<position_free> encoded(m, items, {}, 4);
  const context_plan plan = items.plan({0, own(4), 1, own(5)});
  const auto refused = [&](decoder::context_to_compute context) {
    return sentence_of<kvstrata::error>([&] {
      decoder::context_forward pass(m, encoded.positions());
      pass.start(context, recompute::none{}, [](auto) { return kvstrata::assembled_view{}; });
    });
  };
  CHECK(refused({}) == "a context must have at least 1 token");
  const std::vector<std::uint32_t> many(401, 1);
  CHECK(refused({.words = many}) == "a context has 401 tokens, but positions are for 400");
  std::vector<std::uint32_t> wrong = plan.words;
  wrong[3] = 61;
  CHECK(refused({.words = wrong}) == "token 3 of a context is word 61, but the last is 60");
  const std::vector<kvstrata::reused_block> overlap{{0, 10}, {9, 30}}, beyond{{0, 10}, {14, 37}},
      last{{0, 10}, {20, 30}};
  CHECK(refused({.words = plan.words, .blocks = overlap}) ==
        "a block is at [9, 39), but blocks ascend within [10, 50)");
  CHECK(refused({.words = plan.words, .blocks = beyond}) ==
        "a block is at [14, 51), but blocks ascend within [10, 50)");
  CHECK(refused({.words = plan.words, .blocks = last}) ==
        "a context ends with a block, but what is behind it is asked of a token of its own");
  CHECK(refused({.words = plan.words, .shares = recompute_shares::of(1.5F)}) ==
        "recompute_shares.items is 1.500000, but it must be in [0, 1]");
  CHECK(sentence_of<kvstrata::usage_error>([&] {
          const decoder::model flat(small(1), 1);
          const decoder::block_positions positions(flat.options(), position_free{}, 100);
          decoder::context_forward pass(flat, positions);
          pass.start({.words = plan.words}, recompute::k_deviation{}, [](auto) { return kvstrata::assembled_view{}; });
        }) == "the selector reads layer 1, but the decoder has 1 layer");
  CHECK(sentence_of<kvstrata::history_error>([&] {
          const std::vector<std::uint32_t> words(9, 1);
          const decoder::block_to_encode block{words, encoded.item(0), 0};
          decoder::block_forward(m, encoded.positions()).run({&block, 1});
        }) == "block 0 has 9 tokens, but its pages are of 10");
  CHECK(sentence_of<kvstrata::usage_error>([&] {
          context_plan other = plan;
          other.blocks.pop_back();
          static_cast<void>(encoded.compute(other, recompute::none{}, {}));
        }) == "the context that was put together has other tokens or blocks than the one to compute");
}
