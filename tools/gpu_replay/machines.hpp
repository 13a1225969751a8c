// The machines that a run can be made on; each is compiled in a file of its own.
#pragma once

#include "gpu_replay/options.hpp"
#include "gpu_replay/results.hpp"
#include "replay/progress.hpp"

#include <string>

namespace gpu_replay {

/// Kernels on the CPU. Throws kvstrata::error with a sentence when it cannot.
[[nodiscard]] results run_emulated(const options& o, replay::progress& shown);

/// Only in a program that was built with a CUDA toolkit.
[[nodiscard]] results run_cuda(const options& o, replay::progress& shown);

/// Why nothing can be run on a GPU, to stand behind "because"; empty when it can. Throws kvstrata::config_error when there
/// is no such GPU among several.
[[nodiscard]] std::string why_no_gpu(const options& o);

}  // namespace gpu_replay
