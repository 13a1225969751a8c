#include "hstu/elementwise.hpp"

namespace hstu {

const elementwise& best_elementwise() noexcept
{
#ifdef HSTU_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return elementwise_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return elementwise_avx2;
#endif
  return elementwise_baseline;
}

}  // namespace hstu
