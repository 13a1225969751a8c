// Who stands on which version of what: against a list of all that was told.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/dependants.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <tuple>
#include <vector>

namespace {

using namespace kvstrata;

using row = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>;

[[nodiscard]] row row_of(const dependant& one) { return {one.number, one.version, one.ground}; }

/// Those whose ground has changed, who all stay.
[[nodiscard]] std::vector<row> superseded(dependants& all)
{
  std::vector<row> out;
  all.settle([&out](const dependant& one) {
    out.push_back(row_of(one));
    return true;
  });
  std::sort(out.begin(), out.end());
  return out;
}

/// Everything that was told, for good.
struct told
{
  sequence_key key;
  dependant one;
};

}  // namespace

TEST_CASE("dependants: whose ground has changed, and nobody else, is superseded", "[books]")
{
  std::mt19937 random(21);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  const auto any = [](const dependant&) { return true; };
  std::size_t changed = 0, settled = 0;
  for (int round = 0; round < 200; ++round) {
    dependants all;
    std::vector<told> standing;
    std::vector<row> fallen;
    for (int step = 0; step < 120; ++step) {
      const sequence_key key{.space = below(2), .id = below(3)};
      const std::uint32_t what = below(10);
      if (what < 7) {
        const dependant one{.number = below(8), .version = below(2), .ground = below(3)};
        all.add(key, one, any);
        const auto same = [&](const told& other) { return other.key == key && other.one == one; };
        if (std::none_of(standing.begin(), standing.end(), same)) standing.push_back({key, one});
      } else if (what < 9) {
        const std::uint64_t version = below(3);
        all.supersede(key, version);
        std::erase_if(standing, [&](const told& other) {
          if (other.key != key || other.one.ground == version) return false;
          fallen.push_back(row_of(other.one));
          ++changed;
          return true;
        });
      } else {
        const std::uint32_t number = below(8);  // of this one nothing more is wanted
        all.settle([number](const dependant& one) { return one.number != number; });
        settled += std::erase_if(fallen, [number](const row& one) { return std::get<0>(one) == number; });
      }
      REQUIRE(all.any_superseded() == !fallen.empty());
      std::sort(fallen.begin(), fallen.end());
      REQUIRE(superseded(all) == fallen);
    }
  }
  CHECK((changed > 2000 && settled > 500));
}

TEST_CASE("dependants: who is not meant any more is forgotten in time, and who is meant never", "[books]")
{
  dependants all;
  constexpr std::uint32_t users = 20;
  constexpr std::uint64_t steps = 5000;
  std::vector<std::uint64_t> newest(users, 0);
  const auto is_meant = [&newest](const dependant& one) { return newest[one.number] == one.version; };
  std::size_t asked = 0, most = 0;
  for (std::uint64_t step = 1; step <= steps; ++step) {  // each time one has another version
    const auto number = static_cast<std::uint32_t>(step % users);
    newest[number] = step;
    std::size_t now = 0;
    all.add({.id = step % 7}, {number, step, 1}, [&](const dependant& one) {
      ++now;
      return is_meant(one);
    });
    asked += now;
    most = (std::max)(most, now);
  }
  CHECK(most <= 2 * users + 64);  // as many were kept when it looked
  CHECK(asked < 3 * steps);       // now and then, not always
  for (std::uint64_t id = 0; id < 7; ++id) all.supersede({.id = id}, 2);
  const std::vector<row> fallen = superseded(all);
  CHECK(fallen.size() <= 2 * users + 64);
  for (std::uint32_t number = 0; number < users; ++number) {
    CHECK(std::count(fallen.begin(), fallen.end(), row{number, newest[number], 1}) == 1);
  }
}

TEST_CASE("dependants: where room was made, a version changes without an allocation", "[books]")
{
  dependants all;
  const auto any = [](const dependant&) { return true; };
  for (std::uint32_t number = 0; number < 50; ++number) all.add({.id = number % 2}, {number, 1, 1}, any);
  for (std::uint64_t id = 0; id < 2; ++id) {
    all.reserve_for({.id = id});
    const std::size_t before = kvstrata_test::allocations();
    all.supersede({.id = id}, 2);
    CHECK(kvstrata_test::allocations() == before);
  }
  CHECK(superseded(all).size() == 50);
  all.reserve_for({.id = 9});  // nobody stands on it
  all.supersede({.id = 9}, 2);
  CHECK(superseded(all).size() == 50);
}
