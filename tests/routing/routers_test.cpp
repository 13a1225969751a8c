// Routers: what they choose is what their formula says.
#include "routing/router_conformance.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/routing/affinity.hpp>
#include <kvstrata/routing/by_user.hpp>
#include <kvstrata/routing/soonest.hpp>
#include <kvstrata/simulate/fleet_routes.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

TEST_CASE("routers: all do what routers must", "[routing]")
{
  router_conformance(affinity_router());
  router_conformance(affinity_router(2, 0.5));
  router_conformance(affinity_router(0, 1));
  router_conformance(affinity_router(1, 0));
  router_conformance(hit_only_router());
  router_conformance(load_only_router());
  router_conformance(soonest_router());
  router_conformance(soonest_router(0));
  router_conformance(user_router());
  router_conformance(round_robin_router(), order_of_nodes::matters);
}

TEST_CASE("routers: affinity is the most of a x hit + b x (1 - load)", "[routing]")
{
  std::mt19937 random(3);
  for (const auto& [a, b] : {std::pair(1.0, 1.0), std::pair(3.0, 1.0), std::pair(1.0, 4.0), std::pair(1.0, 0.0)}) {
    const affinity_router route(a, b);
    for (int round = 0; round < 300; ++round) {
      const std::vector<node_summary> nodes = random_nodes(random);
      const std::size_t chosen = route(routed_request{.number = static_cast<std::uint64_t>(round)}, nodes);
      if (chosen == nodes.size()) continue;
      const auto score = [&, a = a, b = b](const node_summary& n) {
        const double hit = n.hit >= 0 && n.hit <= 1 ? n.hit : 0;
        return n.load >= 0 ? a * hit + b * (1 - n.load) : (b > 0 ? -std::numeric_limits<double>::infinity() : a * hit);
      };
      for (const node_summary& n : nodes) {
        if (!n.is_draining) REQUIRE(score(nodes[chosen]) >= score(n));
      }
    }
  }
}

TEST_CASE("routers: soonest is the least of what waits and, weighed, what it takes there", "[routing]")
{
  std::mt19937 random(4);
  for (const double weight : {0.0, 1.0, 2.5}) {
    const soonest_router route(weight);
    for (int round = 0; round < 300; ++round) {
      const std::vector<node_summary> nodes = random_nodes(random);
      const std::size_t chosen = route(routed_request{.number = static_cast<std::uint64_t>(round)}, nodes);
      if (chosen == nodes.size()) continue;
      const auto seconds = [weight](const node_summary& n) {
        const bool known = n.waiting_seconds >= 0 && (n.work_seconds >= 0 || !(weight > 0));
        return known ? n.waiting_seconds + weight * n.work_seconds : std::numeric_limits<double>::infinity();
      };
      for (const node_summary& n : nodes) {
        if (!n.is_draining) REQUIRE(seconds(nodes[chosen]) <= seconds(n));
      }
    }
  }
  // A whole hit behind half a second against an idle node that has nothing: who weighs what computing does to others waits.
  const std::vector<node_summary> two{{.id = 1, .waiting_seconds = 0.5, .work_seconds = 0.1},
                                      {.id = 2, .waiting_seconds = 0, .work_seconds = 0.4}};
  CHECK(soonest_router(1)({}, two) == 1);
  CHECK(soonest_router(2)({}, two) == 0);
  CHECK(sentence_of<config_error>([] { soonest_router(-1); }) ==
        "soonest_router.work_weight is -1.000000, but it must be a number from 0 to 1000000");
}

TEST_CASE("routers: what their ends look at", "[routing]")
{
  const std::vector<node_summary> nodes{
      {.id = 1, .hit = 0.9, .load = 5}, {.id = 2, .hit = 0.5, .load = 0.2}, {.id = 3, .hit = 0, .load = 0}};
  const routed_request asked{.user = user_id{4}, .number = 8};
  CHECK(hit_only_router()(asked, nodes) == 0);
  CHECK(load_only_router()(asked, nodes) == 2);
  CHECK(affinity_router()(asked, nodes) == 1);
  CHECK(affinity_router(100, 1)(asked, nodes) == 0);
  CHECK(round_robin_router()(asked, nodes) == 2);
  const std::vector<rendezvous_member> members{{.id = 1}, {.id = 2}, {.id = 3}};
  for (std::uint64_t u = 0; u < 100; ++u) {
    const routed_request by{.user = user_id{u}, .number = u};
    CHECK(user_router()(by, nodes) == rendezvous_owner(user_id{u}, members));
  }
}

