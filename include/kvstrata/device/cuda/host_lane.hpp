// A host stream of a CUDA device: its points are numbers, and a word in pinned memory holds how many have passed.
#pragma once

#include <kvstrata/device/cuda/pinned_memory.hpp>
#include <kvstrata/device/cuda/stream_wait.hpp>
#include <kvstrata/device/host_line.hpp>
#include <kvstrata/device/misuse.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Words for so many host streams, each in a cache line of its own.
class pinned_words
{
 public:
  static constexpr std::size_t line_bytes = 64;

  /// Once. As pinned_memory::open.
  [[nodiscard]] call_result open(const gpu& g, std::size_t words, const cuda_device_config& config)
  {
    pinned_report report;
    report.name = "host streams";
    const call_result result = memory_.open(g, words * line_bytes, config, report);
    for (std::size_t i = 0; result && i < words; ++i) new (memory_.data() + i * line_bytes) pinned_word(0);
    return result;
  }
  [[nodiscard]] bool opened() const noexcept { return memory_.data() != nullptr; }
  [[nodiscard]] pinned_word& at(std::size_t number) const noexcept
  {
    return *std::launder(reinterpret_cast<pinned_word*>(memory_.data() + number * line_bytes));
  }

 private:
  pinned_memory memory_;
};

/// All calls may come from several threads.
class host_lane
{
 public:
  explicit host_lane(pinned_word& word) noexcept : word_(&word) {}

  /// The word that streams wait for: the last point that has passed.
  [[nodiscard]] const pinned_word& word() const noexcept { return *word_; }
  [[nodiscard]] std::uint64_t promised() const noexcept { return promised_.load(std::memory_order_acquire); }
  [[nodiscard]] bool has_passed(std::uint64_t point) const noexcept
  {
    return point <= word_->load(std::memory_order_acquire);
  }

  std::uint64_t promise()
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t point = line_.promise({});
    promised_.store(point, std::memory_order_release);
    return point;
  }

  /// Throws usage_error when the point, which has been promised, is completed already.
  void complete(event point, std::string_view name)
  {
    const std::lock_guard lock(mutex_);
    kvstrata::detail::require_open(line_, point, name);
    tell(line_.complete(point.sequence));
  }
  void complete_all() noexcept
  {
    const std::lock_guard lock(mutex_);
    tell(line_.complete_all());
  }

  /// Blocks until the point has passed; true when it had not.
  bool wait_sync(std::uint64_t point)
  {
    if (has_passed(point)) return false;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return has_passed(point); });
    return true;
  }

 private:
  void tell(std::uint64_t passed) noexcept
  {
    word_->store(passed, std::memory_order_release);
    changed_.notify_all();
  }

  pinned_word* word_;
  std::atomic<std::uint64_t> promised_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  kvstrata::detail::host_line line_;
};

}  // namespace kvstrata::cuda
