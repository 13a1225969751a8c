// The first failure of a device.
#pragma once

#include <kvstrata/core/error.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// It stays: nothing that is queued before or after it can be relied on.
class sticky_failure
{
 public:
  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_acquire); }

  /// `what_to_do`: who hears of it has to do. An empty sentence: memory was too short for one.
  void set(std::string sentence, std::string_view what_to_do = {})
  {
    if (!sentence.empty()) sentence.append("; ").append(what_to_do);
    const std::lock_guard lock(mutex_);
    if (any()) return;
    sentence_ = std::move(sentence);
    any_.store(true, std::memory_order_release);
  }

  /// Throws device_error when the device has failed.
  void check() const
  {
    if (any()) throw device_error(sentence_.empty() ? "the device failed when memory had run out" : sentence_);
  }

 private:
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::string sentence_;  // never changes once any_ is set
};

}  // namespace kvstrata::detail
