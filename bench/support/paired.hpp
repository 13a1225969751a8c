// Times two ways of doing the same in turn, A B A B ..., and prints the ratio pair by pair: what a drifting machine
// cannot fake.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace bench {

struct timed
{
  std::string name;
  std::function<void()> run;
};

struct spread
{
  double low = 0;
  double median = 0;
  double high = 0;
};

[[nodiscard]] inline spread spread_of(std::vector<double> samples)
{
  std::sort(samples.begin(), samples.end());
  return {samples.front(), samples[samples.size() / 2], samples.back()};
}

[[nodiscard]] inline double seconds_of(const std::function<void()>& run)
{
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs `subject` and `baseline` in turn, `rounds` times after a warm-up, each run doing `operations` of `unit`.
/// Prints microseconds an operation and baseline / subject: above 1 the subject is faster.
inline void compare(const std::string& what, const timed& subject, const timed& baseline, double operations,
                    const std::string& unit, int rounds = 9)
{
  subject.run();
  baseline.run();
  std::vector<double> mine, theirs, ratio;
  for (int round = 0; round < rounds; ++round) {
    mine.push_back(seconds_of(subject.run) / operations * 1e6);
    theirs.push_back(seconds_of(baseline.run) / operations * 1e6);
    ratio.push_back(theirs.back() / mine.back());
  }
  const auto line = [&](const std::string& name, const spread& s) {
    std::printf("  %-44s %10.2f us/%s  (%.2f to %.2f)\n", name.c_str(), s.median, unit.c_str(), s.low, s.high);
  };
  std::printf("%s\n", what.c_str());
  line(subject.name, spread_of(mine));
  line(baseline.name + " (baseline)", spread_of(theirs));
  const spread r = spread_of(ratio);
  std::printf("  %-44s %10.2f x     (%.2f to %.2f, %d pairs)\n\n", "baseline / subject", r.median, r.low, r.high,
              rounds);
}

}  // namespace bench
