// `replay --model decoder --blocks`, from the command line to the exit code.
#pragma once

#include <iosfwd>

namespace replay {

/// As command() of the replay.
[[nodiscard]] int blocks_command(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace replay
