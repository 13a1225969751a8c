// What a piece of work costs: processor seconds of all threads together, which others' work does not count into on a shared
// machine, and the wall clock's beside.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>

namespace bench {

struct cost
{
  double processor = 1e9;
  double wall = 1e9;

  void take_best(const cost& other)
  {
    processor = (std::min)(processor, other.processor);
    wall = (std::min)(wall, other.wall);
  }
};

inline double processor_seconds()
{
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

[[nodiscard]] cost cost_of(const auto& run)
{
  const double before = processor_seconds();
  const auto start = std::chrono::steady_clock::now();
  run();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {processor_seconds() - before, wall};
}

}  // namespace bench
