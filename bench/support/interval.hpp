// A mean of few samples and how sure it is.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace bench {

struct mean_interval
{
  double mean = 0;
  double half = 0;  ///< the mean is within this of it, with a confidence of 95 %, were the samples normal

  [[nodiscard]] double low() const noexcept { return mean - half; }
  [[nodiscard]] double high() const noexcept { return mean + half; }
};

/// Student's interval of 2 to 10 samples; of one, the sample and no width.
[[nodiscard]] inline mean_interval interval_of(std::span<const double> samples)
{
  constexpr std::array<double, 11> student{0, 0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
  const auto count = static_cast<double>(samples.size());
  mean_interval out;
  for (const double x : samples) out.mean += x / count;
  double squares = 0;
  for (const double x : samples) squares += (x - out.mean) * (x - out.mean);
  if (samples.size() > 1) out.half = student.at(samples.size()) * std::sqrt(squares / (count - 1) / count);
  return out;
}

}  // namespace bench
