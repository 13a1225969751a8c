// Real time: a worker thread per stream, links that are as slow as asked for.
#pragma once

#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/link.hpp>
#include <kvstrata/device/emulated/misuse.hpp>
#include <kvstrata/device/emulated/real_lane.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/emulated/span_book.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <new>
#include <system_error>
#include <thread>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// A copy is carried out at once and then sleeps until its link would be done with it. Queueing costs one lock and no
/// allocation once the queue has grown.
class real_time final : public scheduler
{
 public:
  explicit real_time(const emulated_device_config& config) : patience_(config.patience_seconds), spans_(config.trace) {}

  ~real_time() override { real_time::drain(); }

  void drain() noexcept override
  {
    for (std::uint32_t i = 0; i < streams(); ++i) {
      lane& s = *lanes_[i];
      const std::lock_guard lock(s.mutex);
      if (s.host != nullptr) s.publish(s.host->complete_all());
      s.closing = true;
      s.arrived.notify_one();
    }
    for (std::uint32_t i = 0; i < streams(); ++i) {
      if (lanes_[i]->worker.joinable()) lanes_[i]->worker.join();
    }
  }

  stream_id create_stream(std::string_view name) override
  {
    return create(name, [this](stream_id id, lane& s) {
      try {
        s.worker = std::thread([this, id, &s] { work(id, s); });
      } catch (const std::system_error& refused) {
        throw capacity_error("stream '" + s.name + "' cannot be created: " + refused.what());
      }
    });
  }
  stream_id create_host_stream(std::string_view name) override
  {
    return create(name, [](stream_id, lane& s) { s.host = std::make_unique<detail::host_line>(); });
  }

  [[nodiscard]] std::uint32_t streams() const override { return count_.load(std::memory_order_acquire); }
  [[nodiscard]] std::string stream_name(stream_id stream) const override { return at(stream).name; }
  [[nodiscard]] bool is_host_stream(stream_id stream) const override { return at(stream).host != nullptr; }

  std::uint64_t enqueue(stream_id stream, operation work) override
  {
    lane& s = at(stream);
    if (s.host != nullptr) detail::turn_down_work(name_of(work.kind), s.name);
    work.queued_at = now();
    bool wake = false;
    std::uint64_t sequence = 0;
    {
      const std::lock_guard lock(s.mutex);
      sequence = s.enqueued.load(std::memory_order_relaxed) + 1;
      work.sequence = sequence;
      s.incoming.push_back(std::move(work));
      s.enqueued.store(sequence, std::memory_order_release);
      wake = std::exchange(s.idle, false);
    }
    if (wake) s.arrived.notify_one();
    return sequence;
  }

  std::uint64_t promise(stream_id stream, const fence& ready) override
  {
    lane& s = host(stream);
    const std::lock_guard lock(s.mutex);
    const std::uint64_t sequence = s.host->promise(ready);
    s.enqueued.store(sequence, std::memory_order_release);
    return sequence;
  }
  void complete(event point) override
  {
    lane& s = host(point.stream);
    const std::lock_guard lock(s.mutex);
    detail::require_open(*s.host, point, s.name);
    for (const event ready : s.host->ready_of(point.sequence)) {
      if (!has_passed(ready)) turn_down_early(point, s.name, ready, at(ready.stream).name);
    }
    s.publish(s.host->complete(point.sequence));
  }
  void complete_later(event, double, std::unique_ptr<task>) override
  {
    throw usage_error(
        "complete_later was called, but it needs virtual time: in real time a thread of the host's completes");
  }

  [[nodiscard]] std::uint64_t enqueued(stream_id stream) const override
  {
    return at(stream).enqueued.load(std::memory_order_acquire);
  }
  bool query(event point) override { return has_passed(point); }
  [[nodiscard]] bool has_passed(event point) const override
  {
    return point.sequence == 0 || at(point.stream).completed.load(std::memory_order_acquire) >= point.sequence;
  }

  std::optional<double> wait_sync(event point) override
  {
    if (has_passed(point)) return std::nullopt;
    const double begin = now();
    while (!at(point.stream).await(point.sequence, patience_)) give_up_if_promised(point);
    return now() - begin;
  }

  std::optional<std::size_t> wait_any(std::span<const event>, double) override { return std::nullopt; }

