// What a suite must be able to do with any device beside what it tests: look into device memory, write there, keep a
// stream busy, and learn what memory held at a point of a stream.
//
// Primary template: by copies and streams only, so it serves every device; device memory is not host memory there.
// emulated_device: device memory is looked into directly and work is a kernel that says what it touches, so that looking
// moves no virtual time and the ordering checker sees everything. A device of your own may specialise it, too.
#pragma once

#include "support/gate.hpp"

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/counters.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata_test {

enum class memory_kind : std::uint8_t { device, pinned };

/// A device that counts what it is asked for, in the words of device_counters.
template <class D>
concept counts_calls = requires(const D& d) {
  { d.stats() } -> std::convertible_to<kvstrata::device_counters>;
};

/// A device that lets a test break its next copy.
template <class D>
concept breaks_copies = requires(D& d) { d.fail_next_copy(); };

/// A bed whose device has work under way for certain, until the keeper opens.
template <class Bed>
concept holds_streams = requires(Bed& bed, kvstrata::stream_id stream) {
  { bed.hold(stream) } -> std::same_as<gate_keeper>;
};

/// What memory held at a point of a stream; asked for after that point has come to pass.
using late_look = std::function<std::vector<std::byte>()>;

/// For any device. Everything it queues is over when it is destroyed.
template <kvstrata::device Device>
class copying_bed
{
 public:
  /// Does time stand still while nobody waits? Then what is not waited for has not happened yet.
  static constexpr bool is_virtual = false;

  explicit copying_bed(Device& d) : device_(&d), stream_(d.create_stream("test bed")) {}
  copying_bed(const copying_bed&) = delete;
  copying_bed& operator=(const copying_bed&) = delete;
  virtual ~copying_bed() { finish(); }

  /// Writes device memory, and blocks until it is written.
  void write(std::byte* at, const std::byte* from, std::size_t bytes)
  {
    reserve(bytes);
    std::memcpy(seen_->data(), from, bytes);
    device_->copy(stream_, kvstrata::copy_direction::to_device, at, seen_->data(), bytes);
    device_->wait_sync(device_->record(stream_));
  }
  /// What device memory holds now; valid until the next call.
  [[nodiscard]] const std::byte* look(const std::byte* at, std::size_t bytes)
  {
    reserve(bytes);
    device_->copy(stream_, kvstrata::copy_direction::from_device, seen_->data(), at, bytes);
    device_->wait_sync(device_->record(stream_));
    return seen_->data();
  }

  /// Queues work that takes a while: the more seconds, the longer.
  virtual void delay(kvstrata::stream_id stream, double seconds)
  {
    auto& busy = busy_[stream];  // its own, so that streams do not write the same bytes
    if (busy.empty()) {
      busy.push_back(device_->allocate_pinned(busy_bytes, "test bed, busy"));
      busy.push_back(device_->allocate_device(busy_bytes, "test bed, busy"));
    }
    for (double left = seconds; left > 0; left -= 0.5e-3) {
      device_->copy(stream, kvstrata::copy_direction::to_device, busy[1].data(), busy[0].data(), busy_bytes);
    }
    remember(stream);
  }

  /// Queues writing `fresh`, after a while.
  void write_late(kvstrata::stream_id stream, memory_kind kind, std::byte* at, std::vector<std::byte> fresh,
                  double seconds)
  {
    using enum kvstrata::copy_direction;
    kept_.push_back(device_->allocate_pinned(fresh.size(), "test bed, late"));
    const std::byte* from = kept_.back().data();
    std::memcpy(kept_.back().data(), fresh.data(), fresh.size());
    if (kind == memory_kind::pinned) {
      kept_.push_back(device_->allocate_device(fresh.size(), "test bed, late"));
      device_->copy(stream, to_device, kept_.back().data(), from, fresh.size());
      from = kept_.back().data();
    }
    delay(stream, seconds);
    device_->copy(stream, kind == memory_kind::device ? to_device : from_device, at, from, fresh.size());
    remember(stream);
  }

  /// Queues looking at memory, after a while.
  [[nodiscard]] late_look look_late(kvstrata::stream_id stream, memory_kind kind, const std::byte* at,
                                    std::size_t bytes, double seconds)
  {
    using enum kvstrata::copy_direction;
    const bool there = kind == memory_kind::device;
    kept_.push_back(there ? device_->allocate_pinned(bytes, "test bed, look")
                          : device_->allocate_device(bytes, "test bed, look"));
    std::byte* const to = kept_.back().data();
    delay(stream, seconds);
    device_->copy(stream, there ? from_device : to_device, to, at, bytes);
    remember(stream);
    return [this, there, to, bytes] {
      const std::byte* const seen = there ? to : look(to, bytes);
      return std::vector<std::byte>(seen, seen + bytes);
    };
  }

  /// Lets happen what would happen though nobody waits for it.
  void pass_time() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

  /// No missing order that anybody knows of.
  [[nodiscard]] bool orderly() const { return true; }

 protected:
  [[nodiscard]] Device& device() const noexcept { return *device_; }
  void remember(kvstrata::stream_id stream) { late_.push_back(device_->record(stream)); }
  /// Waits for what the bed has queued. A bed that owns what its work uses calls it first when it goes.
  void finish() noexcept
  {
    for (const kvstrata::event work : late_) {
      try {
        device_->wait_sync(work);
      } catch (...) {  // a failed device runs nothing any more
      }
    }
    late_.clear();
  }

 private:
  static constexpr std::size_t busy_bytes = std::size_t{1} << 18U;

  void reserve(std::size_t bytes)
  {
    if (seen_ == nullptr || seen_->size() < bytes) {
      seen_ = std::make_unique<typename Device::memory>(device_->allocate_pinned(bytes, "test bed"));
    }
  }

  Device* device_;
  kvstrata::stream_id stream_;
  std::unique_ptr<typename Device::memory> seen_;
  std::map<kvstrata::stream_id, std::vector<typename Device::memory>> busy_;
  std::vector<typename Device::memory> kept_;  // what late work reads and writes
  std::vector<kvstrata::event> late_;
};

/// What the suites use.
template <kvstrata::device Device>
class device_bed : public copying_bed<Device>
{
 public:
  using copying_bed<Device>::copying_bed;
};

template <>
class device_bed<kvstrata::emulated_device>
{
 public:
  static constexpr bool is_virtual = true;  // as the suites configure it

  explicit device_bed(kvstrata::emulated_device& d) : device_(&d) {}

  void write(std::byte* at, const std::byte* from, std::size_t bytes) { std::memcpy(at, from, bytes); }
  [[nodiscard]] const std::byte* look(const std::byte* at, std::size_t) const noexcept { return at; }
  void delay(kvstrata::stream_id stream, double seconds)
  {
    device_->launch(stream, {.label = "work", .seconds = seconds}, [] {});
  }
  [[nodiscard]] gate_keeper hold(kvstrata::stream_id stream)
  {
    delay(stream, 1);
    return {};
  }
  void write_late(kvstrata::stream_id stream, memory_kind, std::byte* at, std::vector<std::byte> fresh, double seconds)
  {
    const kvstrata::emulated_device::memory_range written[] = {{at, fresh.size()}};
    device_->launch(stream, {.label = "write", .seconds = seconds, .writes = written},
                    [at, fresh = std::move(fresh)] { std::memcpy(at, fresh.data(), fresh.size()); });
  }
  [[nodiscard]] late_look look_late(kvstrata::stream_id stream, memory_kind, const std::byte* at, std::size_t bytes,
                                    double seconds)
  {
    const auto seen = std::make_shared<std::vector<std::byte>>(bytes);
    const kvstrata::emulated_device::memory_range read[] = {{at, bytes}};
    device_->launch(stream, {.label = "read", .seconds = seconds, .reads = read},
                    [seen, at, bytes] { std::memcpy(seen->data(), at, bytes); });
    return [seen] { return *seen; };
  }
  void pass_time() { device_->advance_host(1); }
  [[nodiscard]] bool orderly() const { return device_->violations().empty(); }

 private:
  kvstrata::emulated_device* device_;
};

}  // namespace kvstrata_test
