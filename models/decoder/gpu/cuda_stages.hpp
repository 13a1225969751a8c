// Staged attention on an NVIDIA GPU, for code that any compiler translates: cuda_stages.cu has what is behind it.
#pragma once

#include "decoder/gpu/stages.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace decoder::gpu {

/// Queues both stages of one layer on a stream of the current device; does not block. Throws kvstrata::usage_error for a head_dim
/// other than 64 and 128, and kvstrata::device_error naming what failed.
void attend(cudaStream_t stream, const stage_arguments& a, std::uint32_t head_dim);

}  // namespace decoder::gpu