  [[nodiscard]] double now() const override
  {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  void advance_host(double) override {}

  [[nodiscard]] std::vector<device_counters::stream> stream_counters() const override
  {
    std::vector<device_counters::stream> out;
    for (std::uint32_t i = 0; i < streams(); ++i) {
      const lane& s = *lanes_[i];
      out.push_back({s.name, s.busy.load(std::memory_order_relaxed), s.stalled.load(std::memory_order_relaxed)});
    }
    return out;
  }

  [[nodiscard]] std::vector<op_span> spans() const override { return spans_.all(); }
  void clear_spans() override { spans_.clear(); }

 private:
  static constexpr std::uint32_t most_streams = 256;  // so that finding a stream needs no lock

  using lane = real_lane;

  [[nodiscard]] lane& at(stream_id stream) const noexcept { return *lanes_[static_cast<std::size_t>(stream)]; }
  [[nodiscard]] lane& host(stream_id stream) const
  {
    lane& s = at(stream);
    if (s.host == nullptr) detail::turn_down_promise(s.name);
    return s;
  }

  /// Calls open(stream_id, lane) for a new one, and keeps it. When open throws, there is none.
  template <class Open>
  stream_id create(std::string_view name, Open&& open)
  {
    const std::lock_guard lock(creating_);
    const std::uint32_t number = count_.load(std::memory_order_relaxed);
    if (number == most_streams) {
      throw capacity_error("stream '" + std::string(name) + "' cannot be created: an emulated device has at most " +
                           std::to_string(most_streams) + " streams");
    }
    auto fresh = std::make_unique<lane>();
    fresh->name = name;
    open(static_cast<stream_id>(number), *fresh);
    lanes_[number] = std::move(fresh);
    count_.store(number + 1, std::memory_order_release);
    return static_cast<stream_id>(number);
  }

  void work(stream_id id, lane& s)
  {
    std::vector<operation> batch;
    stall_meter stalls;
    double on_schedule = 0;  // when the last operation was over as the link sees it, which may be before now
    for (;;) {
      {
        std::unique_lock lock(s.mutex);
        while (s.incoming.empty()) {
          if (s.closing) return;
          s.idle = true;
          s.arrived.wait(lock);
        }
        s.idle = false;
        batch.swap(s.incoming);
      }
      for (operation& next : batch) {
        const double begin = now();
        if (next.kind == operation_kind::wait) {
          if (!has_passed(next.awaited)) {
            s.hold(next.awaited);
            at(next.awaited.stream).await(next.awaited.sequence);
            s.hold({});
            on_schedule = now();
            stalls.held(begin, on_schedule, next.awaited.stream);
          }
        } else {
          std::string label = spans_.keeps() ? kept_label(next) : std::string();
          const stall_meter::stall held = stalls.released(next.queued_at);
          if (next.delay > 0) sleep(next.delay);
          carry_out(next, s.name, true, failure);
          const double end = settle(next, on_schedule);
          real_lane::add(s.stalled, held.seconds());
          real_lane::add(s.busy, end - begin);
          if (held.seconds() > 0) spans_.keep([&] { return span_of(held, id, s.name, stream_name(held.cause)); });
          spans_.keep([&]() -> op_span {
            return {id, s.name, std::move(label), next.kind, begin, end, next.bytes, next.pieces, next.sequence};
          });
        }
        s.publish(next.sequence);
      }
      batch.clear();
    }
  }

  /// Sleeps for as long as the link, or a kernel that copies, needs. A copy is ready when it was queued and its
  /// predecessor was over on schedule: having slept too long, or been kept off the processor, is made up for by the
  /// copies behind.
  double settle(const operation& done, double& on_schedule)
  {
    constexpr double shortest_sleep = 50e-6;
    const double time = now();
    const double ready = done.queued_at > on_schedule ? done.queued_at : on_schedule;
    link_account* const link = done.holds_link() ? &links_[link_number(done.link)] : nullptr;
    const bool paced = done.is_copy() || done.kind == operation_kind::copy_kernel;
    if (!paced || (link != nullptr ? link->is_free(ready, done.seconds) : done.seconds <= 0)) {
      on_schedule = time;
      return time;
    }
    on_schedule = link != nullptr ? link->book(ready, done.seconds) : ready + done.seconds;
    if (on_schedule - time <= shortest_sleep) return time;
    sleep(on_schedule - time);
    return now();
  }

  /// For longest_seconds at most: what waits for a slow link may add up to more than the system's counter holds.
  static void sleep(double seconds)
  {
    std::this_thread::sleep_for(std::chrono::duration<double>((std::min)(seconds, longest_seconds)));
  }

  /// The host has waited for long. It goes on where the event hangs on no promise: then it is the device that is slow.
  /// Whatever an event waits for is older than itself, so that this comes to an end.
  void give_up_if_promised(event point)
  {
    event cause = point;
    while (cause.sequence != 0 && at(cause.stream).host == nullptr) cause = at(cause.stream).holder();
    if (has_passed(cause)) return;
    cause.sequence = at(cause.stream).completed.load() + 1;
    give_up_waiting(point, at(point.stream).name, cause, at(cause.stream).name,
                    "the host has waited for emulated_device.patience_seconds, " + std::to_string(patience_));
  }

  double patience_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  link_account links_[2];
  std::mutex creating_;
  std::atomic<std::uint32_t> count_{0};
  std::array<std::unique_ptr<lane>, most_streams> lanes_;
  span_book spans_;
};

}  // namespace kvstrata::emulated
