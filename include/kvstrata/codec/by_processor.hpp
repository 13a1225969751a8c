// Work in loops, compiled twice: as the program is, and for AVX2, where the processor has it. Nobody needs -march.
//
// Without FMA, so that both give the same bits.
#pragma once

#include <kvstrata/core/namespace.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::detail {

#if defined(__x86_64__)
[[nodiscard]] inline bool has_avx2() noexcept
{
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

template <class Work>
[[gnu::target("avx2")]] void run_with_avx2(Work& work) noexcept
{
  work.run();
}
#endif

/// work.run() must be [[gnu::always_inline]], and what it calls be inlined.
template <class Work>
void by_processor(Work& work) noexcept
{
#if defined(__x86_64__)
  if (has_avx2()) {
    run_with_avx2(work);
    return;
  }
#endif
  work.run();
}

}  // namespace kvstrata::codec::detail
