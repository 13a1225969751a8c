// The policy of docs/tutorials/your-first-policy.md.
#include "policies/probation.hpp"
#include "replacement/replacement_conformance.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <vector>

using kvstrata_test::replacement_conformance;
using kvstrata_test::replacement_rig;

TEST_CASE("the tutorial's probation: conformance") { replacement_conformance<example::probation<>>(); }

TEST_CASE("probation: newcomers go first while they are too many, else whoever is trusted")
{
  replacement_rig<example::probation<50>> r(6);
  for (std::uint32_t id = 0; id < 6; ++id) r.insert(id);
  r.touch(1);
  r.touch(0);
  r.touch(1);  // trusted: 0 1; newcomers: 2 3 4 5, more than half
  CHECK(r.victims(r.size()) == std::vector<std::uint32_t>{2, 3, 4, 5, 0, 1});
  r.remove(2);  // 3 of 5 are still more than half
  CHECK(r.victims(r.size()) == std::vector<std::uint32_t>{3, 4, 5, 0, 1});
  r.remove(3);  // 2 of 4 are not
  CHECK(r.victims(r.size()) == std::vector<std::uint32_t>{0, 1, 4, 5});
  r.remove(0);
  r.insert(0);  // who left comes back as a newcomer
  CHECK(r.victims(r.size()) == std::vector<std::uint32_t>{4, 5, 0, 1});
}
