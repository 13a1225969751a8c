// The lock of a cache, for a call of which a tracker may want to know how long it waited.
#pragma once

#include <kvstrata/observe/concepts.hpp>

#include <chrono>
#include <cstdint>
#include <mutex>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Locks. A tracker that listens for it is told where the lock was taken; a call that finds it free looks at no clock.
template <tracker T>
[[nodiscard]] auto told_lock(std::mutex& mutex, [[maybe_unused]] T& who, [[maybe_unused]] call_name call)
{
  if constexpr (!tracks<T, lock_waited>) {
    return std::lock_guard(mutex);
  } else {
    std::unique_lock lock(mutex, std::try_to_lock);
    if (lock.owns_lock()) return lock;
    using clock = std::chrono::steady_clock;
    const clock::time_point since = clock::now();
    lock.lock();
    const auto waited = std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now() - since);
    who.on(lock_waited{call, static_cast<std::uint64_t>(waited.count())});
    return lock;
  }
}

}  // namespace kvstrata::detail
