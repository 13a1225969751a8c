// All that nvcc adds to kvstrata: the cache on NVIDIA GPUs. <kvstrata/kvstrata.hpp> has the rest.
//
//   device/cuda_device.hpp        cuda_device, a device of streams, events, pinned memory and copies; host code, which any
//                                 compiler translates where the toolkit's headers are
//   device/cuda/copy_kernels.cuh  the copy kernel behind cuda_device::copy_kernel_launch: staged_copy, window_copy and
//                                 kernel_copy need it. One .cu of a program includes this file, or that one
//   device/cuda/codes/exp4_kernels.cuh
//                                 the kernels that encode and decode pages for tiers that keep exp4's code of them
//   layout/append_rows.cuh        launch_append_rows: writes new K and V into the pages of a lease
//
// Not among it, for most programs want none of them and compiling them takes time: the kernels of lossy codecs. For tiers that
// keep their codes, one .cu of the program also includes
//
//   device/cuda/codes/int8_kernels.cuh, fp8_kernels.cuh or int4_kernels.cuh, or all three by lossy_kernels.cuh
//
// Without it the linker says that kvstrata::cuda::code_kernels<...>::launch is missing, and of which coder.
//
// Only .cu files can include this. Link kvstrata::cuda.
#pragma once

#include <kvstrata/device/cuda/codes/exp4_kernels.cuh>
#include <kvstrata/device/cuda/copy_kernels.cuh>
#include <kvstrata/device/cuda_device.hpp>
#include <kvstrata/layout/append_rows.cuh>
