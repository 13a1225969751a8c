// Who carries out the I/Os of a store and completes their points: virtual time itself, or threads.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/virtual_time.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// `Work` has run() noexcept, which carries it out, and lives until then. Safe to use from several threads.
template <host_stream_device Device, class Work>
class answering
{
 public:
  answering(Device& d, std::uint64_t seed, std::uint32_t threads = 1) : device_(&d), draws_(seed | 1U)
  {
    if (in_virtual_time()) return;
    try {
      threads_.reserve(threads);
      for (std::uint32_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {
      stop_sync();
      throw;
    }
  }
  answering(const answering&) = delete;
  answering& operator=(const answering&) = delete;
  /// What has begun is over when this returns, in real time.
  ~answering() { stop_sync(); }

  [[nodiscard]] bool in_virtual_time() const noexcept
  {
    if constexpr (answers_late) return is_in_virtual_time(*device_);
    else return false;
  }

  /// Runs `what` after `ready`, so much later in virtual time, and completes the point behind it. When this throws it does
  /// neither.
  void begin(event point, const fence& ready, double seconds, Work& what)
  {
    if constexpr (answers_late) {
      if (in_virtual_time()) return device_->complete_later(point, seconds, [&what] { what.run(); });
    }
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({point, ready, &what});
    }
    more_.notify_one();
  }

  /// Blocks until `what`, which has begun, has been carried out.
  void wait_sync(event point, const Work& what) noexcept
  {
    if (in_virtual_time()) {
      try {
        device_->wait_sync(point);  // lets all happen that can, also where an earlier point of the lane stays open
      } catch (...) {               // which is an error
      }
      return;
    }
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&what] { return what.is_over(); });
  }

 private:
  static constexpr bool answers_late = requires(Device& d, event e) { d.complete_later(e, 0.0, [] {}); };

  struct item
  {
    event point;
    fence ready;
    Work* what = nullptr;
  };

  void stop_sync() noexcept
  {
    {
      const std::lock_guard lock(mutex_);
      stops_ = true;
    }
    more_.notify_all();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

  [[nodiscard]] bool passed(const fence& points) noexcept
  {
    try {
      return std::all_of(points.begin(), points.end(), [this](event e) { return device_->query(e); });
    } catch (...) {  // a failed device runs nothing any more
      return true;
    }
  }

  /// One of the first few that may begin, or the first: it waits for nothing that came later.
  [[nodiscard]] item take_one()
  {
    constexpr std::size_t few = 4;
    std::size_t may[few];
    std::size_t count = 0;
    for (std::size_t i = 0; i < queue_.size() && i < few; ++i) {
      if (passed(queue_[i].ready)) may[count++] = i;
    }
    draws_ = draws_ * 6364136223846793005U + 1442695040888963407U;
    const std::size_t which = count == 0 ? 0 : may[(draws_ >> 33U) % count];
    item out = std::move(queue_[which]);
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(which));
    return out;
  }

  void work() noexcept
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      more_.wait(lock, [this] { return stops_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const item mine = take_one();
      lock.unlock();
      try {
        wait_for_sync(*device_, mine.ready);
      } catch (...) {
      }
      mine.what->run();
      try {
        device_->complete(mine.point);
      } catch (...) {
      }
      lock.lock();
      done_.notify_all();
    }
  }

  Device* device_;
  std::uint64_t draws_;
  std::mutex mutex_;  // the rest
  std::condition_variable more_, done_;
  std::vector<item> queue_;
  bool stops_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace kvstrata::detail
