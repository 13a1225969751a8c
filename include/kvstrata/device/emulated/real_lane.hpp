// A stream of real time: its queue, how far it has come, and who sleeps until it has come so far.
#pragma once

#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/host_line.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

struct real_lane
{
  std::string name;
  std::unique_ptr<detail::host_line> host;  // of a host stream, which has no worker
  std::mutex mutex;                         // incoming, idle, closing, what host points to
  std::condition_variable arrived;
  std::vector<operation> incoming;
  bool idle = false;
  bool closing = false;
  std::atomic<std::uint64_t> enqueued{0};
  std::atomic<std::uint64_t> completed{0};
  std::mutex done_mutex;
  std::condition_variable done;
  event held_by;                               // under done_mutex: what the worker sleeps for; sequence 0: for nothing
  std::atomic<std::uint64_t> awaited{nobody};  // the earliest place somebody sleeps for
  std::atomic<double> busy{0};                 // written by the worker alone
  std::atomic<double> stalled{0};
  std::thread worker;

  /// All up to the place is over. For one thread at a time.
  void publish(std::uint64_t sequence)
  {
    completed.store(sequence);
    if (sequence < awaited.load()) return;
    const std::lock_guard lock(done_mutex);
    awaited.store(nobody);  // whoever needs more says so again
    done.notify_all();
  }

  void hold(event by)
  {
    const std::lock_guard lock(done_mutex);
    held_by = by;
  }
  [[nodiscard]] event holder()
  {
    const std::lock_guard lock(done_mutex);
    return held_by;
  }

  /// Sleeps until all up to the place is over.
  void await(std::uint64_t sequence)
  {
    std::unique_lock lock(done_mutex);
    while (!is_over(sequence)) done.wait(lock);
  }
  /// As above, but for so many seconds at most; 0: for as long as it takes. Is it over?
  [[nodiscard]] bool await(std::uint64_t sequence, double seconds)
  {
    using clock = std::chrono::steady_clock;
    if (seconds <= 0) {
      await(sequence);
      return true;
    }
    const auto limit =
        clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    std::unique_lock lock(done_mutex);
    while (!is_over(sequence)) {
      if (done.wait_until(lock, limit) == std::cv_status::timeout) return is_over(sequence);
    }
    return true;
  }

  static void add(std::atomic<double>& sum, double seconds)
  {
    sum.store(sum.load(std::memory_order_relaxed) + seconds, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint64_t nobody = (std::numeric_limits<std::uint64_t>::max)();

  /// If not, whoever gets there wakes the sleepers. The caller holds done_mutex.
  bool is_over(std::uint64_t sequence)
  {
    if (sequence < awaited.load()) awaited.store(sequence);
    // Both sides write first and read then, sequentially consistent: one of them sees the other.
    return completed.load() >= sequence;
  }
};

}  // namespace kvstrata::emulated
