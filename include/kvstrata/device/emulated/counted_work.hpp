// What an emulated device is asked to move and to set: checked, struck by the faults that are planned, queued and counted.
#pragma once

#include <kvstrata/device/counters.hpp>
#include <kvstrata/device/emulated/carry_out.hpp>
#include <kvstrata/device/emulated/checked_queues.hpp>
#include <kvstrata/device/emulated/coded_copies.hpp>
#include <kvstrata/device/emulated/config.hpp>
#include <kvstrata/device/emulated/copies.hpp>
#include <kvstrata/device/emulated/fault_plan.hpp>
#include <kvstrata/device/emulated/memory_pool.hpp>
#include <kvstrata/device/emulated/misuse.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Safe to use from several threads. A call that throws has queued nothing.
class counted_work
{
 public:
  counted_work(const emulated_device_config& config, checked_queues& queues, std::shared_ptr<memory_pool> pool)
      : config_(&config), queues_(&queues), pool_(std::move(pool))
  {
  }

  void copy(stream_id stream, const copy_call& call, std::span<const copy_piece> pieces)
  {
    require(queues_->streams(), stream);
    if (pieces.empty()) return;
    require_pieces(queues_->streams(), *pool_, call, stream, pieces);
    const piece_footprint touched(config_->check_ordering ? pieces : std::span<const copy_piece>());
    move(stream, call, make_copy(*config_, call, pieces), touched.reads, touched.writes);
  }

  void code(stream_id stream, const copy_call& call, coding how, std::span<const coded_piece> pieces)
  {
    require(queues_->streams(), stream);
    if (pieces.empty()) return;
    require_coded_pieces(queues_->streams(), *pool_, call, stream, how, pieces);
    const coded_footprint touched(how, config_->check_ordering ? pieces : std::span<const coded_piece>());
    move(stream, call, make_coded_copy(*config_, call, how, pieces), touched.reads, touched.writes);
  }

  void set(stream_id stream, operation_kind kind, std::byte* dst, std::byte value, std::size_t bytes)
  {
    require(queues_->streams(), stream);
    require_bytes(queues_->streams(), name_of(kind), stream, dst != nullptr, bytes);
    operation work;
    work.kind = kind;
    work.dst = dst;
    work.value = value;
    work.bytes = bytes;
    const byte_range writes[] = {{dst, bytes}};
    queues_->enqueue(stream, std::move(work), {}, writes);
    count([](device_counters& all) { ++all.fills; });
  }

  template <class Change>
  void count(Change&& change)
  {
    const std::lock_guard lock(counting_);
    change(counters_);
  }
  [[nodiscard]] device_counters counters() const
  {
    const std::lock_guard lock(counting_);
    return counters_;
  }

  /// Of the copies, batches and kernels that move bytes which are still to come.
  [[nodiscard]] fault_plan& faults() noexcept { return faults_; }

 private:
  void move(stream_id stream, const copy_call& call, operation work, std::span<const byte_range> reads,
            std::span<const byte_range> writes)
  {
    const std::size_t bytes = work.bytes;
    const std::size_t pieces = work.pieces;
    fault_plan::turn its(faults_, work);
    if (its.is_refused()) refuse_copy(work, queues_->streams().stream_name(stream));
    queues_->enqueue(stream, std::move(work), reads, writes);
    its.keep();
    count([&](device_counters& all) { add_copy(all, call, bytes, pieces); });
  }

  const emulated_device_config* config_;
  checked_queues* queues_;
  std::shared_ptr<memory_pool> pool_;
  fault_plan faults_;
  mutable std::mutex counting_;  // counters_
  device_counters counters_;
};

}  // namespace kvstrata::emulated
