// In virtual time: points of host streams that complete by themselves, some time after their I/O could begin.
#pragma once

#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/span.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

struct late_answer
{
  event point;
  fence ready;         ///< what the I/O waits for
  double since = 0;    ///< when all of that had come to pass, as far as it has
  double seconds = 0;  ///< how long the I/O takes from then on
  std::unique_ptr<task> io;
};

/// What the host did, on a stream where it had answered something else at `before`.
[[nodiscard]] inline op_span span_of(const late_answer& a, std::string_view stream_name, double before, double now)
{
  constexpr operation_kind kind = operation_kind::host_io;
  return {a.point.stream,
          std::string(stream_name),
          std::string(name_of(kind)),
          kind,
          (std::max)(a.since, before),
          now,
          0,
          0,
          a.point.sequence};
}

/// Those that are to come. Each stands where a stream may stand (among those that wait for a stream, in the agenda) under
/// a number that no stream has. Only adding takes memory.
class late_answers
{
 public:
  [[nodiscard]] static constexpr bool is_one(stream_id who) noexcept { return (number(who) & mark) != 0; }

  /// How many there may be before add() makes room for more.
  [[nodiscard]] std::size_t room() const noexcept { return all_.size(); }
  [[nodiscard]] bool full() const noexcept { return free_.empty(); }
  /// Room for one more, at least. When this throws, nothing has changed.
  void widen()
  {
    const std::size_t before = all_.size();
    const std::size_t after = before == 0 ? 8 : 2 * before;
    free_.reserve(after);
    all_.resize(after);
    for (std::size_t i = after; i-- > before;) free_.push_back(static_cast<std::uint32_t>(i));
  }

  /// There is room.
  [[nodiscard]] stream_id add(late_answer one) noexcept
  {
    const std::uint32_t place = free_.back();
    free_.pop_back();
    all_[place] = std::move(one);
    return static_cast<stream_id>(mark | place);
  }
  [[nodiscard]] late_answer& at(stream_id who) noexcept { return all_[number(who) & ~mark]; }
  [[nodiscard]] late_answer take(stream_id who) noexcept
  {
    free_.push_back(number(who) & ~mark);
    return std::exchange(at(who), {});
  }

 private:
  static constexpr std::uint32_t mark = 0x80000000U;
  [[nodiscard]] static constexpr std::uint32_t number(stream_id who) noexcept
  {
    return static_cast<std::uint32_t>(who);
  }

  std::vector<late_answer> all_;
  std::vector<std::uint32_t> free_;
};

}  // namespace kvstrata::emulated
