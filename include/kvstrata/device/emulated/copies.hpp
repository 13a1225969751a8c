// Copies, batches of copies and copy kernels: what may be asked for, and the operation it becomes.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/memory_pool.hpp>
#include <kvstrata/device/emulated/misuse.hpp>
#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/emulated/ordering_checker.hpp>
#include <kvstrata/device/emulated/scheduler.hpp>

#include <boost/container/small_vector.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::emulated {

/// A call that moves bytes, its pieces aside.
struct copy_call
{
  operation_kind kind = operation_kind::copy_kernel;
  copy_route route = copy_route::on_device;
  std::string_view label;     ///< of a copy kernel
  std::uint32_t sms = 0;      ///< of a copy kernel
  bool of_one_piece = false;  ///< a plain copy
};

/// The route of a plain copy or of a batch.
[[nodiscard]] constexpr copy_route route_of(copy_direction direction) noexcept
{
  return direction == copy_direction::to_device ? copy_route::to_device : copy_route::from_device;
}
[[nodiscard]] constexpr operation_kind kind_of(copy_direction direction) noexcept
{
  return direction == copy_direction::to_device ? operation_kind::copy_to_device : operation_kind::copy_from_device;
}

/// The number of a piece that touches what another one (or its own other end) writes; empty when none does. O(pieces)
/// where destinations ascend and lie on one side of all sources, O(pieces log pieces) otherwise.
[[nodiscard]] inline std::optional<std::size_t> overlapping_piece(std::span<const copy_piece> pieces)
{
  using address = std::uintptr_t;
  struct stretch
  {
    address begin, end;
    std::size_t piece;
    bool written;
  };
  const auto written = [&](std::size_t i) {
    const auto at = reinterpret_cast<address>(pieces[i].dst);
    return stretch{at, at + pieces[i].bytes, i, true};
  };
  const auto read = [&](std::size_t i) {
    const auto at = reinterpret_cast<address>(pieces[i].src);
    return stretch{at, at + pieces[i].bytes, i, false};
  };
  stretch all_written = written(0);
  stretch all_read = read(0);
  bool ascend = true;
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const stretch w = written(i);
    const stretch r = read(i);
    ascend = ascend && w.begin >= all_written.end;
    all_written.begin = (std::min)(all_written.begin, w.begin);
    all_written.end = (std::max)(all_written.end, w.end);
    all_read.begin = (std::min)(all_read.begin, r.begin);
    all_read.end = (std::max)(all_read.end, r.end);
  }
  const bool apart = all_written.end <= all_read.begin || all_read.end <= all_written.begin;
  if (ascend && apart) return std::nullopt;

  std::vector<stretch> all;
  all.reserve(2 * pieces.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    all.push_back(written(i));
    if (!apart) all.push_back(read(i));
  }
  std::sort(all.begin(), all.end(), [](const stretch& a, const stretch& b) { return a.begin < b.begin; });
  address any_end = 0;
  address written_end = 0;
  for (const stretch& s : all) {
    if (s.begin < (s.written ? any_end : written_end)) return s.piece;
    any_end = (std::max)(any_end, s.end);
    if (s.written) written_end = (std::max)(written_end, s.end);
  }
  return std::nullopt;
}

/// Throws usage_error when a piece is null, empty, or not where its route says, or when pieces overlap.
inline void require_pieces(const scheduler& queues, const memory_pool& pool, const copy_call& call, stream_id stream,
                           std::span<const copy_piece> pieces)
{
  const auto turn_down = [&](std::size_t number, std::string_view why) {
    std::string what(name_of(call.kind));
    if (!call.label.empty()) what += " '" + std::string(call.label) + "'";
    if (!call.of_one_piece)
      what += " (pieces[" + std::to_string(number) + "] of " + std::to_string(pieces.size()) + ")";
    throw usage_error(what + " of " + std::to_string(pieces[number].bytes) + " bytes on stream '" +
                      queues.stream_name(stream) + "': " + std::string(why));
  };
  const bool kernel = call.kind == operation_kind::copy_kernel;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const copy_piece& p = pieces[i];
    if (p.dst == nullptr || p.src == nullptr) turn_down(i, "an address is null");
    if (p.bytes == 0) turn_down(i, "it has no bytes");
    if (call.route != copy_route::from_device && !pool.holds(memory_place::device, p.dst, p.bytes)) {
      turn_down(i, "its destination does not lie within one allocation of device memory");
    }
    if (call.route != copy_route::to_device && !pool.holds(memory_place::device, p.src, p.bytes)) {
      turn_down(i, "its source does not lie within one allocation of device memory");
    }
    if (kernel && call.route == copy_route::to_device && !pool.holds(memory_place::pinned, p.src, p.bytes)) {
      turn_down(i, "its source does not lie within one allocation of pinned memory");
    }
    if (kernel && call.route == copy_route::from_device && !pool.holds(memory_place::pinned, p.dst, p.bytes)) {
      turn_down(i, "its destination does not lie within one allocation of pinned memory");
    }
  }
  if (const auto number = overlapping_piece(pieces)) {
    turn_down(*number, call.of_one_piece ? "its source overlaps its destination"
                                         : "it overlaps what a piece of the same call writes");
  }
}

