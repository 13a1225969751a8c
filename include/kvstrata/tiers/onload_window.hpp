// The onload window: pages behind the slab's own, with ordinary page ids, in which an onload may land in long runs however
// scattered the slab is. Attention reads them in place, and a promotion brings them to their pages later: MTServe's way
// (arXiv 2604.22881).
#pragma once

#include <kvstrata/tiers/run_pool.hpp>

#include <optional>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Hands out runs of window pages by their page ids. As run_pool: try_take never waits, returns the fence of the last use.
class onload_window
{
 public:
  /// Pages [first, first + pages) of the slab's reservation.
  onload_window(page_count first, page_count pages) : first_(first), pool_(pages) {}

  [[nodiscard]] page_count capacity() const noexcept { return pool_.capacity(); }
  [[nodiscard]] page_count free() const noexcept { return pool_.free(); }
  [[nodiscard]] std::optional<taken_run> try_take(page_count most) noexcept
  {
    auto taken = pool_.try_take(most);
    if (taken) taken->run.first += first_;
    return taken;
  }
  /// Nothing that others still use; as frame_pool's.
  template <class Theirs>
  [[nodiscard]] std::optional<taken_run> try_take_now(page_count most, const Theirs& theirs) noexcept
  {
    auto taken = pool_.try_take_now(most, theirs);
    if (taken) taken->run.first += first_;
    return taken;
  }
  template <class Device>
  void give_back(frame_run run, const fence& last_use, Device& d) noexcept
  {
    run.first -= first_;
    pool_.give_back(run, last_use, d);
  }
  template <class Complete>
  [[nodiscard]] page_count in_flight(Complete&& complete)
  {
    return pool_.in_flight(complete);
  }
  template <class Visit>
  void each_use(Visit&& visit) const
  {
    pool_.each_use(visit);
  }

 private:
  page_count first_;
  run_pool pool_;
};

}  // namespace kvstrata
