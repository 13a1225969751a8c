// Histories: K and V in pages beside the reference, whatever was there already; what is refused.
#include "decoder/fixture.hpp"
#include "decoder/reference.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata::token_interval;
using kvstrata_test::sentence_of;

namespace {

// The largest difference of a row in pages from the reference's, of unit scale.
double apart(std::span<const float> mine, const row& reference)
{
  double worst = 0;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const double d = std::abs(static_cast<double>(mine[i]) - reference[i]);
    worst = d > worst || std::isnan(d) ? d : worst;
  }
  return worst;
}

}  // namespace

TEST_CASE("decoder: a history's K and V are the reference's, at any length and in any window")
{
  const model m(tiny({6, 9, 5}), 2);
  generator random(1);
  for (const token_interval window : {token_interval{0, 0}, {0, 1}, {0, 37}, {5, 6}, {9, 40}, {0, 300}}) {
    pages kv(random, m.shape(), 8, std::span(&window, 1));
    const auto tokens = random_history(random, m.options(), window.size(), window.begin);
    const prompt p{tokens, window.end, std::span(&window, 1), window.begin};
    prompt_forward pass(m, std::span(&p, 1), kv.view());
    REQUIRE(pass.rows() == window.size());
    pass.run();
    const auto reference = recompute(m, tokens, window.begin, false, {});
    for (std::uint32_t l = 0; l < 2; ++l) {
      for (std::uint32_t t = window.begin; t < window.end; t += window.size() > 100 ? 23U : 1U) {
        REQUIRE(apart(kv.row(l, 0, t, false), reference.keys[l][t - window.begin]) < 3e-5);
        REQUIRE(apart(kv.row(l, 0, t, true), reference.values[l][t - window.begin]) < 3e-5);
      }
    }
  }
}

TEST_CASE("decoder: what is in pages already is used and left as it is")
{
  const model m(tiny({6, 9, 5}), 2);
  generator random(2);
  const std::vector<kvstrata::token_count> lengths{50, 33};
  prompts_in_pages whole(random, m, lengths, 4);
  const std::vector<token_interval> lists[] = {{{49, 50}}, {{20, 50}}, {{0, 10}, {20, 21}, {30, 50}}, {}};
  for (const auto& list : lists) {
    // The same pages, but for what is to be computed: that is NaN.
    std::vector<float> before = whole.kv.floats();
    for (std::uint32_t l = 0; l < 2; ++l) {
      for (const token_interval i : list) {
        for (std::uint32_t t = i.begin; t < i.end; ++t) {
          for (const bool value : {false, true}) {
            for (float& x : whole.kv.row(l, 0, t, value)) x = std::numeric_limits<float>::quiet_NaN();
          }
        }
      }
    }
    const prompt both[] = {{whole.tokens[0], 50, list, 0}, {whole.tokens[1], 33, {}, 0}};
    prompt_forward(m, both, whole.kv.view()).run();
    const std::vector<float>& after = whole.kv.floats();
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (std::isnan(before[i])) REQUIRE(std::isnan(after[i]));  // unused pages
      else REQUIRE(std::abs(before[i] - after[i]) < 2e-5f);
    }
    for (std::uint32_t l = 0; l < 2; ++l) {  // what was not to be computed is the same to the bit
      for (std::uint32_t t = 0; t < 33; ++t) {
        const auto now = whole.kv.row(l, 1, t, true);
        const auto at = static_cast<std::size_t>(now.data() - after.data());
        REQUIRE(std::memcmp(now.data(), before.data() + at, now.size_bytes()) == 0);
      }
    }
  }
}

TEST_CASE("decoder: prompts that contradict themselves or their pages are refused")
{
  const model m(tiny({6, 9}), 1);
  generator random(3);
  pages kv(random, m.shape(), 4, std::vector<kvstrata::token_count>{10});
  const std::vector<std::uint32_t> tokens(10, 5);
  const auto refused = [&](const prompt& p) {
    return sentence_of<kvstrata::history_error>([&] { const prompt_forward pass(m, std::span(&p, 1), kv.view()); });
  };
  const token_interval all[] = {{0, 10}};
  CHECK(refused({tokens, 10, all, 0}) == "nothing was thrown");
  CHECK(refused({std::span(tokens).first(9), 10, all, 0}) == "prompt 0 has 9 tokens, but its window has 10");
  CHECK(refused({tokens, 9, all, 10}) == "prompt 0 begins at token 10, but its history ends at 9");
  CHECK(refused({std::span(tokens).first(9), 9, all, 0}) ==
        "prompt 0 is of the tokens [0, 9), but its pages are of [0, 10)");
  const token_interval late[] = {{0, 11}};
  CHECK(refused({tokens, 10, late, 0}) == "prompt 0 computes [0, 11), but intervals must ascend within [0, 10)");
  const token_interval crossed[] = {{4, 6}, {5, 7}};
  CHECK(refused({tokens, 10, crossed, 0}) == "prompt 0 computes [5, 7), but intervals must ascend within [6, 10)");
  const std::vector<std::uint32_t> large(10, 6);
  CHECK(refused({large, 10, all, 0}) == "token 0 of prompt 0 is 6, but the codebook of level 0 has 6");
  CHECK(sentence_of<kvstrata::history_error>([&] { const prompt_forward pass(m, {}, kv.view()); }) ==
        "there are 0 prompts, but pages of 1");
  const model other(tiny({6, 9}, 2), 1);
  pages narrow(random, {.layers = 2, .kv_heads = 1, .head_dim = 12, .element = kvstrata::element_type::f32}, 4,
               std::vector<kvstrata::token_count>{10});
  const prompt p{tokens, 10, all, 0};
  CHECK(sentence_of<kvstrata::geometry_error>([&] { const prompt_forward pass(m, std::span(&p, 1), narrow.view()); }) ==
        "the pages are of 2 layers x 1 heads x 12 f32, but the decoder is of 2 layers x 2 heads x 12 f32");
}

TEST_CASE("decoder: sizes that cannot be are refused")
{
  const auto refused = [](auto change) {
    config c = tiny({6, 9});
    change(c);
    return sentence_of<kvstrata::config_error>([&] { const model m(c, 1); });
  };
  CHECK(refused([](config& c) { c.layers = 0; }) == "decoder.layers is 0, but it must be at least 1");
  CHECK(refused([](config& c) { c.head_dim = 7; }) ==
        "decoder.head_dim is 7, but it must be even: rotary positions turn pairs");
  CHECK(refused([](config& c) { c.codebooks.clear(); }) == "the catalogue's depth is 0, but it must be at least 1");
  CHECK(refused([](config& c) { c.rotary_base = 0; }) ==
        "decoder.rotary_base is 0.000000, but it must be above 0 and finite");
}
