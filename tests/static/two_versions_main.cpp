// Two minor versions in one process: each serves, and neither takes the other's types, variables or functions for its own.
#include "two_versions.hpp"

#include <cstdio>

namespace {

int faults = 0;

void expect(bool holds, const char* what)
{
  if (holds) return;
  ++faults;
  std::printf("fault: %s\n", what);
}

}  // namespace

int main()
{
  expect(v0_98.variable != v0_99.variable, "an inline variable is one of each");
  expect(*v0_98.type != *v0_99.type, "types are apart");
  expect(v0_98.serves() && v0_99.serves() && v0_98.serves(), "both serve");
  expect(v0_98.is_caught(v0_98.misuse) && v0_99.is_caught(v0_99.misuse), "each catches its own errors");
  expect(!v0_98.is_caught(v0_99.misuse) && !v0_99.is_caught(v0_98.misuse), "neither catches the other's");
  return faults == 0 ? 0 : 1;
}
