// Linked into the examples and benchmarks, which print what they found and return from main(): one whose output could not
// be written ends with 1 and a sentence, not with 0.
#include "command_line/standard_output.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

const struct checked_output
{
  checked_output() { tools::hold_standard_streams(); }
  checked_output(const checked_output&) = delete;
  checked_output& operator=(const checked_output&) = delete;
  ~checked_output()
  {
    const std::string fault = tools::standard_output_fault();
    if (fault.empty()) return;
    std::fprintf(stderr, "error: %s\n", fault.c_str());
    std::_Exit(EXIT_FAILURE);
  }
} at_exit;

}  // namespace
