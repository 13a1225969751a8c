// Threads that wait until a cache can do something for them. Nobody there: a comparison.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All members are called under one lock.
class waiting_room
{
 public:
  /// Gives the lock up until passed() holds, at most so long, a year at most. What passed() says at the end. Looks whenever
  /// somebody wakes it, and every tenth of a millisecond while is_silent() says that what it waits for may wake nobody.
  template <class Passed, class IsSilent>
  bool wait(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds at_most, Passed&& passed, IsSilent&& is_silent)
  {
    using clock = std::chrono::steady_clock;
    constexpr std::chrono::nanoseconds between = std::chrono::microseconds(100);
    const leaving when_done(*this);
    const clock::time_point until = clock::now() + std::clamp(at_most, std::chrono::nanoseconds(0), longest);
    while (!passed()) {
      const std::chrono::nanoseconds left = until - clock::now();
      if (left <= std::chrono::nanoseconds(0)) return false;
      static_cast<void>(changed_.wait_for(lock, is_silent() ? (std::min)(left, between) : left));
    }
    return true;
  }

  /// Something has changed that somebody may wait for.
  void wake() noexcept
  {
    if (waiting_ != 0) changed_.notify_all();
  }
  /// How many wait.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

 private:
  static constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);  // a clock's sums have 64 bits

  struct leaving
  {
    explicit leaving(waiting_room& r) noexcept : room(&r) { ++room->waiting_; }
    leaving(const leaving&) = delete;
    leaving& operator=(const leaving&) = delete;
    ~leaving() { --room->waiting_; }
    waiting_room* room;
  };

  std::condition_variable changed_;
  std::size_t waiting_ = 0;
};

/// Wakes who waits when something is over, whatever was thrown.
class wake_at_end
{
 public:
  explicit wake_at_end(waiting_room& r) noexcept : room_(&r) {}
  wake_at_end(const wake_at_end&) = delete;
  wake_at_end& operator=(const wake_at_end&) = delete;
  ~wake_at_end() { room_->wake(); }

 private:
  waiting_room* room_;
};

}  // namespace kvstrata
