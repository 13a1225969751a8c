// Curves of hits over writes: what a policy gets at each of its parameters, and how far one curve lies above another.
#pragma once

#include <kvstrata/simulate/store_below_memory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace bench {

using kvstrata::write_counts;

struct counted
{
  write_counts whole;
  write_counts second_half;
};

/// A policy and a parameter, and what came of them.
struct point
{
  std::string name;
  counted got;
};
using curve = std::vector<point>;

/// The hits of a curve, which ascends in writes, at so many writes a request: straight between two points, level above
/// the last; nothing below the first.
inline double hits_at(const curve& all, double writes, write_counts counted::* part)
{
  const auto at = [&](std::size_t i) -> const write_counts& { return all[i].got.*part; };
  for (std::size_t i = 1; i < all.size(); ++i) {
    const double from = at(i - 1).write_probability();
    const double to = at(i).write_probability();
    if (writes < from || writes > to || !(to > from)) continue;
    const double way = (writes - from) / (to - from);
    return at(i - 1).hit_ratio() * (1 - way) + at(i).hit_ratio() * way;
  }
  return writes >= at(all.size() - 1).write_probability() ? at(all.size() - 1).hit_ratio() : 0;
}

/// How far ours lies above others, in points: the least, and the mean.
struct lead
{
  double least = std::numeric_limits<double>::infinity();
  double sum = 0;
  std::size_t points = 0;

  /// `ours`: curves of which the better counts.
  void see(const std::vector<curve>& ours, const curve& rivals, write_counts counted::* part)
  {
    for (const point& rival : rivals) {
      const write_counts& theirs = rival.got.*part;
      double mine = 0;
      for (const curve& one : ours) mine = (std::max)(mine, hits_at(one, theirs.write_probability(), part));
      const double above = 100 * (mine - theirs.hit_ratio());
      least = (std::min)(least, above);
      sum += above;
      ++points;
    }
  }
};

struct leads
{
  lead whole;
  lead second_half;

  void see(const std::vector<curve>& ours, const curve& rivals)
  {
    whole.see(ours, rivals, &counted::whole);
    second_half.see(ours, rivals, &counted::second_half);
  }
};

inline void print(const curve& all)
{
  for (const point& p : all) {
    std::printf("  %-40s", p.name.c_str());
    for (const write_counts& c : {p.got.whole, p.got.second_half}) {
      std::printf("  %8.4f %7.2f %7.2f", c.write_probability(), 100 * c.hit_ratio(), c.written_a_byte_read());
    }
    std::printf("\n");
  }
}

}  // namespace bench
