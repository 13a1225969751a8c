// kvstrata-gpu-replay as a function. Exit code 0: done, or SKIPPED with the reason where there is no GPU to serve on; 1: an
// answer differed from recomputation, or the run could not be finished; 2: a bad argument.
#pragma once

#include "gpu_replay/options.hpp"
#include "gpu_replay/results.hpp"
#include "replay/progress.hpp"

#include <iosfwd>
#include <string>

namespace gpu_replay {

/// What a program needs to serve on a GPU (machines.hpp); null functions: it was built without a CUDA toolkit.
struct gpu_runner
{
  std::string (*why_none)(const options& o) = nullptr;
  results (*run)(const options& o, replay::progress& shown) = nullptr;
};

/// Serves the requests and writes the results; what it says of itself and of faults goes to `err`.
[[nodiscard]] int command(int argc, const char* const* argv, const gpu_runner& gpu, std::ostream& out,
                          std::ostream& err);

}  // namespace gpu_replay
