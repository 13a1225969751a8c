// Copies of which an end is encoded: the operation that a call becomes.
#pragma once

#include <kvstrata/codec/page_code.hpp>
#include <kvstrata/device/coded_call.hpp>
#include <kvstrata/device/emulated/copies.hpp>

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// The operation that a call becomes. There is a piece. It costs what a copy kernel (on the host: a batch) costs that moves the
/// bytes that travel.
[[nodiscard]] inline operation make_coded_copy(const emulated_device_config& config, const copy_call& call, coding how,
                                               std::span<const coded_piece> pieces)
{
  operation work;
  work.kind = call.kind;
  work.link = call.route;
  work.pieces = pieces.size();
  work.bytes = pieces.size() * travelling_bytes(how, detail::raw_bytes_of(how));
  work.seconds = cost_of(config, call, work.bytes, work.pieces);
  coded_copy mover(how, config.data ? pieces : std::span<const coded_piece>());
  work.work = std::make_unique<task_of<coded_copy>>(call.label, std::move(mover));
  return work;
}

/// What the ordering checker is told of the pieces: all that they may touch.
struct coded_footprint
{
  coded_footprint(coding how, std::span<const coded_piece> pieces)
  {
    const std::size_t raw = detail::raw_bytes_of(how);
    for (const coded_piece& p : pieces) {
      reads.push_back({p.src, bytes_at(how.from, raw)});
      writes.push_back({p.dst, bytes_at(how.to, raw)});
      if (p.src_elsewhere != nullptr) reads.push_back({p.src_elsewhere, raw});
      if (p.dst_elsewhere != nullptr) writes.push_back({p.dst_elsewhere, raw});
    }
  }
  std::vector<byte_range> reads;
  std::vector<byte_range> writes;
};

}  // namespace kvstrata::emulated
