// The model against plain double precision: scores and the K and V it leaves in the pages.
#include "hstu/reference.hpp"
#include "hstu/fixture.hpp"

#include "hstu/recompute.hpp"
#include "support/catch.hpp"

namespace {

using namespace hstu_test;

constexpr double close_enough = 2e-4;  // scores, K and V are of the order of 1

hstu::config random_config(generator& random)
{
  hstu::config c;
  c.layers = 1 + below(random, 3);
  c.hidden = 3 + below(random, 40);
  c.heads = 1 + below(random, 3);
  c.head_dim = 1 + below(random, 20);
  c.items = 1 + below(random, 500);
  c.actions = 1 + below(random, 7);
  c.tasks = 1 + below(random, 5);
  c.max_tokens = 700;
  c.normaliser = below(random, 2) == 0 ? 0 : 1 + below(random, 200);
  c.position_buckets = below(random, 3) == 0 ? 0 : 1 + below(random, 100);
  c.time_buckets = below(random, 3) == 0 ? 0 : 1 + below(random, 60);
  c.seed = random();
  return c;
}

void compare(generator& random, const hstu::model& m, const user& u, kvstrata::token_count page_tokens)
{
  const hstu::config& c = m.options();
  INFO("layers " << c.layers << " hidden " << c.hidden << " heads " << c.heads << " x " << c.head_dim << " history "
                 << u.history << " candidates " << u.candidates.size() << " page " << page_tokens
                 << " position buckets " << c.position_buckets << " time buckets " << c.time_buckets);
  const reference_result expected = reference(m, u.request());
  pages memory(random, m.shape(), page_tokens, {u.history});
  const std::vector<float> scores = run(m, {u.request()}, memory);

  REQUIRE(scores.size() == u.candidates.size() * c.tasks);
  double apart = 0;
  for (std::size_t i = 0; i < u.candidates.size(); ++i) {
    apart = std::max(apart, furthest(std::span(scores).subspan(i * c.tasks, c.tasks), expected.scores[i]));
  }
  CHECK(apart < close_enough);
  apart = 0;
  for (kvstrata::layer_index l = 0; l < c.layers; ++l) {
    for (kvstrata::token_count t = 0; t < u.history; ++t) {
      apart = std::max(apart, furthest(memory.row(l, 0, t, false), expected.keys[l][t]));
      apart = std::max(apart, furthest(memory.row(l, 0, t, true), expected.values[l][t]));
    }
  }
  CHECK(apart < close_enough);
}

}  // namespace

TEST_CASE("scores, K and V equal a double-precision reference for many shapes", "[hstu]")
{
  generator random(1);
  for (int round = 0; round < 60; ++round) {
    const hstu::model m(random_config(random), 2);
    const user u(random, below(random, 3) == 0 ? below(random, 4) : below(random, 90), 1 + below(random, 9));
    compare(random, m, u, 1 + below(random, 40));
  }
}

TEST_CASE("tiles of keys and queries have no seams", "[hstu]")
{
  generator random(2);
  hstu::config c;
  c.layers = 2;
  c.hidden = 24;
  c.heads = 2;
  c.head_dim = 8;
  c.items = 300;
  c.max_tokens = 700;
  c.position_buckets = 100;
  c.time_buckets = 40;
  for (const bool biased : {true, false}) {
    if (!biased) c.position_buckets = c.time_buckets = 0;
    const hstu::model m(c, 2);
    for (const kvstrata::token_count tokens : {127u, 256u, 321u, 700u}) {
      compare(random, m, user(random, tokens, 3), 32);
    }
  }
}

TEST_CASE("no history and no candidates are both fine", "[hstu]")
{
  generator random(3);
  hstu::config c = random_config(random);
  const hstu::model m(c);
  compare(random, m, user(random, 0, 1), 32);
  compare(random, m, user(random, 0, 17), 32);
  compare(random, m, user(random, 5, 0), 32);
  compare(random, m, user(random, 0, 0), 32);
}

TEST_CASE("recompute equals the reference, in memory that is used again", "[hstu]")
{
  generator random(4);
  hstu::config c = random_config(random);
  c.layers = 3;
  const hstu::model m(c);
  hstu::scratch_pages memory(16);
  for (const kvstrata::token_count tokens : {90u, 3u, 0u, 120u}) {
    const user a(random, tokens, 2);
    const user b(random, 40, 3);
    user blind = a;
    blind.compute.clear();  // recompute() ignores it
    const std::vector<hstu::request> batch = {blind.request(), b.request()};
    const std::vector<float> scores = hstu::recompute(m, batch, memory);
    std::vector<double> expected;
    for (const user* u : {&a, &b}) {
      for (const auto& row : reference(m, u->request()).scores) expected.insert(expected.end(), row.begin(), row.end());
    }
    CHECK(furthest(scores, expected) < close_enough);
  }
}

TEST_CASE("activations stay of the order of 1 and scores differ between candidates", "[hstu]")
{
  generator random(5);
  hstu::config c;
  c.layers = 8;
  c.hidden = 64;
  c.heads = 2;
  c.head_dim = 32;
  c.max_tokens = 600;
  const hstu::model m(c);
  const user u(random, 600, 50);
  const std::vector<float> scores = run_alone(random, m, u);
  double mean = 0, squares = 0;
  for (const float s : scores) mean += static_cast<double>(s) / static_cast<double>(scores.size());
  for (const float s : scores) {
    squares += (static_cast<double>(s) - mean) * (static_cast<double>(s) - mean) / static_cast<double>(scores.size());
  }
  CHECK(std::abs(mean) < 2);
  CHECK(squares > 0.05);
  CHECK(squares < 10);
}
