// Virtual time: the host and its clock beside a simulation. No threads, no clocks, the same run for a seed.
#pragma once

#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/misuse.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/emulated/simulation.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Nothing happens beyond the host's clock, except while the host itself waits: wait_sync lets time pass up to the event
/// and no further. Where the event hangs on a promise that nobody keeps, it lets all happen that can, and throws: there is
/// nobody beside the host who could keep it meanwhile.
class virtual_time final : public scheduler
{
 public:
  explicit virtual_time(const emulated_device_config& config) : sim_(config, failure) {}

  ~virtual_time() override { virtual_time::drain(); }

  void drain() noexcept override
  {
    const std::lock_guard lock(mutex_);
    while (!sim_.idle()) sim_.step();
    sim_.complete_all();
    while (!sim_.idle()) sim_.step();
  }

  stream_id create_stream(std::string_view name) override
  {
    const auto lock = enter();
    return sim_.create(name, nullptr);
  }
  stream_id create_host_stream(std::string_view name) override
  {
    const auto lock = enter();
    return sim_.create(name, std::make_unique<detail::host_line>());
  }
  [[nodiscard]] std::uint32_t streams() const override
  {
    const auto lock = enter();
    return sim_.streams();
  }
  [[nodiscard]] std::string stream_name(stream_id stream) const override
  {
    const auto lock = enter();
    return sim_.at(stream).name;
  }
  [[nodiscard]] bool is_host_stream(stream_id stream) const override
  {
    const auto lock = enter();
    return sim_.at(stream).host != nullptr;
  }

  std::uint64_t enqueue(stream_id stream, operation work) override
  {
    const auto lock = enter();
    if (sim_.at(stream).host != nullptr) detail::turn_down_work(name_of(work.kind), sim_.at(stream).name);
    return sim_.enqueue(stream, std::move(work), host_now_);
  }

  std::uint64_t promise(stream_id stream, const fence& ready) override
  {
    const auto lock = enter();
    virtual_lane& s = host(stream);
    return s.enqueued = s.host->promise(ready);
  }
  void complete(event point) override
  {
    const auto lock = enter();
    virtual_lane& s = host(point.stream);
    sim_.run_until(host_now_);
    detail::require_open(*s.host, point, s.name);
    for (const event ready : s.host->ready_of(point.sequence)) {
      if (!sim_.passed(ready)) turn_down_early(point, s.name, ready, sim_.at(ready.stream).name);
    }
    sim_.complete(point);
  }
  void complete_later(event point, double seconds, std::unique_ptr<task> io) override
  {
    const auto lock = enter();
    virtual_lane& s = host(point.stream);
    sim_.run_until(host_now_);
    detail::require_open(*s.host, point, s.name);
    sim_.complete_later(point, seconds, std::move(io), host_now_);
  }

  [[nodiscard]] std::uint64_t enqueued(stream_id stream) const override
  {
    const auto lock = enter();
    return sim_.at(stream).enqueued;
  }

  bool query(event point) override
  {
    const auto lock = enter();
    sim_.run_until(host_now_);
    return sim_.passed(point);
  }
  [[nodiscard]] bool has_passed(event point) const override
  {
    const auto lock = enter();
    return sim_.passed(point);
  }

  std::optional<double> wait_sync(event point) override
  {
    const auto lock = enter();
    sim_.run_until(host_now_);
    if (sim_.passed(point)) return std::nullopt;
    while (!sim_.passed(point) && !sim_.idle()) sim_.step();
    const double waited = sim_.clock() - host_now_;
    host_now_ = sim_.clock();
    if (!sim_.passed(point)) give_up(point);
    return waited;
  }

  std::optional<std::size_t> wait_any(std::span<const event> points, double until) override
  {
    const auto lock = enter();
    sim_.run_until(host_now_);
    for (;;) {
      for (std::size_t i = 0; i < points.size(); ++i) {
        if (sim_.passed(points[i])) {
          host_now_ = (std::max)(host_now_, sim_.clock());
          return i;
        }
      }
      if (sim_.idle() || sim_.next() > until) break;
      sim_.step();
    }
    if (std::isfinite(until) && until > host_now_) sim_.run_until(host_now_ = until);
    return std::nullopt;
  }

  [[nodiscard]] double now() const override
  {
    const auto lock = enter();
    return host_now_;
  }
  void advance_host(double seconds) override
  {
    const auto lock = enter();
    host_now_ += seconds;
    sim_.run_until(host_now_);
  }

  [[nodiscard]] std::vector<device_counters::stream> stream_counters() const override
  {
    const auto lock = enter();
    std::vector<device_counters::stream> out;
    for (std::uint32_t i = 0; i < sim_.streams(); ++i) {
      const virtual_lane& s = sim_.at(stream_id{i});
      out.push_back({s.name, s.busy, s.stalled});
    }
    return out;
  }
  [[nodiscard]] std::vector<op_span> spans() const override
  {
    const auto lock = enter();
    return sim_.spans().all();
  }
  void clear_spans() override
  {
    const auto lock = enter();
    sim_.spans().clear();
  }

 private:
  /// The lock. A kernel that calls its device would wait for itself: it is told so instead.
  [[nodiscard]] std::unique_lock<std::mutex> enter() const
  {
    if (sim_.busy().load(std::memory_order_relaxed) == std::this_thread::get_id()) {
      throw usage_error("a kernel called its own device, which must not happen in virtual time");
    }
    return std::unique_lock(mutex_);
  }

  [[nodiscard]] virtual_lane& host(stream_id stream) const
  {
    virtual_lane& s = sim_.at(stream);
    if (s.host == nullptr) detail::turn_down_promise(s.name);
    return s;
  }

  /// Nothing is going to happen any more, and the event has not come to pass. Whatever it waits for is older than itself:
  /// in the end it hangs on a promise.
  [[noreturn]] void give_up(event point) const
  {
    event cause = point;
    for (;;) {
      const virtual_lane& s = sim_.at(cause.stream);
      if (s.host == nullptr) {
        cause = s.queue.front().awaited;
        continue;
      }
      cause.sequence = s.completed + 1;
      if (s.host->stage_of(cause.sequence) == detail::host_line::stage::open) break;
      const fence& ready = s.host->ready_of(cause.sequence);  // of an answer that has not begun
      cause = *std::find_if(ready.begin(), ready.end(), [this](event e) { return !sim_.passed(e); });
    }
    give_up_waiting(point, sim_.at(point.stream).name, cause, sim_.at(cause.stream).name,
                    "nobody else could do that in virtual time, and nothing else is going to happen");
  }

  mutable std::mutex mutex_;
  simulation sim_;
  double host_now_ = 0;  // the simulation is never beyond it between calls
};

}  // namespace kvstrata::emulated
