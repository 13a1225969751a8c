// Catch2, version 2 or 3, and what version 2 lacks: a skip that says why. `Approx` is there in both.
#pragma once

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
