// Bounded pools of device and pinned memory, whose mappings outlive the work still queued on them.
#pragma once

#include <kvstrata/device/emulated/mapping.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/memory_place.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

using detail::memory_place;

/// What the pool tells and asks the device. Called under the pool's lock; must not call the pool.
class memory_watcher
{
 public:
  virtual ~memory_watcher() = default;
  virtual void allocated(const std::byte* data, std::size_t bytes, std::string_view name) = 0;  ///< may throw
  virtual void freed(const std::byte* data) noexcept = 0;
  virtual std::vector<event> in_flight() = 0;  ///< the last point of every stream with unfinished work; may throw
  virtual bool has_passed(event point) = 0;    ///< whether that work is done
};

/// Accounts for device and pinned memory. Freed memory is accounted as free at once, but stays mapped until the work
/// that was queued by then is done: memory freed too early then shows as a violation or as wrong bytes, not as a
/// crash. Safe to use from several threads.
class memory_pool
{
 public:
  memory_pool(std::size_t device_bytes, std::size_t pinned_bytes, bool backed, bool poison_freed,
              memory_watcher& watcher)
      : bounds_{device_bytes, pinned_bytes}, backed_(backed), poison_freed_(poison_freed && backed), watcher_(&watcher)
  {
  }

  /// Throws usage_error for 0 bytes and capacity_error when the bound or the system has no room.
  [[nodiscard]] std::byte* allocate(memory_place place, std::size_t bytes, std::string_view name)
  {
    const auto where = static_cast<std::size_t>(place);
    const std::lock_guard lock(mutex_);
    collect();
    detail::require_room(place, name, bytes, used_[where], bounds_[where]);
    mapping fresh(bytes, backed_, name);
    std::byte* const data = fresh.data();
    const auto spot = live_.emplace(data, region{std::move(fresh), place, std::nullopt}).first;
    try {
      if (watcher_ != nullptr) watcher_->allocated(data, bytes, name);
    } catch (...) {
      live_.erase(spot);
      throw;
    }
    used_[where] += bytes;
    return data;
  }

  void free(std::byte* data) noexcept
  {
    const std::lock_guard lock(mutex_);
    auto gone = live_.extract(data);
    if (gone.empty()) return;
    region& r = gone.mapped();
    used_[static_cast<std::size_t>(r.place)] -= r.memory.size();
    if (watcher_ == nullptr) return;
    watcher_->freed(data);
    if (is_over(r)) return;
    if (poison_freed_) std::memset(r.memory.data(), 0xFF, r.memory.size());
    retired_.insert(std::move(gone));
    collect();
  }

  /// Does [data, data + bytes) lie within one live allocation at `place`? O(log allocations).
  [[nodiscard]] bool holds(memory_place place, const std::byte* data, std::size_t bytes) const
  {
    const std::lock_guard lock(mutex_);
    auto next = live_.upper_bound(data);
    if (next == live_.begin()) return false;
    --next;
    const region& r = next->second;
    const auto offset = static_cast<std::size_t>(data - next->first);
    return r.place == place && offset < r.memory.size() && bytes <= r.memory.size() - offset;
  }

  [[nodiscard]] std::size_t used(memory_place place) const
  {
    const std::lock_guard lock(mutex_);
    return used_[static_cast<std::size_t>(place)];
  }

  /// The device is going and has finished all work: memory that lives on is simply freed later.
  void detach() noexcept
  {
    const std::lock_guard lock(mutex_);
    watcher_ = nullptr;
    retired_.clear();
  }

 private:
  struct region
  {
    mapping memory;
    memory_place place;
    std::optional<std::vector<event>> pending;  // once it is freed: what must be over before it goes
  };
  using regions = std::map<const std::byte*, region, std::less<>>;

  /// Is all over that was queued when it was freed? Where there is no memory to tell, it is asked again later.
  [[nodiscard]] bool is_over(region& r) noexcept
  {
    try {
      if (!r.pending) r.pending = watcher_->in_flight();
      std::erase_if(*r.pending, [this](event point) { return watcher_->has_passed(point); });
      return r.pending->empty();
    } catch (...) {
      return false;
    }
  }

  void collect() noexcept
  {
    for (auto at = retired_.begin(); at != retired_.end();) {
      if (is_over(at->second)) at = retired_.erase(at);
      else ++at;
    }
  }

  mutable std::mutex mutex_;
  std::size_t bounds_[2];
  std::size_t used_[2] = {0, 0};
  bool backed_;
  bool poison_freed_;
  memory_watcher* watcher_;
  regions live_;
  regions retired_;
};

}  // namespace kvstrata::emulated
