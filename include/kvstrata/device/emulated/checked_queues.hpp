// Streams together with the ordering checker that looks over them.
#pragma once

#include <kvstrata/device/emulated/memory_pool.hpp>
#include <kvstrata/device/emulated/misuse.hpp>
#include <kvstrata/device/emulated/ordering_checker.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/host_io.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Queues work, and tells the checker when there is to be one. The checker must see operations in the order of the
/// queues, so both happen under one lock then. Locks are taken in the order pool, checker, scheduler.
class checked_queues final : public memory_watcher
{
 public:
  checked_queues(std::unique_ptr<scheduler> streams, bool check) : scheduler_(std::move(streams)), check_(check) {}

  [[nodiscard]] scheduler& streams() const noexcept { return *scheduler_; }

  stream_id create_stream(std::string_view name)
  {
    return create(name, [&] { return scheduler_->create_stream(name); });
  }
  stream_id create_host_stream(std::string_view name)
  {
    return create(name, [&] { return scheduler_->create_host_stream(name); });
  }

  [[nodiscard]] event record(stream_id stream) const
  {
    require(*scheduler_, stream);
    scheduler_->failure.check();
    return {stream, scheduler_->enqueued(stream)};
  }

  /// Queues work that reads and writes these bytes. When it throws, nothing is queued.
  void enqueue(stream_id stream, operation work, std::span<const byte_range> reads, std::span<const byte_range> writes)
  {
    if (!check_) {
      scheduler_->enqueue(stream, std::move(work));
      return;
    }
    const std::lock_guard lock(mutex_);
    const std::uint32_t label = checker_.label_number(work.label());
    checker_.operation({stream, scheduler_->enqueue(stream, std::move(work))}, label, reads, writes);
  }

  /// Lets the stream wait, unless there is nothing to wait for. As enqueue.
  void wait(stream_id stream, event awaited)
  {
    require(*scheduler_, stream);
    require(*scheduler_, awaited);
    if (awaited.sequence == 0 || awaited.stream == stream) return;
    operation work;
    work.kind = operation_kind::wait;
    work.awaited = awaited;
    if (!check_) {
      scheduler_->enqueue(stream, std::move(work));
      return;
    }
    const std::lock_guard lock(mutex_);
    checker_.wait({stream, scheduler_->enqueue(stream, std::move(work))}, awaited);
  }

  /// As enqueue, on a host stream.
  event promise(stream_id stream, const host_io& io)
  {
    require(*scheduler_, stream);
    for (const event ready : io.ready) require(*scheduler_, ready);
    scheduler_->failure.check();
    if (!check_) return {stream, scheduler_->promise(stream, io.ready)};
    const std::lock_guard lock(mutex_);
    const std::uint32_t label = checker_.label_number(io.label);
    const event point{stream, scheduler_->promise(stream, io.ready)};
    checker_.promise(point, label, io.ready, io.reads, io.writes);
    return point;
  }
  /// The host learns nothing by this: what it queues elsewhere meanwhile comes behind the point by chance.
  void complete(event point)
  {
    require(*scheduler_, point.stream);
    require(*scheduler_, point);
    scheduler_->complete(point);
  }

  template <class Function>
  void complete_later(event point, double seconds, Function&& io)
  {
    require(*scheduler_, point.stream);
    require(*scheduler_, point);
    require_seconds("complete_later", "", seconds);
    scheduler_->complete_later(point, seconds,
                               std::make_unique<task_of<std::decay_t<Function>>>(
                                   "event " + std::to_string(point.sequence), std::forward<Function>(io)));
  }

  [[nodiscard]] bool query(event point)
  {
    require(*scheduler_, point);
    const bool complete = scheduler_->query(point);
    scheduler_->failure.check();
    if (complete) host_learns(point);
    return complete;
  }
  /// Seconds the host waited; empty when the event was complete already.
  std::optional<double> wait_sync(event point)
  {
    require(*scheduler_, point);
    return scheduler_->wait_sync(point);
  }
  /// Virtual time: until one has come to pass, or `until`.
  std::optional<std::size_t> wait_any_sync(std::span<const event> points, double until)
  {
    for (const event point : points) require(*scheduler_, point);
    const std::optional<std::size_t> found = scheduler_->wait_any(points, until);
    if (found) host_waited(points[*found]);
    return found;
  }
  /// What is waited for has come to pass.
  void host_waited(event point)
  {
    scheduler_->failure.check();
    host_learns(point);
  }

  void host_reads(const std::byte* data, std::size_t bytes, std::string_view label)
  {
    if (!check_) return;
    const std::lock_guard lock(mutex_);
    checker_.host_reads(data, bytes, label);
  }
  void host_writes(const std::byte* data, std::size_t bytes, std::string_view label)
  {
    if (!check_) return;
    const std::lock_guard lock(mutex_);
    checker_.host_writes(data, bytes, label);
  }
  [[nodiscard]] std::vector<ordering_violation> violations() const
  {
    const std::lock_guard lock(mutex_);
    return checker_.violations();
  }
  [[nodiscard]] std::uint64_t lapses() const
  {
    const std::lock_guard lock(mutex_);
    return checker_.lapses();
  }

  // --- memory_watcher ---

  void allocated(const std::byte* data, std::size_t bytes, std::string_view name) override
  {
    if (!check_) return;
    const std::lock_guard lock(mutex_);
    checker_.add_region(data, bytes, name);
  }
  void freed(const std::byte* data) noexcept override
  {
    if (!check_) return;
    const std::lock_guard lock(mutex_);
    checker_.remove_region(data);
  }
  [[nodiscard]] std::vector<event> in_flight() override
  {
    std::vector<event> points;
    for (std::uint32_t i = 0; i < scheduler_->streams(); ++i) {
      const auto stream = static_cast<stream_id>(i);
      const event last{stream, scheduler_->enqueued(stream)};
      if (!scheduler_->has_passed(last)) points.push_back(last);
    }
    return points;
  }
  [[nodiscard]] bool has_passed(event point) override { return scheduler_->has_passed(point); }

 private:
  template <class Create>
  stream_id create(std::string_view name, Create&& in_scheduler)
  {
    const std::lock_guard lock(mutex_);
    checker_.add_stream(name);
    try {
      return in_scheduler();
    } catch (...) {
      checker_.remove_last_stream();
      throw;
    }
  }
  void host_learns(event point)
  {
    if (!check_) return;
    const std::lock_guard lock(mutex_);
    checker_.host_learns(point);
  }

  std::unique_ptr<scheduler> scheduler_;
  bool check_;
  mutable std::mutex mutex_;
  ordering_checker checker_;
};

}  // namespace kvstrata::emulated
