// Copies, batches of copies and copy kernels: the operation that a call becomes.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/copy_call.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/emulated/ordering_checker.hpp>

#include <boost/container/small_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

using detail::add_copy;
using detail::copy_call;
using detail::kind_of;
using detail::overlapping_piece;
using detail::require_pieces;
using detail::route_of;

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
  const link_model& link = call.route == copy_route::to_device     ? config.to_device
                           : call.route == copy_route::from_device ? config.from_device
                                                                   : config.on_host;
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

}  // namespace kvstrata::emulated
