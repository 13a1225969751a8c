// Samples as a reader wants them: low, median, high; and how many samples a machine is asked for.
#pragma once

#include "../../support/paired.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// How often a thing is timed: at least `rounds` times, and more while `seconds` are not used up, but never beyond
/// `most`. Warm-ups come before and are thrown away.
struct sampling_plan
{
  unsigned warm_ups = 1;
  unsigned rounds = 5;
  unsigned most = 101;
  double seconds = 0.05;  ///< of the machine's time
};

/// The same samples in another unit.
[[nodiscard]] inline spread scaled(const spread& s, double factor)
{
  return {s.low * factor, s.median * factor, s.high * factor};
}

/// Amounts a second, of times that one amount took: the longest time is the lowest rate.
[[nodiscard]] inline spread rate_of(double amount, const spread& seconds)
{
  const auto rate = [amount](double s) { return s > 0 ? amount / s : 0.0; };
  return {rate(seconds.high), rate(seconds.median), rate(seconds.low)};
}

/// How far the samples lie apart, as a share of the median.
[[nodiscard]] inline double width_of(const spread& s) { return s.median > 0 ? (s.high - s.low) / s.median : 0.0; }

/// Calls `run() -> seconds` as the plan says.
template <class Run>
[[nodiscard]] spread sample(const sampling_plan& plan, Run&& run)
{
  for (unsigned i = 0; i < plan.warm_ups; ++i) static_cast<void>(run());
  std::vector<double> seconds;
  double used = 0;
  while (seconds.size() < plan.rounds || (used < plan.seconds && seconds.size() < plan.most)) {
    seconds.push_back(run());
    used += seconds.back();
  }
  return spread_of(std::move(seconds));
}

/// Calls `subject() -> seconds` and `ceiling() -> seconds` in turn, so that a drifting machine cannot fake their ratio.
template <class Subject, class Ceiling>
[[nodiscard]] paired_seconds sample_pairs(const sampling_plan& plan, Subject&& subject, Ceiling&& ceiling)
{
  for (unsigned i = 0; i < plan.warm_ups; ++i) {
    static_cast<void>(ceiling());
    static_cast<void>(subject());
  }
  std::vector<double> mine, theirs, ratio;
  double used = 0;
  while (mine.size() < plan.rounds || (used < plan.seconds && mine.size() < plan.most)) {
    theirs.push_back(ceiling());
    mine.push_back(subject());
    ratio.push_back(mine.back() > 0 ? theirs.back() / mine.back() : 0.0);
    used += mine.back() + theirs.back();
  }
  return {spread_of(std::move(mine)), spread_of(std::move(theirs)), spread_of(std::move(ratio))};
}

}  // namespace bench
