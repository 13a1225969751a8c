#include "fixture.hpp"
#include "hstu/model.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace hstu_test;

namespace {

constexpr double close_enough = 1e-4;
constexpr std::uint32_t layers = 3;

hstu::config small(bool biases)
{
  hstu::config c;
  c.layers = layers;
  c.hidden = 48;
  c.heads = 3;
  c.head_dim = 16;
  c.items = 1000;
  c.actions = 100;
  c.max_tokens = 1024;
  c.normaliser = 256;  // scores of the order of 1
  c.position_buckets = biases ? 64 : 0;
  c.time_buckets = biases ? 50 : 0;
  return c;
}

// Users with a front to compute, a middle that is there, and a rear to compute; some without a front, some all front.
std::vector<user> random_users(generator& random)
{
  std::vector<user> users;
  for (std::uint32_t i = 0; i < 2 + below(random, 4); ++i) {
    users.emplace_back(random, 40 + below(random, 300), below(random, 20));
    user& u = users.back();
    const kvstrata::token_count front = below(random, 3) == 0 ? 0 : 1 + below(random, u.history / 2);
    u.compute.clear();
    if (front != 0) u.compute.push_back({0, front});
    if (below(random, 4) == 0) u.compute = {{0, u.history}};
    else u.compute.push_back({front + 1 + below(random, u.history - front - 1), u.history});
  }
  return users;
}

std::vector<hstu::request> requests_of(const std::vector<user>& users)
{
  std::vector<hstu::request> out;
  for (const user& u : users) out.push_back(u.request());
  return out;
}

kvstrata::token_count front_of(const user& u)
{
  return u.compute.empty() || u.compute.front().begin != 0 ? 0 : u.compute.front().end;
}

bool is_computed(const user& u, kvstrata::token_count token)
{
  for (const kvstrata::token_interval piece : u.compute) {
    if (token >= piece.begin && token < piece.end) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a front computed before the rest of a layer has arrived gives the same answers, to the last bit", "[hstu]")
{
  for (const bool biases : {false, true}) {
    generator random(biases ? 31 : 32);
    const hstu::model m(small(biases));
    for (int round = 0; round < 6; ++round) {
      const std::vector<user> users = random_users(random);
      std::vector<kvstrata::token_count> lengths;
      std::vector<user> whole = users;
      for (user& u : whole) {
        lengths.push_back(u.history);
        u.compute = {{0, u.history}};
      }
      pages complete(random, m.shape(), 32, lengths);
      const std::vector<float> expected = run(m, requests_of(whole), complete);

      // One kernel a layer: what the pages hold is there from the beginning.
      pages together = complete;
      hstu::batch_forward one(m, requests_of(users), together.view(), hstu::fronts::apart);
      one.embed();
      for (kvstrata::layer_index l = 0; l < layers; ++l) one.layer(l);
      one.head();

      // Two kernels a layer: whatever is no front is NaN until the layer's front is computed.
      pages late = complete;
      for (float& f : late.floats()) f = std::numeric_limits<float>::quiet_NaN();
      hstu::batch_forward two(m, requests_of(users), late.view(), hstu::fronts::apart);
      bool any = false;
      for (const user& u : users) any = any || front_of(u) != 0;
      CHECK(two.has_front() == any);
      two.embed();
      for (kvstrata::layer_index l = 0; l < layers; ++l) {
        two.front(l);
        for (std::size_t r = 0; r < users.size(); ++r) {
          for (kvstrata::token_count t = 0; t < users[r].history; ++t) {
            if (is_computed(users[r], t)) continue;
            for (const bool value : {false, true}) {
              const auto from = complete.row(l, r, t, value);
              std::copy(from.begin(), from.end(), late.row(l, r, t, value).begin());
            }
          }
        }
        two.layer(l);
      }
      two.head();
      REQUIRE(one.scores().size() == two.scores().size());
      CHECK(std::memcmp(one.scores().data(), two.scores().data(), one.scores().size_bytes()) == 0);
      CHECK(furthest(two.scores(), expected) < close_enough);
    }
  }
}

TEST_CASE("the front of a layer touches the front's tokens and no other byte", "[hstu]")
{
  generator random(33);
  const hstu::model m(small(false));
  user u(random, 150, 5);
  u.compute = {{0, 60}, {100, 150}};
  pages memory(random, m.shape(), 32, {u.history});
  const std::vector<hstu::request> batch{u.request()};
  hstu::batch_forward pass(m, batch, memory.view(), hstu::fronts::apart);
  pass.embed();
  pass.front(0);
  // The pages were NaN all over: what is a number was written.
  const auto written = [&] {
    std::size_t count = 0;
    for (const float f : memory.floats()) count += std::isnan(f) ? 0u : 1u;
    return count;
  };
  CHECK(written() == std::size_t{60} * m.shape().token_layer_bytes() / sizeof(float));
  for (kvstrata::token_count t = 0; t < 60; ++t) {
    for (const bool value : {false, true}) {
      for (float& f : memory.row(0, 0, t, value)) f = std::numeric_limits<float>::quiet_NaN();
    }
  }
  CHECK(written() == 0);
}

TEST_CASE("a front out of turn is refused", "[hstu]")
{
  generator random(34);
  const hstu::model m(small(false));
  user u(random, 64, 2);
  pages memory(random, m.shape(), 32, {u.history});
  const std::vector<hstu::request> batch{u.request()};
  hstu::batch_forward together(m, batch, memory.view());
  CHECK_FALSE(together.has_front());
  together.embed();
  CHECK_THROWS_AS(together.front(0), kvstrata::usage_error);

  hstu::batch_forward apart(m, batch, memory.view(), hstu::fronts::apart);
  CHECK_THROWS_AS(apart.front(0), kvstrata::usage_error);  // before embed
  apart.embed();
  CHECK_THROWS_AS(apart.front(1), kvstrata::usage_error);
  apart.front(0);
  CHECK_THROWS_AS(apart.front(0), kvstrata::usage_error);  // twice
  for (kvstrata::layer_index l = 0; l < layers; ++l) apart.layer(l);
  CHECK_THROWS_AS(apart.front(layers), kvstrata::usage_error);
  apart.head();
  CHECK(furthest(apart.scores(), run_alone(random, m, u)) < close_enough);
}
