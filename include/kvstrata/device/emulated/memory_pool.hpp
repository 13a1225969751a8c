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
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::emulated {

using detail::memory_place;

/// What the pool asks of the device when memory is freed. Called under the pool's lock; must not call the pool.
class memory_watcher
{
 public:
  virtual ~memory_watcher() = default;
  virtual void allocated(const std::byte* data, std::size_t bytes, std::string_view name) = 0;
  virtual void freed(const std::byte* data) = 0;
  virtual std::vector<event> in_flight() = 0;  ///< the last point of every stream with unfinished work
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
    const auto spot = live_.emplace(data, region{std::move(fresh), place}).first;
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
    const auto found = live_.find(data);
    if (found == live_.end()) return;
    mapping memory = std::move(found->second.memory);
    used_[static_cast<std::size_t>(found->second.place)] -= memory.size();
    live_.erase(found);
    if (watcher_ == nullptr) return;
    try {
      watcher_->freed(data);
      std::vector<event> pending = watcher_->in_flight();
      if (pending.empty()) return;
      if (poison_freed_) std::memset(memory.data(), 0xFF, memory.size());
      retired_.push_back({mapping(), std::move(pending)});
      retired_.back().memory = std::move(memory);
      collect();
    } catch (...) {
      // Out of host memory for the bookkeeping: the mapping goes at once.
    }
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
  };
  struct retired_region
  {
    mapping memory;
    std::vector<event> pending;
  };

  void collect()
  {
    for (std::size_t i = 0; i < retired_.size();) {
      std::erase_if(retired_[i].pending, [this](event point) { return watcher_->has_passed(point); });
      if (retired_[i].pending.empty()) {
        std::swap(retired_[i], retired_.back());
        retired_.pop_back();
      } else {
        ++i;
      }
    }
  }

  mutable std::mutex mutex_;
  std::size_t bounds_[2];
  std::size_t used_[2] = {0, 0};
  bool backed_;
  bool poison_freed_;
  memory_watcher* watcher_;
  std::map<const std::byte*, region, std::less<>> live_;
  std::vector<retired_region> retired_;
};

}  // namespace kvstrata::emulated
