// Catch2, version 2 or 3, and what version 2 lacks: a skip that says why. `Approx` is there in both. Where there is no Catch2,
// or KVSTRATA_TESTING_WITHOUT_CATCH2 is defined, what the conformance suites need of it.
#pragma once

#if defined(KVSTRATA_TESTING_WITHOUT_CATCH2) || (!__has_include(<catch2/catch_all.hpp>) && !__has_include(<catch2/catch.hpp>))
#include "support/without_catch.hpp"
#else

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <string>

/// Leaves the test case (or the void function it stands in) and prints why, on a line that `./dev test` gathers.
#define SKIP_TEST(reason)                                                                           \
  do {                                                                                              \
    std::printf("SKIPPED: %s because %s\n", Catch::getResultCapture().getCurrentTestName().c_str(), \
                std::string(reason).c_str());                                                       \
    std::fflush(stdout);                                                                            \
    SUCCEED("skipped");                                                                             \
    return;                                                                                         \
  } while (false)

namespace kvstrata_test {

/// Matches a message that holds `part`; Catch2 3 has another name for it than 2.
inline auto says(const std::string& part)
{
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Contains(part);
#endif
}

}  // namespace kvstrata_test

#endif
