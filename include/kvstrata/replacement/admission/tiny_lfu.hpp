// Only who is asked for more often than whom it would push out may come in; with room to spare, everybody. (Einziger,
// Friedman, Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on Storage, 2017.)
//
//   requested:  counts the request in a sketch that forgets by halving (frequency_sketch.hpp)
//   admits:     the candidate's count must be above the victim's: a tie is no reason to write
//
// Makes any replacement policy resist scans; together with a window and segments it is w_tiny_lfu.hpp. O(1); allocates
// at construction only (the sketch: 8 to 16 bytes for each of the tier's objects).
#pragma once

#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/frequency_sketch.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class tiny_lfu
{
 public:
  using option_kind = admission_option;

  /// Throws std::bad_alloc.
  explicit tiny_lfu(const tier_size& size) : sketch_(size) {}

  void requested(const object_info& info) noexcept { sketch_.add(to_number(info.user), info.bytes); }

  [[nodiscard]] bool admits(const object_info& candidate, const object_info* victim) const noexcept
  {
    return victim == nullptr ||
           sketch_.frequency(to_number(candidate.user)) > sketch_.frequency(to_number(victim->user));
  }

 private:
  frequency_sketch sketch_;
};

static_assert(admission_policy<tiny_lfu>);

}  // namespace kvstrata
