// kvstrata-replay as a function. Exit code 0: done; 1: a score differed from recomputation, or the run could not be
// finished; 2: a bad argument.
#pragma once

#include <iosfwd>

namespace replay {

/// Serves the requests and writes the results; what it says of itself and of faults goes to `err`.
[[nodiscard]] int command(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace replay
