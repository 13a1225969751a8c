// What a cache and its stores had to do with each other.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What went on between a cache and one of its stores so far.
struct store_figures
{
  std::uint64_t puts = 0;               ///< begun
  std::uint64_t put_tokens = 0;         ///< in these
  std::uint64_t refused_tokens = 0;     ///< that found no room on their way down
  std::uint64_t unadmitted_tokens = 0;  ///< that its admission policy turned away
  std::uint64_t lost_puts = 0;
  std::uint64_t gets = 0;             ///< begun
  std::uint64_t staged_tokens = 0;    ///< that arrived in the last memory
  std::uint64_t lost_gets = 0;        ///< misses
  std::uint64_t overdue_gets = 0;     ///< of `lost_gets`: the store took longer than it may
  std::uint64_t overdue_reads = 0;    ///< of `lost_gets`: longer than the lease that counted on them waits
  std::uint64_t computed_tokens = 0;  ///< that it had and that were left to the model, which computes them sooner
  std::uint64_t freeing_gets = 0;     ///< of `gets`: the model would have been sooner; they leave the device to others
  std::uint64_t freeing_tokens = 0;   ///< in these
  std::uint64_t late_gets = 0;        ///< of `gets`: a lease had begun before they came
  std::uint64_t late_tokens = 0;      ///< that came for such leases
  std::uint64_t unused_gets = 0;      ///< arrived, and found no place or no use any more
  std::uint64_t foreign = 0;          ///< records found that are of another life, epoch or format: misses
  std::uint64_t contradicted = 0;     ///< records that a fingerprint contradicts: misses, and erased
  std::uint64_t errors = 0;           ///< calls up that it threw at, or whose copy the device refused: misses
  std::uint64_t asked = 0;            ///< sequences of which the store did not know without asking

  constexpr store_figures& operator+=(const store_figures& o) noexcept
  {
    puts += o.puts;
    put_tokens += o.put_tokens;
    refused_tokens += o.refused_tokens;
    unadmitted_tokens += o.unadmitted_tokens;
    lost_puts += o.lost_puts;
    gets += o.gets;
    staged_tokens += o.staged_tokens;
    lost_gets += o.lost_gets;
    overdue_gets += o.overdue_gets;
    overdue_reads += o.overdue_reads;
    computed_tokens += o.computed_tokens;
    freeing_gets += o.freeing_gets;
    freeing_tokens += o.freeing_tokens;
    late_gets += o.late_gets;
    late_tokens += o.late_tokens;
    unused_gets += o.unused_gets;
    foreign += o.foreign;
    contradicted += o.contradicted;
    errors += o.errors;
    asked += o.asked;
    return *this;
  }
};

}  // namespace kvstrata
