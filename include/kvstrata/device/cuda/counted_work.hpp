// What a GPU is asked to move and to set: checked, queued and counted.
#pragma once

#include <kvstrata/device/coded_call.hpp>
#include <kvstrata/device/copy_call.hpp>
#include <kvstrata/device/cuda/codes/gpu_code.hpp>
#include <kvstrata/device/cuda/config.hpp>
#include <kvstrata/device/cuda/copy_kernels.hpp>
#include <kvstrata/device/cuda/copy_pieces.hpp>
#include <kvstrata/device/cuda/counters.hpp>
#include <kvstrata/device/cuda/gpu.hpp>
#include <kvstrata/device/cuda/lane.hpp>
#include <kvstrata/device/cuda/memory_book.hpp>
#include <kvstrata/device/cuda/queues.hpp>
#include <kvstrata/device/misuse.hpp>

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// Safe to use from several threads. A call that throws has queued nothing, but as cuda_device says.
class counted_work
{
 public:
  counted_work(const cuda_device_config& config, const gpu& g, queues& all, std::shared_ptr<memory_book> book)
      : config_(&config), gpu_(&g), queues_(&all), book_(std::move(book))
  {
  }

  void copy(stream_id stream, const detail::copy_call& call, std::span<const copy_piece> pieces)
  {
    lane& s = queues_->at(stream, call.kind);
    if (pieces.empty()) return;
    require_pieces(queues_->all(), memory_book::reader(*book_), call, stream, pieces, config_->check_overlaps);
    std::size_t bytes = 0;
    for (const copy_piece& p : pieces) bytes += p.bytes;
    queues_->queue(s, {call.kind, call.label, bytes, pieces.size()}, [&] {
      if (call.kind == operation_kind::copy_kernel) {
        const std::uint32_t blocks = copy_blocks(call.sms, gpu_->multiprocessors);
        return call_result{copy_kernels<>::launch(s.stream.get(), pieces, blocks), "cudaLaunchKernel"};
      }
      if (call.of_one_piece) return copy_loose(s.stream.get(), call.route, pieces);
      const std::lock_guard lock(s.queueing);
      return s.batch.copy(s.stream.get(), call.route, pieces, config_->batch_pieces, batches_);
    });
    count([&](device_counters& all) { detail::add_copy(all, call, bytes, pieces.size()); });
  }

  void code(stream_id stream, const detail::copy_call& call, coding how, std::span<const coded_piece> pieces)
  {
    lane& s = queues_->at(stream, call.kind);
    if (pieces.empty()) return;
    require_coded_pieces(queues_->all(), memory_book::reader(*book_), call, stream, how, pieces);
    const std::size_t bytes = pieces.size() * travelling_bytes(how, detail::raw_bytes_of(how));
    queues_->queue(s, {call.kind, call.label, bytes, pieces.size()}, [&] {
      if (call.route == copy_route::on_host) return code_on_host(s.stream.get(), how, pieces);
      return code_on_gpu(s.stream.get(), how, pieces, code_blocks(call.sms, gpu_->multiprocessors));
    });
    count([&](device_counters& all) { detail::add_copy(all, call, bytes, pieces.size()); });
  }

  void set(stream_id stream, operation_kind kind, std::byte* dst, std::byte value, std::size_t bytes)
  {
    lane& s = queues_->at(stream, kind);
    detail::require_bytes(queues_->all(), name_of(kind), stream, dst != nullptr, bytes);
    if (!book_->holds(dst, bytes)) {
      throw usage_error(name_of(work{kind, {}, bytes, 0}, s) +
                        ": its destination does not lie within one allocation of this device");
    }
    queues_->queue(s, {kind, {}, bytes, 0}, [&] {
      return call_result{cudaMemsetAsync(dst, std::to_integer<int>(value), bytes, s.stream.get()), "cudaMemsetAsync"};
    });
    count([](device_counters& all) { ++all.fills; });
  }

  template <class Change>
  void count(Change&& change)
  {
    const std::lock_guard lock(counting_);
    change(counters_);
  }
  [[nodiscard]] cuda_device_counters counters() const
  {
    cuda_device_counters out;
    {
      const std::lock_guard lock(counting_);
      out = counters_;
    }
    out.batch_calls = batches_.calls.load(std::memory_order_relaxed);
    out.loose_pieces = batches_.pieces.load(std::memory_order_relaxed);
    return out;
  }

 private:
  const cuda_device_config* config_;
  const gpu* gpu_;
  queues* queues_;
  std::shared_ptr<memory_book> book_;
  batch_support batches_;
  mutable std::mutex counting_;  // counters_
  cuda_device_counters counters_;
};

}  // namespace kvstrata::cuda
