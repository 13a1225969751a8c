// Calls that move bytes, whatever the device: what may be asked for, and the sentences that misuse earns.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/counters.hpp>
#include <kvstrata/device/memory_place.hpp>
#include <kvstrata/device/span.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

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
  return direction == copy_direction::to_device     ? copy_route::to_device
         : direction == copy_direction::from_device ? copy_route::from_device
                                                    : copy_route::on_host;
}
[[nodiscard]] constexpr bool writes_device(copy_route route) noexcept
{
  return route == copy_route::to_device || route == copy_route::on_device;
}
[[nodiscard]] constexpr bool reads_device(copy_route route) noexcept
{
  return route == copy_route::from_device || route == copy_route::on_device;
}
[[nodiscard]] constexpr operation_kind kind_of(copy_direction direction) noexcept
{
  return direction == copy_direction::to_device     ? operation_kind::copy_to_device
         : direction == copy_direction::from_device ? operation_kind::copy_from_device
                                                    : operation_kind::copy_on_host;
}

/// Counts a call that was queued.
inline void add_copy(device_counters& all, const copy_call& call, std::size_t bytes, std::size_t pieces) noexcept
{
  device_counters::traffic& mine = all.by(call.route);
  if (call.kind == operation_kind::copy_kernel) ++all.kernels;
  else ++mine.copies;
  mine.bytes += bytes;
  mine.pieces += pieces;
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

/// Throws usage_error when a piece is null, empty, or not where its route says, or when pieces overlap. `queues` knows
/// the names of streams, `pool.holds(place, data, bytes)` whether bytes lie within one allocation.
template <class Queues, class Memory>
void require_pieces(const Queues& queues, const Memory& pool, const copy_call& call, stream_id stream,
                    std::span<const copy_piece> pieces, bool check_overlaps = true)
{
  const auto turn_down = [&](std::size_t number, std::string_view why) {
    std::string what(name_of(call.kind));
    if (!call.label.empty()) what += " '" + std::string(call.label) + "'";
    if (!call.of_one_piece)
      what += " (pieces[" + std::to_string(number) + "] of " + std::to_string(pieces.size()) + ")";
    throw usage_error(what + " of " + std::to_string(pieces[number].bytes) + " bytes on stream '" +
                      std::string(queues.stream_name(stream)) + "': " + std::string(why));
  };
  const bool kernel = call.kind == operation_kind::copy_kernel;
  const auto on_device = [&pool](const std::byte* at, std::size_t bytes) {  // as far as its ends tell
    return pool.holds(memory_place::device, at, 1) || pool.holds(memory_place::device, at + (bytes - 1), 1);
  };
  if (kernel && call.route == copy_route::on_host) turn_down(0, "no kernel copies from host memory to host memory");
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const copy_piece& p = pieces[i];
    if (p.dst == nullptr || p.src == nullptr) turn_down(i, "an address is null");
    if (p.bytes == 0) turn_down(i, "it has no bytes");
    if (writes_device(call.route) && !pool.holds(memory_place::device, p.dst, p.bytes)) {
      turn_down(i, "its destination does not lie within one allocation of device memory");
    }
    if (reads_device(call.route) && !pool.holds(memory_place::device, p.src, p.bytes)) {
      turn_down(i, "its source does not lie within one allocation of device memory");
    }
    if (kernel && call.route == copy_route::to_device && !pool.holds(memory_place::pinned, p.src, p.bytes)) {
      turn_down(i, "its source does not lie within one allocation of pinned memory");
    }
    if (kernel && call.route == copy_route::from_device && !pool.holds(memory_place::pinned, p.dst, p.bytes)) {
      turn_down(i, "its destination does not lie within one allocation of pinned memory");
    }
    if (call.route == copy_route::on_host) {
      if (on_device(p.dst, p.bytes)) turn_down(i, "its destination lies in device memory, but it copies on the host");
      if (on_device(p.src, p.bytes)) turn_down(i, "its source lies in device memory, but it copies on the host");
    }
  }
  if (!check_overlaps) return;
  if (const auto number = overlapping_piece(pieces)) {
    turn_down(*number, call.of_one_piece ? "its source overlaps its destination"
                                         : "it overlaps what a piece of the same call writes");
  }
}

}  // namespace kvstrata::detail
