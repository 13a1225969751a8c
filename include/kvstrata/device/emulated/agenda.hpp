// What is going to happen in virtual time, earliest first.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/device/emulated/draw.hpp>
#include <kvstrata/device/event.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

enum class step_kind : std::uint8_t {
  ready,   ///< the stream's front has all it waits for
  over,    ///< the stream's front has run
  serve,   ///< a link chooses whom to serve; it has the stream's place
  answer,  ///< the host completes a point; the late answer has the stream's place
};

struct appointment
{
  double time = 0;
  std::uint64_t tie = 0;
  stream_id stream{};  ///< serve: the link's number; answer: who it is (late_answers.hpp)
  step_kind kind = step_kind::ready;

  /// A priority queue serves the largest: the earliest here.
  friend bool operator<(const appointment& a, const appointment& b)
  {
    if (!is_exactly(a.time, b.time)) return a.time > b.time;
    if (a.tie != b.tie) return a.tie > b.tie;
    return a.stream > b.stream;
  }
};

/// A priority queue in which appointments at one instant stand in an order drawn from the seed.
class agenda
{
 public:
  explicit agenda(std::uint64_t seed) : seed_(seed) {}

  /// Room for so many appointments: until there are more, adding one cannot fail.
  void reserve(std::size_t appointments) { heap_.reserve(appointments); }

  void add(double time, stream_id stream, std::uint64_t sequence, step_kind kind)
  {
    push({time, draw(seed_, stream, sequence, kind == step_kind::ready ? 1 : 2), stream, kind});
  }
  /// As add, behind all else that is known to fall on that instant.
  void add_last(double time, stream_id stream, step_kind kind)
  {
    push({time, (std::numeric_limits<std::uint64_t>::max)(), stream, kind});
  }
  /// Of `who`, who completes the point.
  void add_answer(double time, stream_id who, event point)
  {
    push({time, draw(seed_, point.stream, point.sequence, 2), who, step_kind::answer});
  }
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  /// The earliest. Not to be called when empty.
  [[nodiscard]] const appointment& next() const { return heap_.front(); }
  appointment take()
  {
    std::pop_heap(heap_.begin(), heap_.end());
    const appointment first = heap_.back();
    heap_.pop_back();
    return first;
  }

 private:
  void push(const appointment& one)
  {
    heap_.push_back(one);
    std::push_heap(heap_.begin(), heap_.end());
  }

  std::uint64_t seed_;
  std::vector<appointment> heap_;
};

}  // namespace kvstrata::emulated
