// The kernels of all lossy codecs: one .cu of a program whose tiers keep such codes includes this, or the header of the codec that
// they keep. nvcc only.
#pragma once

#include <kvstrata/device/cuda/codes/fp8_kernels.cuh>
#include <kvstrata/device/cuda/codes/int4_kernels.cuh>
#include <kvstrata/device/cuda/codes/int8_kernels.cuh>
