// Virtual time: a discrete-event simulation of streams and links. No threads, no clocks, the same run for the same seed.
#pragma once

#include <kvstrata/device/emulated/agenda.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/draw.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::emulated {

// The algorithm. An operation is ready when it was queued (on the host's clock), its predecessor on the stream is over
// and the awaited events have come to pass; a seeded delay of up to `jitter_seconds` is added. Then a copy asks for
// the link of its direction, which serves in the order of asking, and holds it for link_model::cost(bytes); a kernel
// runs for its own seconds beside whatever else runs; a fill takes no time. An operation has its effect when it ends.
// What falls on one instant happens in an order drawn from the seed. Nothing happens beyond the host's clock, except
// while the host itself waits: wait_sync lets time pass up to the event and no further.
class virtual_time final : public scheduler
{
 public:
  explicit virtual_time(const emulated_device_config& config) : config_(config), agenda_(config.seed)
  {
    links_[0].model = config.to_device;
    links_[1].model = config.from_device;
  }

  ~virtual_time() override { virtual_time::drain(); }

  void drain() noexcept override
  {
    const std::lock_guard lock(mutex_);
    while (!agenda_.empty()) step();
  }

  stream_id create_stream(std::string_view name) override
  {
    const auto lock = enter();
    lanes_.push_back(std::make_unique<lane>());
    lanes_.back()->name = name;
    return static_cast<stream_id>(lanes_.size() - 1);
  }
  [[nodiscard]] std::uint32_t streams() const override
  {
    const auto lock = enter();
    return static_cast<std::uint32_t>(lanes_.size());
  }
  [[nodiscard]] std::string stream_name(stream_id stream) const override
  {
    const auto lock = enter();
    return at(stream).name;
  }

  std::uint64_t enqueue(stream_id stream, operation work) override
  {
    const auto lock = enter();
    lane& s = at(stream);
    work.queued_at = host_now_;
    const std::uint64_t sequence = work.sequence = ++s.enqueued;
    s.queue.push_back(std::move(work));
    if (s.queue.size() == 1) start_next(stream);
    return sequence;
  }

  [[nodiscard]] std::uint64_t enqueued(stream_id stream) const override
  {
    const auto lock = enter();
    return at(stream).enqueued;
  }

  bool query(event point) override
  {
    const auto lock = enter();
    run_until(host_now_);
    return passed(point);
  }
  [[nodiscard]] bool has_passed(event point) const override
  {
    const auto lock = enter();
    return passed(point);
  }

  std::optional<double> wait_sync(event point) override
  {
    const auto lock = enter();
    run_until(host_now_);
    if (passed(point)) return std::nullopt;
    while (!passed(point)) step();  // every event was queued after all it depends on: the agenda cannot run out
    const double waited = clock_ - host_now_;
    host_now_ = clock_;
    return waited;
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
    run_until(host_now_);
  }

  [[nodiscard]] std::vector<device_counters::stream> stream_counters() const override
  {
    const auto lock = enter();
    std::vector<device_counters::stream> out;
    for (const auto& s : lanes_) out.push_back({s->name, s->busy, s->stalled});
    return out;
  }
  [[nodiscard]] std::vector<op_span> spans() const override
  {
    const auto lock = enter();
    return spans_;
  }
  void clear_spans() override
  {
    const auto lock = enter();
    spans_.clear();
  }

 private:
  struct waiter
  {
    std::uint64_t sequence;
    stream_id stream;
  };
  struct lane
  {
    std::string name;
    std::deque<operation> queue;  // the front runs, or waits to
    std::uint64_t enqueued = 0;
    std::uint64_t completed = 0;
    double free_at = 0;           // when the last completed operation was over
    double began = 0;             // when the front got what it needs
    std::vector<waiter> blocked;  // streams whose front waits for a place on this one
    stall_meter stalls;
    double busy = 0;
    double stalled = 0;
  };
  struct link
  {
    link_model model;
    bool taken = false;
    std::deque<stream_id> line;
  };

  /// The lock. A kernel that calls its device would wait for itself: it is told so instead.
  [[nodiscard]] std::unique_lock<std::mutex> enter() const
  {
    if (busy_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
      throw usage_error("a kernel called its own device, which must not happen in virtual time");
    }
    return std::unique_lock(mutex_);
  }

