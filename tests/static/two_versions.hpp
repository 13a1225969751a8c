// What the test of two versions asks of each.
#pragma once

#include <typeinfo>

struct tested_version
{
  const void* variable;        // an inline one
  const std::type_info* type;  // one of the library's
  bool (*serves)();
  void (*misuse)();                    // throws what the version throws
  bool (*is_caught)(void (*other)());  // as the version's own error
};

extern const tested_version v0_98;
extern const tested_version v0_99;
