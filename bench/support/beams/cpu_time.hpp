// Pairs of runs of one thread, by the time that the thread had of a processor: others on the machine may take it away at any
// moment, and either side is short. What they take of caches and memory remains.
#pragma once

#include "support/paired.hpp"

#include <ctime>
#include <vector>

namespace beams_bench {

[[nodiscard]] inline double cpu_seconds_of(const std::function<void()>& run)
{
  const std::clock_t start = std::clock();
  run();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// As bench::time_pairs(), in seconds of the processor. The program must have one thread.
[[nodiscard]] inline bench::paired_seconds cpu_pairs(const bench::timed& subject, const bench::timed& baseline,
                                                     int rounds)
{
  subject.run();
  baseline.run();
  std::vector<double> mine, theirs, ratio;
  for (int round = 0; round < rounds; ++round) {
    mine.push_back(cpu_seconds_of(subject.run));
    theirs.push_back(cpu_seconds_of(baseline.run));
    ratio.push_back(theirs.back() / mine.back());
  }
  return {bench::spread_of(mine), bench::spread_of(theirs), bench::spread_of(ratio)};
}

}  // namespace beams_bench