  [[nodiscard]] lane& at(stream_id stream) const { return *lanes_[static_cast<std::size_t>(stream)]; }
  [[nodiscard]] bool passed(event point) const noexcept
  {
    return point.sequence == 0 || at(point.stream).completed >= point.sequence;
  }

  /// The stream's front has become the front: waits that have nothing to wait for are over, the rest takes its place.
  void start_next(stream_id stream)
  {
    lane& s = at(stream);
    while (!s.queue.empty()) {
      const operation& front = s.queue.front();
      const double free_at = front.queued_at > s.free_at ? front.queued_at : s.free_at;
      if (front.kind != operation_kind::wait) {
        agenda_.add(free_at + config_.jitter_seconds * fraction(draw(config_.seed, stream, front.sequence, 0)), stream,
                    front.sequence, step_kind::ready);
        return;
      }
      if (!passed(front.awaited)) {
        at(front.awaited.stream).blocked.push_back({front.awaited.sequence, stream});
        return;
      }
      finish_front(stream, free_at);
    }
  }

  /// Lets the next thing happen. The agenda is not empty.
  void step()
  {
    const appointment next = agenda_.take();
    clock_ = next.time;
    lane& s = at(next.stream);
    operation& front = s.queue.front();
    if (next.kind == step_kind::ready) {
      s.stalled += s.stalls.released(front.queued_at);
      if (front.is_copy()) {
        link& road = link_of(front);
        road.line.push_back(next.stream);
        if (!road.taken) take(road);
      } else {
        s.began = clock_;
        agenda_.add(clock_ + front.seconds, next.stream, front.sequence, step_kind::over);
      }
      return;
    }
    std::string label(config_.trace ? front.label() : std::string_view());
    const bool was_copy = front.is_copy();
    link* const road = was_copy ? &link_of(front) : nullptr;
    busy_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    carry_out(front, s.name, config_.data);
    busy_.store(std::thread::id(), std::memory_order_relaxed);
    s.busy += clock_ - s.began;
    if (config_.trace) {
      spans_.push_back({next.stream, s.name, std::move(label), front.kind, s.began, clock_, front.bytes});
    }
    finish_front(next.stream, clock_);
    start_next(next.stream);
    if (road != nullptr) {
      road->taken = false;
      if (!road->line.empty()) take(*road);
    }
  }

  [[nodiscard]] link& link_of(const operation& copy)
  {
    return links_[copy.kind == operation_kind::copy_to_device ? 0 : 1];
  }

  void take(link& road)
  {
    const stream_id stream = road.line.front();
    road.line.pop_front();
    road.taken = true;
    lane& s = at(stream);
    const operation& copy = s.queue.front();
    s.began = clock_;
    agenda_.add(clock_ + road.model.cost(copy.bytes), stream, copy.sequence, step_kind::over);
  }

  /// The stream's front is over at `time`; so are the waits of other streams for it.
  void finish_front(stream_id stream, double time)
  {
    lane& s = at(stream);
    s.completed = s.queue.front().sequence;
    s.free_at = time;
    s.queue.pop_front();
    std::vector<stream_id> released;
    for (std::size_t i = 0; i < s.blocked.size();) {
      if (s.blocked[i].sequence <= s.completed) {
        released.push_back(s.blocked[i].stream);
        s.blocked.erase(s.blocked.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    for (const stream_id other : released) {
      lane& o = at(other);
      const double from = o.queue.front().queued_at > o.free_at ? o.queue.front().queued_at : o.free_at;
      o.stalls.held(from, time);
      finish_front(other, time);
      start_next(other);
    }
  }

  void run_until(double time)
  {
    while (!agenda_.empty() && agenda_.next().time <= time) step();
    if (clock_ < time) clock_ = time;
  }

  mutable std::mutex mutex_;
  std::atomic<std::thread::id> busy_{};  // who is inside a kernel
  emulated_device_config config_;
  std::vector<std::unique_ptr<lane>> lanes_;
  link links_[2];
  agenda agenda_;
  double clock_ = 0;  // how far the simulation has come; never beyond host_now_ between calls
  double host_now_ = 0;
  std::vector<op_span> spans_;
};

}  // namespace kvstrata::emulated
