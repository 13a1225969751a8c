// Stages of attention: in parts beside all at once, of unit variance, by relative error; where the pages are and where they end.
#include "decoder/attention.hpp"
#include "decoder/fixture.hpp"
#include "support/catch.hpp"

#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace decoder;
using namespace decoder_test;

namespace {

constexpr float no_float = std::numeric_limits<float>::quiet_NaN();

// A query's exact attention to some tokens in pages and some in scratch, [head_dim], and its lse to base 2.
struct exact
{
  std::vector<double> o;
  double lse = -std::numeric_limits<double>::infinity();
};

exact attend(const float* query, std::size_t dim, const std::vector<const float*>& keys,
             const std::vector<const float*>& values)
{
  exact out{std::vector<double>(dim, 0.0)};
  std::vector<double> scores;
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const float* key : keys) {
    double dot = 0;
    for (std::size_t d = 0; d < dim; ++d) dot += static_cast<double>(query[d]) * static_cast<double>(key[d]);
    scores.push_back(dot / std::sqrt(static_cast<double>(dim)));
    most = std::max(most, scores.back());
  }
  for (const double s : scores) sum += std::exp(s - most);
  for (std::size_t k = 0; k < keys.size(); ++k) {
    for (std::size_t d = 0; d < dim; ++d)
      out.o[d] += std::exp(scores[k] - most) / sum * static_cast<double>(values[k][d]);
  }
  if (!keys.empty()) out.lse = (most + std::log(sum)) / std::log(2.0);
  return out;
}

double error(const float* mine, const exact& e)
{
  double apart = 0, length = 0;
  for (std::size_t d = 0; d < e.o.size(); ++d) {
    apart += (static_cast<double>(mine[d]) - e.o[d]) * (static_cast<double>(mine[d]) - e.o[d]);
    length += e.o[d] * e.o[d];
  }
  return apart == 0 ? 0 : std::sqrt(apart / length);
}

void fill(pages& p, const kvstrata::geometry& shape, std::size_t request, kvstrata::token_count first,
          kvstrata::token_count end, generator& random)
{
  std::normal_distribution<float> normal;
  for (kvstrata::layer_index l = 0; l < shape.layers; ++l) {
    for (kvstrata::token_count t = first; t < end; ++t) {
      for (const bool value : {false, true}) {
        for (float& x : p.row(l, request, t, value)) x = normal(random);
      }
    }
  }
}

}  // namespace

TEST_CASE("staged attention: the prompt's stage and the beams' own merge to attention at once")
{
  const kvstrata::geometry shape{.layers = 2, .kv_heads = 3, .head_dim = 32, .element = kvstrata::element_type::f32};
  const std::size_t stride = shape.kv_heads * shape.head_dim;
  generator random(1);
  std::normal_distribution<float> normal;
  double worst = 0;
  for (const kvstrata::token_count length : {0U, 1U, 7U, 255U, 256U, 257U, 700U}) {
    for (const std::size_t beams : {1U, 2U, 300U}) {
      for (const std::size_t own : {0U, 1U, 3U}) {
        const kvstrata::token_count page_tokens = 1 + static_cast<kvstrata::token_count>(random() % 20);
        const kvstrata::token_count first = length > 10 ? static_cast<kvstrata::token_count>(random() % 9) : 0;
        const kvstrata::token_interval windows[] = {{0, 5}, {first, length}};
        pages prompt(random, shape, page_tokens, windows);
        pages scratch(random, shape, 4, std::vector<kvstrata::token_count>{3, 64});
        fill(prompt, shape, 1, first, length, random);
        fill(scratch, shape, 1, 0, 64, random);
        std::vector<float> queries(beams * stride), outputs(beams * stride, no_float), lse(beams, no_float), part(32);
        for (float& x : queries) x = normal(random);
        const std::vector<std::uint32_t> seen(beams, length);
        stage_scratch memory;
        const auto head = static_cast<std::uint32_t>(random() % 3);
        const std::size_t at = head * 32;
        const state_rows states{outputs.data() + at, stride, lse.data()};
        const std::uint64_t read =
            attend_pages({queries.data() + at, stride, beams}, seen, prompt.view(), 1, 1, head, states, memory);
        REQUIRE(read == std::uint64_t{length - first} * 2 * 32 * 4);  // once, however many beams there are
        for (std::size_t b = 0; b < beams; ++b) {
          std::vector<std::uint32_t> rows;
          for (std::size_t i = 0; i < own; ++i) rows.push_back(static_cast<std::uint32_t>(random() % 64));
          const float* query = queries.data() + b * stride + at;
          REQUIRE(attend_own(query, rows, scratch.view(), 1, 1, head, states[b], part.data()) == own * 2 * 32 * 4);
          if (b % 37 > 1) continue;
          std::vector<const float*> keys, values;
          for (kvstrata::token_count t = first; t < length; ++t) {
            keys.push_back(prompt.row(1, 1, t, false).data() + at);
            values.push_back(prompt.row(1, 1, t, true).data() + at);
          }
          for (const std::uint32_t r : rows) {
            keys.push_back(scratch.row(1, 1, r, false).data() + at);
            values.push_back(scratch.row(1, 1, r, true).data() + at);
          }
          const exact e = attend(query, 32, keys, values);
          const float* o = outputs.data() + b * stride + at;
          if (keys.empty()) {
            REQUIRE(std::all_of(o, o + 32, [](float x) { return x == 0; }));
            REQUIRE(lse[b] == state::lse_of_nothing);
            continue;
          }
          worst = std::max(worst, error(o, e));
          REQUIRE(error(o, e) < 4e-6);
          REQUIRE(std::abs(static_cast<double>(lse[b]) - e.lse) < 1e-5 * (1 + std::abs(e.lse)));
        }
        // Other heads' outputs are untouched.
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          if (i % stride / 32 != head) REQUIRE(std::isnan(outputs[i]));
        }
      }
    }
  }
  CHECK(worst > 1e-9);  // it was compared
}

TEST_CASE("staged attention: rows that see less of the pages, none of it among them")
{
  const kvstrata::geometry shape{.layers = 1, .kv_heads = 1, .head_dim = 16, .element = kvstrata::element_type::f32};
  generator random(2);
  std::normal_distribution<float> normal;
  pages prompt(random, shape, 8, std::vector<kvstrata::token_count>{600});
  fill(prompt, shape, 0, 0, 600, random);
  std::vector<std::uint32_t> seen;
  for (int i = 0; i < 400; ++i) seen.push_back(static_cast<std::uint32_t>(random() % 601));
  seen.insert(seen.end(), {0, 1, 256, 257, 600});
  std::sort(seen.begin(), seen.end());
  std::vector<float> queries(seen.size() * 16), outputs(seen.size() * 16, no_float), lse(seen.size(), no_float);
  for (float& x : queries) x = 3 * normal(random);  // scores of some size: the running maximum changes
  stage_scratch memory;
  attend_pages({queries.data(), 16, seen.size()}, seen, prompt.view(), 0, 0, 0, {outputs.data(), 16, lse.data()},
               memory);
  for (std::size_t row = 0; row < seen.size(); ++row) {
    std::vector<const float*> keys, values;
    for (std::uint32_t t = 0; t < seen[row]; ++t) {
      keys.push_back(prompt.row(0, 0, t, false).data());
      values.push_back(prompt.row(0, 0, t, true).data());
    }
    const exact e = attend(queries.data() + row * 16, 16, keys, values);
    if (seen[row] == 0) REQUIRE(lse[row] == state::lse_of_nothing);
    else REQUIRE(error(outputs.data() + row * 16, e) < 1e-5);
  }
}
