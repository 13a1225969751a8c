// The machine of virtual time: streams, links and what the host completes late, event by event.
#pragma once

#include <kvstrata/device/emulated/agenda.hpp>
#include <kvstrata/device/emulated/carry_out.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/draw.hpp>
#include <kvstrata/device/emulated/late_answers.hpp>
#include <kvstrata/device/emulated/link.hpp>
#include <kvstrata/device/emulated/span_book.hpp>
#include <kvstrata/device/emulated/virtual_lane.hpp>

#include <atomic>
#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

// The algorithm. An operation is ready when it was queued (on the host's clock), its predecessor on the stream is over
// and the awaited events have come to pass; a seeded delay of up to `jitter_seconds` is added. Then what copies to or
// from the device asks for the link of that direction, which serves in the order of asking (or, with `reorder_copies`,
// in an order drawn from the seed among those that wait when it is free), and holds it for as long as it runs; a kernel
// runs for its own seconds beside whatever else runs, or, with `share_compute`, asks for the multiprocessors in the
// same way; a fill takes no time. An operation has its effect when it ends. A late answer of the host is as an
// operation that waits for its `ready` and runs beside whatever else runs. What falls on one instant happens in an
// order drawn from the seed.
//
// What happens takes no memory, so that nothing can go wrong half-way: a stream, or an answer, has at most one
// appointment, stands in at most one line and waits for at most one other, and room for that is made when it comes.
class simulation
{
 public:
  simulation(const emulated_device_config& config, sticky_failure& failure)
      : config_(config), failure_(failure), agenda_(config.seed), spans_(config.trace)
  {
  }

  /// The simulation's own state, for whoever looks.
  [[nodiscard]] virtual_lane& at(stream_id stream) const { return *lanes_[static_cast<std::size_t>(stream)]; }
  [[nodiscard]] std::uint32_t streams() const noexcept { return static_cast<std::uint32_t>(lanes_.size()); }
  [[nodiscard]] bool passed(event point) const noexcept
  {
    return point.sequence == 0 || at(point.stream).completed >= point.sequence;
  }
  [[nodiscard]] const std::atomic<std::thread::id>& busy() const noexcept { return busy_; }
  [[nodiscard]] span_book& spans() noexcept { return spans_; }
  [[nodiscard]] const span_book& spans() const noexcept { return spans_; }
  [[nodiscard]] double clock() const noexcept { return clock_; }
  /// Nothing is going to happen.
  [[nodiscard]] bool idle() const noexcept { return agenda_.empty(); }
  /// When the next thing is going to. Not to be called when idle.
  [[nodiscard]] double next() const { return agenda_.next().time; }

  stream_id create(std::string_view name, std::unique_ptr<detail::host_line> host)
  {
    auto fresh = std::make_unique<virtual_lane>();
    fresh->name = name;
    fresh->host = std::move(host);
    fresh->blocked.reserve(lanes_.size() + 1 + answers_.room());
    make_room(lanes_.size() + 1, answers_.room());
    lanes_.push_back(std::move(fresh));
    return static_cast<stream_id>(lanes_.size() - 1);
  }

  std::uint64_t enqueue(stream_id stream, operation&& work, double now)
  {
    virtual_lane& s = at(stream);
    work.queued_at = now;
    const std::uint64_t sequence = work.sequence = s.enqueued + 1;
    s.queue.push_back(std::move(work));
    s.enqueued = sequence;
    if (s.queue.size() == 1) start_next(stream);
    return sequence;
  }

  /// The host completes an open point; the clock says when.
  void complete(event point) noexcept
  {
    virtual_lane& s = at(point.stream);
    s.completed = s.host->complete(point.sequence);
    let_go(point.stream, clock_);
  }

  /// As complete, for all that is open.
  void complete_all() noexcept
  {
    for (std::uint32_t i = 0; i < streams(); ++i) {
      virtual_lane& s = *lanes_[i];
      if (s.host == nullptr) continue;
      s.completed = s.host->complete_all();
      let_go(static_cast<stream_id>(i), clock_);
    }
  }

  /// Completes an open point `seconds` after its I/O can begin, and not before now. When this throws, nothing has changed.
  void complete_later(event point, double seconds, std::unique_ptr<task> io, double now)
  {
    if (answers_.full()) {
      answers_.widen();
      make_room(lanes_.size(), answers_.room());
    }
    detail::host_line& line = *at(point.stream).host;
    line.schedule(point.sequence);
    await_ready(answers_.add({point, line.ready_of(point.sequence), now, seconds, std::move(io)}), now);
  }

  /// Lets the next thing happen. There is one.
  void step()
  {
    const appointment next = agenda_.take();
    clock_ = next.time;
    switch (next.kind) {
      case step_kind::ready: begin_front(next.stream); break;
      case step_kind::over: end_front(next.stream); break;
      case step_kind::serve: serve(static_cast<std::size_t>(next.stream)); break;
      case step_kind::answer: answer(next.stream); break;
    }
  }
  void run_until(double time)
  {
    while (!agenda_.empty() && agenda_.next().time <= time) step();
    if (clock_ < time) clock_ = time;
  }

