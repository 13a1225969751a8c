// What marks a function that kernels call, so that one source is compiled by nvcc for the GPU and by any compiler for the
// CPU, where tests run the same kernels.
#pragma once

#ifdef __CUDACC__
#define HSTU_FUNCTION __host__ __device__  ///< arithmetic: callable from everywhere
#define HSTU_KERNEL __device__             ///< calls its block: on the GPU when nvcc compiles it, else on the CPU
#define HSTU_UNROLL _Pragma("unroll")      ///< in front of a loop that indexes registers
#else
#define HSTU_FUNCTION
#define HSTU_KERNEL
#define HSTU_UNROLL
#endif
