// Kernels that take as long as a test wants: on a GPU spin.cu, on the fake runtime runtime/spin.cpp.
#pragma once

#include "support/gate.hpp"

#include <cuda_runtime_api.h>

namespace kvstrata_test {

/// Do they run on a GPU? Then spans of different streams may be compared to see how well they overlap.
[[nodiscard]] bool spins_on_a_gpu();

/// Queues a kernel of one block that runs so long.
void spin(cudaStream_t stream, unsigned microseconds);

/// Queues a kernel of one block that runs until the gate is open, or for 20 seconds. `words` is pinned memory.
void spin_until_open(cudaStream_t stream, gate_words* words);

}  // namespace kvstrata_test
