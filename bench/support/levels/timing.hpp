// Two subjects in turn: blocks of batches, the order rotating, a thread's own seconds.
#pragma once

#include "../paired.hpp"
#include "measure.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace levels {

struct compared
{
  bench::spread us;        ///< a batch, of the subject, by round
  bench::spread baseline;  ///< likewise
  bench::spread ratio;     ///< subject / baseline, by round
};

/// One round: both begin with empty caches, warm up, and take turns. Needs the memory of both at once.
inline std::pair<double, double> time_round(const subject& mine, const subject& theirs, const scene& s, bool mine_first)
{
  constexpr std::size_t block = 250;
  answering_child a(mine.answering(s)), b(theirs.answering(s));
  for (answering_child* c : {&a, &b}) {
    if (c->hear() != "ready\n") throw std::runtime_error("a subject is not ready");
  }
  double seconds[2] = {0, 0};
  bool a_first = mine_first;
  for (std::size_t left = s.to - s.from; left != 0; a_first = !a_first) {
    const std::size_t batches = std::min(left, block);
    for (const bool a_now : {a_first, !a_first}) {
      seconds[a_now ? 0 : 1] += std::stod((a_now ? a : b).ask(std::to_string(batches)));
    }
    left -= batches;
  }
  return {1e6 * seconds[0] / s.batches(), 1e6 * seconds[1] / s.batches()};
}

[[nodiscard]] inline compared time_in_turn(const subject& mine, const subject& theirs, const scene& s, int rounds)
{
  std::vector<double> us, baseline, ratio;
  for (int round = 0; round < rounds; ++round) {
    const auto [a, b] = time_round(mine, theirs, s, round % 2 == 0);
    us.push_back(a);
    baseline.push_back(b);
    ratio.push_back(a / b);
  }
  return {bench::spread_of(us), bench::spread_of(baseline), bench::spread_of(ratio)};
}

}  // namespace levels
