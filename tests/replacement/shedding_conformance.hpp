// What every shedding policy must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my shedding") { kvstrata_test::shedding_conformance<my_shedding>(); }
#pragma once

#include "support/catch.hpp"

#include <kvstrata/replacement/shedding.hpp>

#include <algorithm>

namespace kvstrata_test {

template <kvstrata::shedding_policy Shedding>
void shedding_conformance()
{
  using kvstrata::page_count;
  SECTION("enough goes, and no more than there is; asked again, the same")
  {
    for (page_count resident = 1; resident < 5000; resident += 1 + resident / 11) {
      for (page_count wanted = 1; wanted < 9000; wanted += 1 + wanted / 13) {
        CAPTURE(resident, wanted);
        const page_count gone = Shedding::pages_to_shed(resident, wanted);
        REQUIRE(gone <= resident);
        REQUIRE(gone >= (std::min)(resident, wanted));
        REQUIRE(Shedding::pages_to_shed(resident, wanted) == gone);
      }
    }
  }
}

}  // namespace kvstrata_test
