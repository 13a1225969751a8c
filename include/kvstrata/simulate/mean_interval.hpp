// The mean of a few runs with different seeds, and how far it may be off.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What lies 95 % of a Student's t distribution within -t and t.
[[nodiscard]] constexpr double student_t_95(std::size_t degrees_of_freedom) noexcept
{
  constexpr std::array<double, 30> table{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                         2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                                         2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (degrees_of_freedom == 0) return 0;
  if (degrees_of_freedom <= table.size()) return table[degrees_of_freedom - 1];
  // Within 0.002 of it beyond the table.
  return 1.96 + 2.4 / static_cast<double>(degrees_of_freedom);
}

/// A mean and its 95 % interval: the true mean lies within mean - half and mean + half for 19 of 20 such samples, where the
/// runs differ as a normal distribution does. `half` is 0 for fewer than two runs: nothing is known then.
struct mean_interval
{
  double mean = 0;
  double half = 0;
};

[[nodiscard]] inline mean_interval interval_of(std::span<const double> runs) noexcept
{
  if (runs.empty()) return {};
  const auto count = static_cast<double>(runs.size());
  mean_interval out;
  for (const double one : runs) out.mean += one / count;
  if (runs.size() < 2) return out;
  double squares = 0;
  for (const double one : runs) squares += (one - out.mean) * (one - out.mean);
  out.half = student_t_95(runs.size() - 1) * std::sqrt(squares / (count - 1) / count);
  return out;
}

}  // namespace kvstrata
