#include "hstu/elementwise.hpp"

namespace hstu {

const elementwise& best_elementwise() noexcept
{
#ifdef HSTU_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    // AMD's divide 512 bits in about the time of the multiplications that would replace it, Intel's in two to three times that.
    return __builtin_cpu_is("amd") ? elementwise_avx512_divides : elementwise_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return elementwise_avx2;
#endif
  return elementwise_baseline;
}

}  // namespace hstu