/// What an operation of several pieces does.
struct piece_mover
{
  void operator()() const
  {
    for (const copy_piece& p : pieces) std::memcpy(p.dst, p.src, p.bytes);
  }
  std::vector<copy_piece> pieces;
};

/// Seconds that a call takes by the configuration.
[[nodiscard]] inline double cost_of(const emulated_device_config& config, const copy_call& call, std::size_t bytes,
                                    std::size_t pieces) noexcept
{
  const link_model& link = call.route == copy_route::to_device ? config.to_device : config.from_device;
  if (call.kind != operation_kind::copy_kernel) {
    return call.of_one_piece ? link.cost(bytes) : link.batch_cost(bytes, pieces);
  }
  const copy_kernel_model& kernels = config.copy_kernels;
  if (call.route != copy_route::on_device) {
    return kernels.cost(bytes, call.sms, kernels.sm_bytes_per_second, link.bytes_per_second);
  }
  const double per_sm =
      kernels.sm_device_bytes_per_second > 0 ? kernels.sm_device_bytes_per_second : kernels.sm_bytes_per_second;
  return kernels.cost(bytes, call.sms, per_sm, kernels.device_bytes_per_second);
}

/// The operation that a call becomes. There is a piece.
[[nodiscard]] inline operation make_copy(const emulated_device_config& config, const copy_call& call,
                                         std::span<const copy_piece> pieces)
{
  operation work;
  work.kind = call.kind;
  work.link = call.route;
  work.pieces = pieces.size();
  for (const copy_piece& p : pieces) work.bytes += p.bytes;
  work.seconds = cost_of(config, call, work.bytes, work.pieces);
  if (call.of_one_piece) {
    work.dst = pieces[0].dst;
    work.src = pieces[0].src;
    return work;
  }
  piece_mover mover;
  if (config.data) mover.pieces.assign(pieces.begin(), pieces.end());
  work.work =
      std::make_unique<task_of<piece_mover>>(call.label.empty() ? name_of(call.kind) : call.label, std::move(mover));
  return work;
}

inline void add_copy(device_counters& all, const operation& work) noexcept
{
  device_counters::traffic& mine = all.by(work.link);
  if (work.kind == operation_kind::copy_kernel) ++all.kernels;
  else ++mine.copies;
  mine.bytes += work.bytes;
  mine.pieces += work.pieces;
}

/// What the ordering checker is told of the pieces.
struct piece_footprint
{
  explicit piece_footprint(std::span<const copy_piece> pieces)
  {
    for (const copy_piece& p : pieces) {
      reads.push_back({p.src, p.bytes});
      writes.push_back({p.dst, p.bytes});
    }
  }
  boost::container::small_vector<byte_range, 1> reads;  // a plain copy allocates nothing
  boost::container::small_vector<byte_range, 1> writes;
};

/// Faults that are still to come: which of the next copies fails, and which is delayed. Not safe to use from several
/// threads.
class fault_plan
{
 public:
  void fail(std::uint64_t after) noexcept { until_failure_ = after + 1; }
  void delay(double seconds, std::uint64_t after) noexcept
  {
    delay_ = seconds;
    until_delay_ = after + 1;
  }

  /// What becomes of the operation that is queued now, a copy, a batch or a copy kernel.
  void strike(operation& work) noexcept
  {
    work.fails = until_failure_ != 0 && --until_failure_ == 0;
    if (until_delay_ == 0 || --until_delay_ != 0) return;
    work.delay = delay_;
    work.seconds += delay_;
  }

 private:
  std::uint64_t until_failure_ = 0;  // 0: none
  std::uint64_t until_delay_ = 0;
  double delay_ = 0;
};

}  // namespace kvstrata::emulated
