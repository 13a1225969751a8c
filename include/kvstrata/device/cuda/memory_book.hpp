// All live allocations of a CUDA device: what they take of its bounds, and whether an address lies in one.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/cuda/config.hpp>
#include <kvstrata/device/cuda/current_device.hpp>
#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/gpu.hpp>
#include <kvstrata/device/cuda/pinned_memory.hpp>
#include <kvstrata/device/memory_place.hpp>

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

using kvstrata::detail::memory_place;

/// One cudaMalloc. Frees it whatever state the runtime is in.
class slab
{
 public:
  slab() = default;
  slab(slab&& other) noexcept : data_(std::exchange(other.data_, nullptr)), ordinal_(other.ordinal_) {}
  slab& operator=(slab&& other) noexcept
  {
    std::swap(data_, other.data_);
    std::swap(ordinal_, other.ordinal_);
    return *this;
  }
  ~slab()
  {
    if (data_ == nullptr) return;
    const current_device here(ordinal_);
    if (cudaFree(data_) != cudaSuccess) forget_error();  // also when nothing could be made current
  }

  /// Once. Throws capacity_error when the GPU has no room.
  [[nodiscard]] call_result open(const gpu& g, std::size_t bytes, std::string_view name)
  {
    const current_device here(g.ordinal);
    if (!here.result()) return here.result();
    void* at = nullptr;
    const call_result result{cudaMalloc(&at, bytes), "cudaMalloc"};
    if (result.code == cudaErrorMemoryAllocation) {
      forget_error();
      throw capacity_error(kvstrata::detail::name_of(memory_place::device, name) + " of " + std::to_string(bytes) +
                           " bytes cannot be had: cudaMalloc returned " + text_of(result.code) + free_memory_of(g));
    }
    if (result) data_ = static_cast<std::byte*>(at);
    ordinal_ = g.ordinal;
    return result;
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }

 private:
  std::byte* data_ = nullptr;
  int ordinal_ = 0;
};

/// Safe to use from several threads. Its memory refers to it, and so it may outlive the device.
class memory_book
{
  struct region
  {
    std::size_t bytes = 0;
    memory_place place = memory_place::device;
    slab device;
    pinned_memory pinned;
  };
  using regions = std::map<const std::byte*, region, std::less<>>;

 public:
  explicit memory_book(const cuda_device_config& config) noexcept : bounds_{config.device_bytes, config.pinned_bytes} {}

  /// Takes `bytes` of the bound for what make(region) -> address brings, and takes them back when it throws. Throws
  /// usage_error for 0 bytes and capacity_error beyond the bound. make is called without a lock: it may take long.
  template <class Make>
  [[nodiscard]] std::byte* allocate(memory_place place, std::size_t bytes, std::string_view name, Make&& make)
  {
    std::size_t& taken = used_[static_cast<std::size_t>(place)];
    {
      const std::lock_guard lock(mutex_);
      kvstrata::detail::require_room(place, name, bytes, taken, bounds_[static_cast<std::size_t>(place)]);
      taken += bytes;
    }
    try {
      region fresh{bytes, place, {}, {}};
      std::byte* const data = make(fresh);
      const std::lock_guard lock(mutex_);
      live_.emplace(data, std::move(fresh));
      return data;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      taken -= bytes;
      throw;
    }
  }

  void free(const std::byte* data) noexcept
  {
    region gone;
    {
      const std::lock_guard lock(mutex_);
      const auto found = live_.find(data);
      if (found == live_.end()) return;
      gone = std::move(found->second);
      live_.erase(found);  // first: the runtime may hand out the address again as soon as it has it
    }
    gone.device = {};
    gone.pinned = {};
    const std::lock_guard lock(mutex_);
    used_[static_cast<std::size_t>(gone.place)] -= gone.bytes;
  }

  [[nodiscard]] std::size_t used(memory_place place) const
  {
    const std::lock_guard lock(mutex_);
    return used_[static_cast<std::size_t>(place)];
  }

  /// Does [data, data + bytes) lie within one live allocation, device or pinned? O(log allocations).
  [[nodiscard]] bool holds(const std::byte* data, std::size_t bytes) const
  {
    const reader known(*this);
    return known.holds(memory_place::device, data, bytes) || known.holds(memory_place::pinned, data, bytes);
  }

  /// Many questions under one lock: neighbours lie in one allocation, as a rule.
  class reader
  {
   public:
    explicit reader(const memory_book& of) : of_(&of), lock_(of.mutex_), last_{of.live_.end(), of.live_.end()} {}

    /// Does [data, data + bytes) lie within one live allocation at `place`? O(log allocations) at worst.
    [[nodiscard]] bool holds(memory_place place, const std::byte* data, std::size_t bytes) const
    {
      auto& last = last_[static_cast<std::size_t>(place)];
      if (last != of_->live_.end() && lies_in(last, place, data, bytes)) return true;
      auto next = of_->live_.upper_bound(data);
      if (next == of_->live_.begin()) return false;
      last = --next;
      return lies_in(last, place, data, bytes);
    }

   private:
    using spot = regions::const_iterator;
    [[nodiscard]] static bool lies_in(spot at, memory_place place, const std::byte* data, std::size_t bytes) noexcept
    {
      const region& r = at->second;
      if (r.place != place || std::less<>()(data, at->first)) return false;
      const auto offset = static_cast<std::size_t>(data - at->first);
      return offset < r.bytes && bytes <= r.bytes - offset;
    }

    const memory_book* of_;
    std::unique_lock<std::mutex> lock_;
    mutable spot last_[2];
  };

 private:
  mutable std::mutex mutex_;
  std::size_t bounds_[2];
  std::size_t used_[2] = {0, 0};
  regions live_;
};

/// One allocation. Move-only; may outlive the device.
class memory
{
 public:
  memory() = default;
  memory(std::shared_ptr<memory_book> book, std::byte* data, std::size_t bytes) noexcept
      : book_(std::move(book)), data_(data), bytes_(bytes)
  {
  }
  memory(memory&& other) noexcept
      : book_(std::move(other.book_)),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0))
  {
  }
  memory& operator=(memory&& other) noexcept
  {
    memory gone(std::move(*this));
    book_ = std::move(other.book_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~memory()
  {
    if (data_ != nullptr) book_->free(data_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::shared_ptr<memory_book> book_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace kvstrata::cuda
