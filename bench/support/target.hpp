// What was measured and what was wanted, in one line.
#pragma once

#include <cstdio>
#include <string>

namespace bench {

enum class better { less, more };

struct target
{
  std::string name;
  double value = 0;
  better way = better::less;
  double wanted = 0;
  std::string stream{};  ///< that it was measured on, where there are several

  [[nodiscard]] bool met() const noexcept { return way == better::less ? value <= wanted : value >= wanted; }
};

/// `TARGET name value wanted met|short`, and the stream.
inline void print(const target& t)
{
  std::printf("TARGET %s %.6g %s%.6g %s%s%s\n", t.name.c_str(), t.value, t.way == better::less ? "<=" : ">=", t.wanted,
              t.met() ? "met" : "short", t.stream.empty() ? "" : " ", t.stream.c_str());
}

}  // namespace bench