TEST_CASE("routers: nodes that have nothing and do nothing share what comes", "[routing]")
{
  std::vector<node_summary> nodes(8);
  for (std::size_t i = 0; i < nodes.size(); ++i) nodes[i].id = 50 + i;
  constexpr std::uint64_t requests = 8000;
  const auto worst = [&](const auto& route) {
    std::vector<double> got(nodes.size());
    for (std::uint64_t r = 0; r < requests; ++r) got[route(routed_request{user_id{r}, r}, nodes)] += 1;
    double most = 0;
    for (const double one : got) most = (std::max)(most, std::abs(one - requests / 8.0));
    return most;
  };
  const double five_deviations = 5 * std::sqrt(requests / 8.0 * 7 / 8);
  CHECK(worst(affinity_router()) < five_deviations);
  CHECK(worst(hit_only_router()) < five_deviations);
  CHECK(worst(load_only_router()) < five_deviations);
  CHECK(worst(soonest_router()) < five_deviations);
  CHECK(worst(user_router()) < five_deviations);
  CHECK(worst(round_robin_router()) == 0);
}

TEST_CASE("routers: weights that make no sense are refused in a sentence", "[routing]")
{
  CHECK(sentence_of<config_error>([] { affinity_router(-1, 1); }) ==
        "affinity_router.hit_weight is -1.000000, but it must be a number from 0 to 1000000");
  CHECK(sentence_of<config_error>([] { affinity_router(1, std::numeric_limits<double>::quiet_NaN()); }) ==
        "affinity_router.load_weight is nan, but it must be a number from 0 to 1000000");
  CHECK(sentence_of<config_error>([] { affinity_router(0, 0); }) ==
        "affinity_router.hit_weight is 0, but load_weight is 0, too: one of them must be more, or nothing tells nodes "
        "apart");
}

namespace {

struct two_boxes
{
  std::vector<std::size_t> loads{0, 0, 0, 0};
  std::size_t in_slab = 9;
  std::size_t in_box = 9;
  [[nodiscard]] std::size_t gpu_count() const { return 4; }
  [[nodiscard]] std::size_t box_of(std::size_t gpu) const { return gpu / 2; }
  [[nodiscard]] std::size_t load(std::size_t gpu) const { return loads[gpu]; }
  [[nodiscard]] bool slab_holds(std::size_t gpu, user_id) const { return gpu == in_slab; }
  [[nodiscard]] bool box_holds(std::size_t box, user_id) const { return box == in_box; }
};

}  // namespace

TEST_CASE("routers: a fleet of GPUs is routed by the same ones", "[routing]")
{
  routed<affinity_router> route;
  const request asked{.user = user_id{1}};
  CHECK(route(asked, two_boxes{.in_slab = 2, .in_box = 1}) == 2);
  CHECK(route(asked, two_boxes{.loads = {0, 0, 1, 0}, .in_slab = 2, .in_box = 1}) == 2);  // 1 - 1/4 against 1/2
  CHECK(route(asked, two_boxes{.loads = {0, 0, 3, 0}, .in_slab = 2, .in_box = 1}) == 3);
  CHECK(route(asked, two_boxes{.loads = {0, 4, 9, 9}, .in_slab = 2, .in_box = 1}) == 0);
  CHECK(routed<user_router>({}, {{7, 0}, {8, 1}, {9, 0}, {10, 0}})(asked, two_boxes{}) == 1);
  CHECK(routed<user_router>({}, {{1, 0}, {2, -1}, {3, 1, true}, {4, 0}})(asked, two_boxes{}) < 4);
}
