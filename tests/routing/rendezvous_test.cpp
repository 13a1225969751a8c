// Who serves whom: shares as weights say, and nobody moves who need not.
#include "support/catch.hpp"

#include <kvstrata/routing/rendezvous.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

using namespace kvstrata;

namespace {

constexpr std::uint64_t rendezvous_users = 40'000;

std::vector<std::size_t> owners_of(const std::vector<rendezvous_member>& members)
{
  std::vector<std::size_t> out;
  for (std::uint64_t u = 0; u < rendezvous_users; ++u) out.push_back(rendezvous_owner(user_id{u}, members));
  return out;
}
std::vector<double> shares_of(const std::vector<std::size_t>& owners, std::size_t members)
{
  std::vector<double> out(members + 1);
  for (const std::size_t o : owners) out[o] += 1.0 / static_cast<double>(rendezvous_users);
  return out;
}

}  // namespace

TEST_CASE("rendezvous: each member gets its share")
{
  const std::vector<rendezvous_member> members{{11, 1}, {22, 2}, {33, 1}, {44, 4}};
  const std::vector<double> shares = shares_of(owners_of(members), members.size());
  // Five standard deviations of a share p of n users.
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double p = members[i].weight / 8;
    REQUIRE(std::abs(shares[i] - p) < 5 * std::sqrt(p * (1 - p) / static_cast<double>(rendezvous_users)));
  }
}

TEST_CASE("rendezvous: one that joins, drains, or is weighed anew moves nobody else's users")
{
  std::vector<rendezvous_member> members{{11, 1}, {22, 2}, {33, 1}};
  const auto before = owners_of(members);
  auto more = members;
  more.push_back({44, 1});
  const auto joined = owners_of(more);
  std::size_t moved = 0;
  for (std::size_t u = 0; u < before.size(); ++u) {
    if (joined[u] != before[u]) {
      ++moved;
      REQUIRE(joined[u] == 3);
    }
  }
  REQUIRE(moved != 0);
  auto fewer = members;
  fewer[1].is_draining = true;
  const auto drained = owners_of(fewer);
  for (std::size_t u = 0; u < before.size(); ++u) {
    REQUIRE(drained[u] != 1);
    if (before[u] != 1) REQUIRE(drained[u] == before[u]);
  }
  auto lighter = members;
  lighter[1].weight = 1.5;
  const auto lightened = owners_of(lighter);
  for (std::size_t u = 0; u < before.size(); ++u) {
    if (before[u] != 1) REQUIRE(lightened[u] == before[u]);
  }
  // It goes by ids, not by places.
  std::vector<rendezvous_member> turned{members[2], members[0], members[1]};
  const auto again = owners_of(turned);
  for (std::size_t u = 0; u < before.size(); ++u) REQUIRE(turned[again[u]].id == members[before[u]].id);
}

TEST_CASE("rendezvous: where nobody takes anybody, nobody does")
{
  REQUIRE(rendezvous_owner(user_id{1}, {}) == 0);
  const std::vector<rendezvous_member> none{{1, 0},
                                            {2, -1},
                                            {3, 1, true},
                                            {4, std::numeric_limits<double>::quiet_NaN()},
                                            {5, std::numeric_limits<double>::infinity()}};
  REQUIRE(rendezvous_owner(user_id{1}, none) == none.size());
}

TEST_CASE("rendezvous: weights by load have bounds")
{
  REQUIRE(weight_for_load(10, 10) == 1);
  REQUIRE(weight_for_load(0, 10) == 2);
  REQUIRE(weight_for_load(1000, 10) == 0.5);
  REQUIRE(weight_for_load(5, 10) == 2);
  REQUIRE(weight_for_load(20, 10) == 0.5);
  REQUIRE(weight_for_load(8, 10) == 1.25);
  REQUIRE(weight_for_load(1, 0) == 1);
  REQUIRE(weight_for_load(std::numeric_limits<double>::quiet_NaN(), 1) == 1);
}
