// A tracker that is elsewhere: made before a cache, kept beyond it, or shared by several.
//
//   counters all;
//   cache_type a(device, config, tracker_ref(all)), b(device, config, tracker_ref(all));
//
#pragma once

#include <kvstrata/observe/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Tells another tracker what it is told; that must outlive the cache. Caches that share one tell it each under a lock of its
/// own, so at once, and their calls mingle: it needs what it takes to be told by several threads (counters has it; a timeline
/// takes the calls of two caches for one another's). One that refers to nobody tells nobody.
template <tracker T>
class tracker_ref
{
 public:
  tracker_ref() = default;
  explicit tracker_ref(T& to) noexcept : to_(&to) {}

  template <class Event>
    requires tracks<T, Event>
  void on(const Event& e) noexcept
  {
    if (to_ != nullptr) tell(*to_, e);
  }

  /// Null when it refers to nobody.
  [[nodiscard]] T* get() const noexcept { return to_; }

 private:
  T* to_ = nullptr;
};

template <tracker T>
inline constexpr bool detail::tells_others<tracker_ref<T>> = true;

static_assert(tracker<tracker_ref<no_tracker>> && !tracks<tracker_ref<no_tracker>, batch_prepared>);

}  // namespace kvstrata
