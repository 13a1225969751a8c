// The spans of what the streams of a CUDA device have done, where somebody wants to see them.
#pragma once

#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/cuda/lane.hpp>
#include <kvstrata/device/cuda/work.hpp>
#include <kvstrata/device/span.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// All calls may come from several threads. The stream's GPU is current where something is queued there.
class span_keeper
{
 public:
  /// Marks where the stream is, before an operation is queued.
  [[nodiscard]] call_result begin(lane& s, cudaEvent_t& began)
  {
    const std::lock_guard lock(s.queueing);
    return s.spans.begin(s.stream.get(), began);
  }

  /// The operation has not been queued. Null: nothing was marked.
  void forget(lane& s, cudaEvent_t began) noexcept
  {
    if (began == nullptr) return;
    const std::lock_guard lock(s.queueing);
    s.spans.cancel(began);
  }

  /// The operation has been queued behind `began`, and the stream's line knows of it.
  [[nodiscard]] call_result end(lane& s, cudaEvent_t began, const work& what)
  {
    const std::string_view label = what.label.empty() ? kvstrata::name_of(what.kind) : what.label;
    op_span span{s.id, s.name, std::string(label), what.kind, 0, 0, what.bytes, what.pieces, s.line.last() + 1};
    const std::lock_guard lock(s.queueing);
    const call_result result = s.spans.end(s.stream.get(), began, std::move(span));
    if (result) harvest(s, 2);  // one comes, two may go
    return result;
  }

  /// Of what is over, in the order of ending.
  [[nodiscard]] std::vector<op_span> all(const lanes& streams) const
  {
    harvest_all(streams);
    const std::lock_guard lock(keeping_);
    std::vector<op_span> out = spans_;
    std::stable_sort(out.begin(), out.end(), [](const op_span& a, const op_span& b) { return a.end < b.end; });
    return out;
  }
  void clear(const lanes& streams)
  {
    harvest_all(streams);
    const std::lock_guard lock(keeping_);
    spans_.clear();
  }

 private:
  /// Takes over spans of what is over; s.queueing is held. What the runtime does not tell is left out.
  void harvest(lane& s, std::size_t most) const
  {
    const call_result result = s.spans.harvest(most, [&](op_span&& over) {
      s.busy_seconds += over.end - over.begin;
      const std::lock_guard lock(keeping_);
      spans_.push_back(std::move(over));
    });
    if (!result) forget_error();
  }
  void harvest_all(const lanes& streams) const
  {
    for (std::uint32_t i = 0; i < streams.streams(); ++i) {
      lane& s = streams.at(stream_id{i});
      const std::lock_guard lock(s.queueing);
      harvest(s, (std::numeric_limits<std::size_t>::max)());
    }
  }

  mutable std::mutex keeping_;
  mutable std::vector<op_span> spans_;
};

}  // namespace kvstrata::cuda
