// The points of one stream: kvstrata's are numbers, CUDA's are objects; here one becomes the other.
//
// Points are numbered 1, 2, 3, ... as they are recorded. The line holds an event for each that nobody has seen pass yet,
// in order, so that the event of a point is found by its number. Whoever learns that a point has passed gives its event
// and all before it back, for points to come. When none is left, the oldest are asked after; only when the oldest has
// not passed either is a new one made. So there are never more events than points that were really outstanding at once,
// and one, whether anybody asks or not.
//
// Nothing queued since the last point: the next one is the same. A point that has passed costs a comparison.
#pragma once

#include <kvstrata/device/cuda/error.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// All calls may come from several threads. O(1), but for giving events back, which is O(1) a point over time.
class event_line
{
 public:
  event_line() = default;
  event_line(const event_line&) = delete;
  event_line& operator=(const event_line&) = delete;

  /// Nothing is queued on the stream any more, and nobody waits for a point.
  ~event_line()
  {
    for (const cudaEvent_t one : all_) {
      if (cudaEventDestroy(one) != cudaSuccess) forget_error();
    }
  }

  /// Something has been queued on the stream. To be called after that: before, a point that another thread records in
  /// between would not count it.
  void advance() noexcept { advanced_.store(true, std::memory_order_release); }

  /// The number of the last point; 0 when there is none.
  [[nodiscard]] std::uint64_t last() const noexcept { return last_.load(std::memory_order_acquire); }

  /// Events that exist, for tests.
  [[nodiscard]] std::size_t events() const
  {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

  /// The point after all that is queued, as its number in `sequence`. The stream's GPU is current.
  [[nodiscard]] call_result record(cudaStream_t stream, std::uint64_t& sequence)
  {
    const std::lock_guard lock(mutex_);
    sequence = last();
    if (!advanced_.load(std::memory_order_acquire)) return {};
    cudaEvent_t mine = nullptr;
    call_result result = take(mine);
    if (!result) return result;
    advanced_.exchange(false,
                       std::memory_order_acq_rel);  // before: what comes during the call may or may not be counted
    result = {cudaEventRecord(mine, stream), "cudaEventRecord"};
    if (!result) {
      free_.push_back(mine);
      advance();
      return result;
    }
    ring_[++sequence & mask()] = {mine, 0};
    last_.store(sequence, std::memory_order_release);
    return {};
  }

  /// Has the point passed? It has been recorded.
  [[nodiscard]] call_result query(std::uint64_t sequence, bool& passed)
  {
    passed = is_passed(sequence);
    if (passed) return {};
    const std::lock_guard lock(mutex_);
    passed = is_passed(sequence);
    if (passed) return {};
    const call_result result = has_passed(at(sequence).handle, passed);
    if (passed) pass(sequence);
    return result;
  }

  /// Makes `waiter`, a stream, wait for the point, unless it has been seen to pass; `queued` tells.
  [[nodiscard]] call_result let_wait(std::uint64_t sequence, cudaStream_t waiter, bool& queued)
  {
    queued = false;
    if (is_passed(sequence)) return {};
    const std::lock_guard lock(mutex_);  // so that the event stands for this point until the call has read it
    if (is_passed(sequence)) return {};
    const call_result result{cudaStreamWaitEvent(waiter, at(sequence).handle, 0), "cudaStreamWaitEvent"};
    queued = static_cast<bool>(result);
    return result;
  }

  /// Blocks until the point has passed; `waited` tells whether it had not been seen to.
  [[nodiscard]] call_result wait_sync(std::uint64_t sequence, bool& waited)
  {
    waited = false;
    if (is_passed(sequence)) return {};
    cudaEvent_t mine = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (is_passed(sequence)) return {};
      slot& awaited = at(sequence);
      bool passed = false;
      const call_result result = has_passed(awaited.handle, passed);
      if (passed) pass(sequence);
      if (passed || !result) return result;
      lent_.reserve(all_.size());  // so that pass() need not allocate
      ++awaited.waiters;
      mine = awaited.handle;
    }
    waited = true;
    const call_result result{cudaEventSynchronize(mine), "cudaEventSynchronize"};
    const std::lock_guard lock(mutex_);
    give_back(sequence, mine);
    if (result && !is_passed(sequence)) pass(sequence);
    return result;
  }

 private:
  struct slot
  {
    cudaEvent_t handle = nullptr;
    std::uint32_t waiters = 0;  ///< threads that sleep for it: until then it must not stand for another point
  };

  [[nodiscard]] bool is_passed(std::uint64_t sequence) const noexcept
  {
    return sequence <= passed_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::size_t mask() const noexcept { return ring_.size() - 1; }
  [[nodiscard]] slot& at(std::uint64_t sequence) noexcept { return ring_[sequence & mask()]; }

  /// An event that stands for no point.
  [[nodiscard]] call_result take(cudaEvent_t& mine)
  {
    while (free_.empty() && !is_passed(last())) {
      const std::uint64_t oldest = passed_.load(std::memory_order_relaxed) + 1;
      bool passed = false;
      const call_result result = has_passed(at(oldest).handle, passed);
      if (!result) return result;
      if (!passed) break;
      pass(oldest);
    }
    if (free_.empty()) {
      const call_result result = make();
      if (!result) return result;
    }
    mine = free_.back();
    free_.pop_back();
    return {};
  }

  /// One more event, and room for it wherever it may come to stand.
  [[nodiscard]] call_result make()
  {
    if (all_.size() == all_.capacity()) all_.reserve((std::max)(std::size_t{8}, 2 * all_.size()));
    free_.reserve(all_.capacity());
    if (all_.size() + 1 > ring_.size()) widen();
    cudaEvent_t fresh = nullptr;
    const call_result result{cudaEventCreateWithFlags(&fresh, cudaEventDisableTiming), "cudaEventCreateWithFlags"};
    if (!result) return result;
    all_.push_back(fresh);
    free_.push_back(fresh);
    return {};
  }

  void widen()
  {
    std::vector<slot> wider((std::max)(std::size_t{8}, 2 * ring_.size()));
    for (std::uint64_t i = passed_.load(std::memory_order_relaxed) + 1; i <= last(); ++i) {
      wider[i & (wider.size() - 1)] = at(i);
    }
    ring_.swap(wider);
  }

  /// The point and all before it have passed. There is room in both lists.
  void pass(std::uint64_t sequence) noexcept
  {
    for (std::uint64_t i = passed_.load(std::memory_order_relaxed) + 1; i <= sequence; ++i) {
      if (at(i).waiters == 0) free_.push_back(at(i).handle);
      else lent_.push_back(at(i));
    }
    passed_.store(sequence, std::memory_order_release);
  }

  void give_back(std::uint64_t sequence, cudaEvent_t mine) noexcept
  {
    if (!is_passed(sequence)) {
      --at(sequence).waiters;
      return;
    }
    const auto found = std::find_if(lent_.begin(), lent_.end(), [&](const slot& s) { return s.handle == mine; });
    if (--found->waiters != 0) return;
    free_.push_back(mine);
    *found = lent_.back();
    lent_.pop_back();
  }

  mutable std::mutex mutex_;
  std::atomic<bool> advanced_{false};
  std::atomic<std::uint64_t> last_{0};
  std::atomic<std::uint64_t> passed_{0};
  std::vector<slot> ring_;         // [number & mask]: of the points after passed_
  std::vector<slot> lent_;         // passed, but a thread still sleeps for it
  std::vector<cudaEvent_t> free_;  // stand for no point
  std::vector<cudaEvent_t> all_;
};

}  // namespace kvstrata::cuda
