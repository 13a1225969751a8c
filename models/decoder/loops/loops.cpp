#include "decoder/loops/loops.hpp"

namespace decoder {

const loops& best_loops() noexcept
{
#ifdef DECODER_X86
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return loops_avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return loops_avx2;
#endif
  return loops_baseline;
}

}  // namespace decoder