 private:
  /// Room for the appointments, the places in line and the waiting of so many.
  void make_room(std::size_t streams, std::size_t answers)
  {
    for (const auto& s : lanes_) s->blocked.reserve(streams + answers);
    for (link_queue& line : roads_) line.reserve(streams);
    agenda_.reserve(streams + answers + std::size(roads_));
  }

  [[nodiscard]] double jitter(stream_id stream, std::uint64_t sequence) const noexcept
  {
    return config_.jitter_seconds * fraction(draw(config_.seed, stream, sequence, 0));
  }

  static constexpr std::size_t compute_road = 2;
  static constexpr std::size_t no_road = 3;

  /// What the operation holds alone while it runs.
  [[nodiscard]] std::size_t road_of(const operation& o) const noexcept
  {
    if (o.holds_link()) return link_number(o.link);
    return config_.share_compute && o.kind == operation_kind::kernel ? compute_road : no_road;
  }

  /// The stream's front has become the front: waits that have nothing to wait for are over, the rest takes its place.
  void start_next(stream_id stream)
  {
    virtual_lane& s = at(stream);
    while (!s.queue.empty()) {
      const operation& front = s.queue.front();
      const double since = s.front_since();
      if (front.kind != operation_kind::wait) {
        agenda_.add(since + jitter(stream, front.sequence), stream, front.sequence, step_kind::ready);
        return;
      }
      if (!passed(front.awaited)) {
        at(front.awaited.stream).blocked.push_back({front.awaited.sequence, stream});
        return;
      }
      finish_front(stream, since);
    }
  }

  /// The stream's front has all it waits for: it starts, or stands in line for its link, or the multiprocessors.
  void begin_front(stream_id stream)
  {
    virtual_lane& s = at(stream);
    const operation& front = s.queue.front();
    const stall_meter::stall held = s.stalls.released(front.queued_at);
    s.stalled += held.seconds();
    if (held.seconds() > 0) spans_.keep([&] { return span_of(held, stream, s.name, at(held.cause).name); });
    const std::size_t road = road_of(front);
    if (road == no_road) return start(stream);
    roads_[road].stand({stream, front.sequence});
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
    const std::size_t road = road_of(front);
    busy_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    carry_out(front, s.name, config_.data, failure_);
    busy_.store(std::thread::id(), std::memory_order_relaxed);
    s.busy += clock_ - s.began;
    spans_.keep([&]() -> op_span {
      return {stream, s.name, std::move(label), front.kind, s.began, clock_, front.bytes, front.pieces, front.sequence};
    });
    finish_front(stream, clock_);
    start_next(stream);
    if (road == no_road) return;
    roads_[road].taken = false;
    hand_over(road);
  }

  /// Somebody came to what is shared or left it: whoever is next takes it. Who that is, is drawn at the end of this
  /// instant, where it is drawn at all: streams that get here at the same time then stand an equal chance.
  void hand_over(std::size_t road)
  {
    link_queue& line = roads_[road];
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
    link_queue& line = roads_[road];
    line.called = false;
    if (line.taken || line.empty()) return;
    line.taken = true;
    start(line.drawn(config_.seed).stream);
  }

  /// The stream's front is over at `time`; so are the waits of others for it.
  void finish_front(stream_id stream, double time)
  {
    at(stream).pop_front(time);
    let_go(stream, time);
  }

  /// Whoever waited for a place on the stream that is passed now goes on.
  void let_go(stream_id stream, double time)
  {
    virtual_lane& s = at(stream);
    while (const std::optional<stream_id> other = s.release()) {
      if (late_answers::is_one(*other)) {
        await_ready(*other, time);
        continue;
      }
      virtual_lane& o = at(*other);
      o.stalls.held(o.front_since(), time, stream);
      finish_front(*other, time);
      start_next(*other);
    }
  }

  /// Something that the answer waits for was over at `time`: it waits for the next, or its time runs.
  void await_ready(stream_id who, double time)
  {
    late_answer& mine = answers_.at(who);
    if (mine.since < time) mine.since = time;
    for (const event point : mine.ready) {
      if (passed(point)) continue;
      at(point.stream).blocked.push_back({point.sequence, who});
      return;
    }
    agenda_.add_answer(mine.since + mine.seconds + jitter(mine.point.stream, mine.point.sequence), who, mine.point);
  }

  /// The host's I/O is over. It runs whatever has become of the device: it is none of the device's work.
  void answer(stream_id who)
  {
    const late_answer mine = answers_.take(who);
    busy_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    run_or_fail(failure_, "host I/O", mine.io->label, at(mine.point.stream).name, [&] { mine.io->run(); });
    busy_.store(std::thread::id(), std::memory_order_relaxed);
    virtual_lane& s = at(mine.point.stream);
    spans_.keep([&] { return span_of(mine, s.name, s.free_at, clock_); });
    s.free_at = clock_;
    complete(mine.point);
  }

  emulated_device_config config_;
  sticky_failure& failure_;
  std::atomic<std::thread::id> busy_{};  // who is inside a kernel, or an I/O
  std::vector<std::unique_ptr<virtual_lane>> lanes_;
  link_queue roads_[3];  // the links by their numbers, the multiprocessors
  late_answers answers_;
  agenda agenda_;
  double clock_ = 0;  // how far the simulation has come
  span_book spans_;
};

}  // namespace kvstrata::emulated
