// A pass that finds part of a history in the pages answers as one that finds nothing.
#include "hstu/fixture.hpp"

#include "hstu/recompute.hpp"
#include "support/catch.hpp"

#include <cstring>
#include <memory>

namespace {

using namespace hstu_test;

constexpr double close_enough = 1e-4;

hstu::config plain()
{
  hstu::config c;
  c.layers = 3;
  c.hidden = 32;
  c.heads = 2;
  c.head_dim = 16;
  c.items = 1000;
  c.max_tokens = 2048;
  c.normaliser = 256;
  c.position_buckets = 64;
  c.time_buckets = 50;
  return c;
}

bool served(const kvstrata::interval_list& compute, kvstrata::token_count token)
{
  return std::none_of(compute.begin(), compute.end(), [&](kvstrata::token_interval i) { return i.contains(token); });
}

}  // namespace

TEST_CASE("any compute list gives the answer of full recomputation and leaves served bytes alone", "[hstu]")
{
  generator random(11);
  const hstu::model m(plain());
  for (int round = 0; round < 40; ++round) {
    user u(random, 1 + below(random, round % 8 == 0 ? 1500 : 200), 1 + below(random, 20));
    pages memory(random, m.shape(), 1 + below(random, 40), {u.history});
    const std::vector<float> full = run(m, {u.request()}, memory);
    const std::vector<float> written = memory.floats();

    u.compute = random_intervals(random, u.history);
    INFO("round " << round << " history " << u.history << " computes " << kvstrata::total(u.compute));
    for (const kvstrata::token_interval piece : u.compute) {
      for (kvstrata::token_count t = piece.begin; t < piece.end; ++t) {
        for (kvstrata::layer_index l = 0; l < 3; ++l) {
          for (const bool value : {false, true}) {
            for (float& f : memory.row(l, 0, t, value)) f = std::numeric_limits<float>::quiet_NaN();
          }
        }
      }
    }
    std::vector<float> before = memory.floats();
    CHECK(furthest(run(m, {u.request()}, memory), full) < close_enough);

    // All computed bytes are close to what they were, all others are what they were.
    std::vector<float> after = memory.floats();
    double apart = 0;
    for (kvstrata::token_count t = 0; t < u.history; ++t) {
      if (served(u.compute, t)) continue;
      for (kvstrata::layer_index l = 0; l < 3; ++l) {
        for (const bool value : {false, true}) {
          const auto row = memory.row(l, 0, t, value);
          const auto at = static_cast<std::size_t>(row.data() - memory.floats().data());
          apart = std::max(apart, furthest(row, std::span(written).subspan(at, row.size())));
          for (std::size_t i = at; i < at + row.size(); ++i) before[i] = after[i] = 0;
        }
      }
    }
    CHECK(apart < close_enough);
    CHECK(std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("a served token's K and V decide the answer", "[hstu]")
{
  generator random(12);
  const hstu::model m(plain());
  user u(random, 100, 4);
  pages memory(random, m.shape(), 32, {u.history});
  const std::vector<float> full = run(m, {u.request()}, memory);
  u.compute.clear();
  CHECK(furthest(run(m, {u.request()}, memory), full) < close_enough);
  for (kvstrata::layer_index l = 0; l < 3; ++l) {
    for (const bool value : {false, true}) {
      pages broken = memory;
      for (float& f : broken.row(l, 0, 37, value)) f += 1.0f;
      INFO("layer " << l << (value ? " V" : " K"));
      CHECK(furthest(run(m, {u.request()}, broken), full) > 20 * close_enough);
    }
  }
}

TEST_CASE("every part of the history moves the scores", "[hstu]")
{
  generator random(13);
  const hstu::model m(plain());
  const user u(random, 100, 4);
  const std::vector<float> scores = run_alone(random, m, u);
  for (const std::size_t event : {0u, 20u, 49u}) {
    user other = u;
    other.items[event] += 1;
    CHECK(furthest(run_alone(random, m, other), scores) > 20 * close_enough);
    other = u;
    other.actions[event] += 1;
    CHECK(furthest(run_alone(random, m, other), scores) > 20 * close_enough);
    other = u;
    for (std::size_t i = 0; i <= event; ++i) other.times[i] -= 1'000'000;
    CHECK(furthest(run_alone(random, m, other), scores) > 20 * close_enough);
  }
}

TEST_CASE("candidates see neither each other nor their order", "[hstu]")
{
  generator random(14);
  const hstu::model m(plain());
  user u(random, 150, 40);
  const std::size_t tasks = m.options().tasks;
  const std::vector<float> all = run_alone(random, m, u);
  const std::vector<std::uint64_t> candidates = u.candidates;
  for (int round = 0; round < 10; ++round) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (below(random, 3) != 0) chosen.push_back(i);
    }
    for (std::size_t i = chosen.size(); i > 1; --i) std::swap(chosen[i - 1], chosen[random() % i]);
    u.candidates.clear();
    std::vector<float> expected;
    for (const std::size_t i : chosen) {
      u.candidates.push_back(candidates[i]);
      expected.insert(expected.end(), all.begin() + static_cast<std::ptrdiff_t>(i * tasks),
                      all.begin() + static_cast<std::ptrdiff_t>((i + 1) * tasks));
    }
    CHECK(furthest(run_alone(random, m, u), expected) < close_enough);
  }
}

TEST_CASE("a later token changes no earlier K and V", "[hstu]")
{
  generator random(15);
  const hstu::model m(plain());
  const user u(random, 90, 2);
  user other = u;
  other.items[30] += 1;  // token 60
  pages a(random, m.shape(), 16, {u.history});
  pages b = a;
  run(m, {u.request()}, a);
  run(m, {other.request()}, b);
  for (kvstrata::layer_index l = 0; l < 3; ++l) {
    double before = 0;
    for (kvstrata::token_count t = 0; t < 60; ++t) {
      before = std::max({before, furthest(a.row(l, 0, t, false), b.row(l, 0, t, false)),
                         furthest(a.row(l, 0, t, true), b.row(l, 0, t, true))});
    }
    CHECK(before < close_enough);
    CHECK(furthest(a.row(l, 0, 60, false), b.row(l, 0, 60, false)) > 20 * close_enough);
    if (l > 0) CHECK(furthest(a.row(l, 0, 75, false), b.row(l, 0, 75, false)) > close_enough);
  }
}

TEST_CASE("a history that grows pass by pass gives the answers of one that is computed at once", "[hstu]")
{
  generator random(16);
  const hstu::model m(plain());
  const user whole(random, 333, 5);
  pages memory(random, m.shape(), 32, {whole.history});
  for (kvstrata::token_count cached = 0; cached < whole.history;) {
    user now = whole;
    now.history = std::min(whole.history, cached + 1 + below(random, 80));
    now.compute = {{cached, now.history}};
    const std::vector<float> scores = run(m, {now.request()}, memory);
    now.compute = {{0, now.history}};
    CHECK(furthest(scores, run_alone(random, m, now)) < close_enough);
    cached = now.history;
  }
}

TEST_CASE("a batch answers as each of its requests alone", "[hstu]")
{
  generator random(17);
  const hstu::model m(plain());
  for (int round = 0; round < 6; ++round) {
    std::vector<user> users;
    std::vector<kvstrata::token_count> lengths;
    for (std::uint32_t i = 0; i < 1 + below(random, 7); ++i) {
      users.emplace_back(random, below(random, 4) == 0 ? 0 : below(random, 300), below(random, 30));
      lengths.push_back(users.back().history);
    }
    pages memory(random, m.shape(), 32, lengths);
    for (const bool warm : {false, true}) {
      std::vector<hstu::request> batch;
      for (user& u : users) {
        if (warm) u.compute = random_intervals(random, u.history);
        batch.push_back(u.request());
      }
      hstu::batch_forward pass(m, batch, memory.view());
      pass.embed();
      for (kvstrata::layer_index l = 0; l < 3; ++l) pass.layer(l);
      pass.head();
      std::size_t all = 0;
      for (std::size_t i = 0; i < users.size(); ++i) {
        user alone = users[i];
        alone.compute = {{0, alone.history}};
        CHECK(furthest(pass.scores(i), run_alone(random, m, alone)) < close_enough);
        all += pass.scores(i).size();
      }
      CHECK(all == pass.scores().size());
    }
  }
}

TEST_CASE("a pass can be moved between its steps and shared by closures", "[hstu]")
{
  generator random(18);
  const hstu::model m(plain());
  const user u(random, 70, 3);
  const std::vector<float> expected = run_alone(random, m, u);
  pages memory(random, m.shape(), 32, {u.history});
  const std::vector<hstu::request> batch = {u.request()};
  hstu::batch_forward first(m, batch, memory.view());
  first.embed();
  hstu::batch_forward second = std::move(first);
  second.layer(0);
  const auto shared = std::make_shared<hstu::batch_forward>(std::move(second));
  shared->layer(1);
  shared->layer(2);
  shared->head();
  CHECK(furthest(shared->scores(0), expected) < close_enough);
}
