// Virtual time: a discrete-event simulation of streams and links. No threads, no clocks, the same run for a seed.
#pragma once

#include <kvstrata/device/emulated/agenda.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/draw.hpp>
#include <kvstrata/device/emulated/link.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>
#include <kvstrata/device/emulated/span_book.hpp>
#include <kvstrata/device/emulated/virtual_lane.hpp>

#include <atomic>
#include <cstddef>
#include <iterator>
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
// and the awaited events have come to pass; a seeded delay of up to `jitter_seconds` is added. Then what copies to or
// from the device asks for the link of that direction, which serves in the order of asking (or, with `reorder_copies`,
// in an order drawn from the seed among those that wait when it is free), and holds it for as long as it runs; a kernel
// runs for its own seconds beside whatever else runs; a fill takes no time. An operation has its effect when it ends.
// What falls on one instant happens in an order drawn from the seed. Nothing happens beyond the host's clock, except
// while the host itself waits: wait_sync lets time pass up to the event and no further.
//
// What happens takes no memory, so that nothing can go wrong half-way: a stream has at most one appointment, stands in at
// most one line and waits for at most one other, and room for that is made when it is created.
class virtual_time final : public scheduler
{
 public:
  explicit virtual_time(const emulated_device_config& config)
      : config_(config), agenda_(config.seed), spans_(config.trace)
  {
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
    auto fresh = std::make_unique<virtual_lane>();
    fresh->name = name;
    const std::size_t streams = lanes_.size() + 1;
    fresh->blocked.reserve(streams);
    for (const auto& s : lanes_) s->blocked.reserve(streams);
    for (link_queue& line : links_) line.reserve(streams);
    agenda_.reserve(streams + std::size(links_));
    lanes_.push_back(std::move(fresh));
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
    virtual_lane& s = at(stream);
    work.queued_at = host_now_;
    const std::uint64_t sequence = work.sequence = s.enqueued + 1;
    s.queue.push_back(std::move(work));
    s.enqueued = sequence;
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
    return spans_.all();
  }
  void clear_spans() override
  {
    const auto lock = enter();
    spans_.clear();
  }

 private:
  /// The lock. A kernel that calls its device would wait for itself: it is told so instead.
  [[nodiscard]] std::unique_lock<std::mutex> enter() const
  {
    if (busy_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
      throw usage_error("a kernel called its own device, which must not happen in virtual time");
    }
    return std::unique_lock(mutex_);
  }

  [[nodiscard]] virtual_lane& at(stream_id stream) const { return *lanes_[static_cast<std::size_t>(stream)]; }
  [[nodiscard]] bool passed(event point) const noexcept
  {
    return point.sequence == 0 || at(point.stream).completed >= point.sequence;
  }

  /// The stream's front has become the front: waits that have nothing to wait for are over, the rest takes its place.
  void start_next(stream_id stream)
  {
    virtual_lane& s = at(stream);
    while (!s.queue.empty()) {
      const operation& front = s.queue.front();
      const double since = s.front_since();
      if (front.kind != operation_kind::wait) {
        agenda_.add(since + config_.jitter_seconds * fraction(draw(config_.seed, stream, front.sequence, 0)), stream,
                    front.sequence, step_kind::ready);
        return;
      }
      if (!passed(front.awaited)) {
        at(front.awaited.stream).blocked.push_back({front.awaited.sequence, stream});
        return;
      }
      finish_front(stream, since);
    }
  }

  /// Lets the next thing happen. The agenda is not empty.
  void step()
  {
    const appointment next = agenda_.take();
    clock_ = next.time;
    switch (next.kind) {
      case step_kind::ready: begin_front(next.stream); break;
      case step_kind::over: end_front(next.stream); break;
      case step_kind::serve: serve(static_cast<std::size_t>(next.stream)); break;
    }
  }

  /// The stream's front has all it waits for: it starts, or stands in line for its link.
  void begin_front(stream_id stream)
  {
    virtual_lane& s = at(stream);
    const operation& front = s.queue.front();
    const stall_meter::stall held = s.stalls.released(front.queued_at);
    s.stalled += held.seconds();
    if (held.seconds() > 0) spans_.keep([&] { return span_of(held, stream, s.name, at(held.cause).name); });
    if (!front.holds_link()) {
      start(stream);
      return;
    }
    const std::size_t road = link_number(front.link);
    links_[road].stand({stream, front.sequence});
    hand_over(road);
  }

  void start(stream_id stream)
  {
    virtual_lane& s = at(stream);
    const operation& front = s.queue.front();
    s.began = clock_;
    agenda_.add(clock_ + front.seconds, stream, front.sequence, step_kind::over);
  }

  /// The stream's front has run.
  void end_front(stream_id stream)
  {
    virtual_lane& s = at(stream);
    operation& front = s.queue.front();
    std::string label = spans_.keeps() ? kept_label(front) : std::string();
    const bool had_link = front.holds_link();
    const std::size_t road = link_number(front.link);
    busy_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    carry_out(front, s.name, config_.data);
    busy_.store(std::thread::id(), std::memory_order_relaxed);
    s.busy += clock_ - s.began;
    spans_.keep([&]() -> op_span {
      return {stream, s.name, std::move(label), front.kind, s.began, clock_, front.bytes, front.pieces};
    });
    finish_front(stream, clock_);
    start_next(stream);
    if (!had_link) return;
    links_[road].taken = false;
    hand_over(road);
  }

  /// Somebody came to the link or left it: whoever is next takes it. Who that is, is drawn at the end of this instant,
  /// where it is drawn at all: streams that get here at the same time then stand an equal chance.
  void hand_over(std::size_t road)
  {
    link_queue& line = links_[road];
    if (line.taken || line.empty()) return;
    if (!config_.reorder_copies) {
      line.taken = true;
      start(line.first().stream);
    } else if (!std::exchange(line.called, true)) {
      agenda_.add_last(clock_, static_cast<stream_id>(road), step_kind::serve);
    }
  }

  void serve(std::size_t road)
  {
    link_queue& line = links_[road];
    line.called = false;
    if (line.taken || line.empty()) return;
    line.taken = true;
    start(line.drawn(config_.seed).stream);
  }

  /// The stream's front is over at `time`; so are the waits of other streams for it.
  void finish_front(stream_id stream, double time)
  {
    virtual_lane& s = at(stream);
    s.pop_front(time);
    while (const std::optional<stream_id> other = s.release()) {
      virtual_lane& o = at(*other);
      o.stalls.held(o.front_since(), time, stream);
      finish_front(*other, time);
      start_next(*other);
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
  std::vector<std::unique_ptr<virtual_lane>> lanes_;
  link_queue links_[2];
  agenda agenda_;
  double clock_ = 0;  // how far the simulation has come; never beyond host_now_ between calls
  double host_now_ = 0;
  span_book spans_;
};

}  // namespace kvstrata::emulated
