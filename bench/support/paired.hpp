// Times two ways of doing the same in turn, A B A B ..., and prints the ratio pair by pair: what a drifting machine
// cannot fake.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace bench {

struct timed
{
  std::string name;
  std::function<void()> run;
  std::function<void()> prepare = [] {};  ///< before each run, not timed
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

/// What the calling thread computed meanwhile: on a busy machine closer to the work than what passed. Of one thread's work.
[[nodiscard]] inline double thread_seconds_of(const std::function<void()>& run)
{
  const auto now = [] {
    std::timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  run();
  return now() - start;
}

struct paired_seconds
{
  spread subject;
  spread baseline;
  spread ratio;  ///< baseline / subject: above 1 the subject is faster
};

/// Runs `subject` and `baseline` in turn, `rounds` times after a warm-up. Seconds a run, by `clock`.
[[nodiscard]] inline paired_seconds time_pairs(const timed& subject, const timed& baseline, int rounds = 9,
                                               double (*clock)(const std::function<void()>&) = seconds_of)
{
  const auto once = [clock](const timed& one) {
    one.prepare();
    return clock(one.run);
  };
  once(subject);
  once(baseline);
  std::vector<double> mine, theirs, ratio;
  for (int round = 0; round < rounds; ++round) {
    mine.push_back(once(subject));
    theirs.push_back(once(baseline));
    ratio.push_back(theirs.back() / mine.back());
  }
  return {spread_of(mine), spread_of(theirs), spread_of(ratio)};
}

/// The same, each run doing `operations` of `unit`; prints microseconds an operation and the ratio.
inline void compare(const std::string& what, const timed& subject, const timed& baseline, double operations,
                    const std::string& unit, int rounds = 9)
{
  const paired_seconds seconds = time_pairs(subject, baseline, rounds);
  const auto line = [&](const std::string& name, const spread& s) {
    const double us = 1e6 / operations;
    std::printf("  %-44s %10.2f us/%s  (%.2f to %.2f)\n", name.c_str(), us * s.median, unit.c_str(), us * s.low,
                us * s.high);
  };
  std::printf("%s\n", what.c_str());
  line(subject.name, seconds.subject);
  line(baseline.name + " (baseline)", seconds.baseline);
  std::printf("  %-44s %10.2f x     (%.2f to %.2f, %d pairs)\n\n", "baseline / subject", seconds.ratio.median,
              seconds.ratio.low, seconds.ratio.high, rounds);
}

}  // namespace bench
