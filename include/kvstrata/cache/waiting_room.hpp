// Threads that wait until a cache can do something for them. Nobody there: a comparison.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace kvstrata {

/// All members are called under one lock.
class waiting_room
{
 public:
  /// Gives the lock up until passed() holds, at most so long, a year at most. What passed() says at the end.
  template <class Passed>
  bool wait(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds at_most, Passed&& passed)
  {
    constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);  // a clock's sums have 64 bits
    const leaving when_done(*this);
    return changed_.wait_for(lock, (std::min)(at_most, longest), passed);
  }

  /// Something has changed that somebody may wait for.
  void wake() noexcept
  {
    if (waiting_ != 0) changed_.notify_all();
  }
  /// How many wait.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

 private:
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
