// What every router must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my router") { kvstrata_test::router_conformance(my_router()); }
//
// Nodes come, go, drain and tell nonsense; whoever is chosen must take requests, and the same question has the same answer.
#pragma once

#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/routing/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

namespace kvstrata_test {

enum class order_of_nodes : std::uint8_t { matters, does_not_matter };

inline std::vector<kvstrata::node_summary> random_nodes(std::mt19937& random)
{
  std::uniform_real_distribution<double> share(0, 1);
  std::vector<kvstrata::node_summary> out(random() % 12);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = kvstrata::node_summary{.id = 1000 + 7 * i + random() % 7,
                                    .weight = 0.5 + share(random),
                                    .is_draining = random() % 4 == 0,
                                    .hit = static_cast<double>(random() % 5) / 4,
                                    .load = static_cast<double>(random() % 9) / 4,
                                    .waiting_seconds = static_cast<double>(random() % 9) / 4,
                                    .work_seconds = static_cast<double>(random() % 5) / 4};
    if (random() % 20 == 0) out[i].waiting_seconds = std::numeric_limits<double>::quiet_NaN();
    if (random() % 20 == 0) out[i].work_seconds = -1;
    if (random() % 20 == 0) out[i].hit = std::numeric_limits<double>::quiet_NaN();
    if (random() % 20 == 0) out[i].load = std::numeric_limits<double>::quiet_NaN();
    if (random() % 20 == 0) out[i].load = -1;
    if (random() % 20 == 0) out[i].hit = std::numeric_limits<double>::infinity();
  }
  return out;
}

template <kvstrata::router Router>
void router_conformance(const Router& route, order_of_nodes order = order_of_nodes::does_not_matter)
{
  using namespace kvstrata;
  REQUIRE(route(routed_request{}, std::span<const node_summary>()) == 0);
  std::mt19937 random(7);
  for (int round = 0; round < 500 * effort; ++round) {
    std::vector<node_summary> nodes = random_nodes(random);
    const routed_request asked{.user = user_id{random() % 50}, .number = random() % 1000};
    const std::size_t chosen = route(asked, nodes);
    const bool any = std::any_of(nodes.begin(), nodes.end(), [](const node_summary& n) { return !n.is_draining; });
    if (!any) {
      REQUIRE(chosen == nodes.size());
      continue;
    }
    REQUIRE(chosen < nodes.size());
    REQUIRE(!nodes[chosen].is_draining);
    REQUIRE(route(asked, nodes) == chosen);
    const Router copy = route;
    REQUIRE(copy(asked, nodes) == chosen);
    if (order == order_of_nodes::does_not_matter) {
      const std::uint64_t id = nodes[chosen].id;
      std::shuffle(nodes.begin(), nodes.end(), random);
      REQUIRE(nodes[route(asked, nodes)].id == id);
    }
    // Who drains is chosen no more, and who is not chosen may go without a change.
    const std::size_t now = route(asked, nodes);
    const std::uint64_t id = nodes[now].id;
    if (order == order_of_nodes::does_not_matter && nodes.size() > 1) {
      std::vector<node_summary> fewer = nodes;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(now == 0 ? 1 : 0));
      REQUIRE(fewer[route(asked, fewer)].id == id);
    }
    nodes[now].is_draining = true;
    const std::size_t other = route(asked, nodes);
    REQUIRE(other != now);
  }
}

}  // namespace kvstrata_test
