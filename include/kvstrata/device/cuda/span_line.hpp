// When the operations of one stream ran: two timing events around each, read once both have passed. Waits leave none.
//
// The runtime tells the time between two events, in milliseconds as a float: 60 ns of error at a second's distance, 60 us
// at a thousand. So a line counts from an anchor whose time it knows, and takes a later event for its anchor before long.
// A stream that has been idle for long carries the error of that pause from then on: 0.2 ms for an hour.
#pragma once

#include <kvstrata/device/cuda/error.hpp>
#include <kvstrata/device/span.hpp>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

/// An event and the second it stands for.
struct time_anchor
{
  cudaEvent_t at = nullptr;
  double seconds = 0;
};

/// For one thread at a time. `first`, the device's own anchor, outlives the line.
class span_line
{
 public:
  explicit span_line(time_anchor first) noexcept : anchor_(first) {}
  span_line(const span_line&) = delete;
  span_line& operator=(const span_line&) = delete;
  ~span_line()
  {
    for (const cudaEvent_t one : all_) {
      if (cudaEventDestroy(one) != cudaSuccess) forget_error();
    }
  }

  /// Marks where the stream is, before an operation is queued. The stream's GPU is current, here and in end().
  [[nodiscard]] call_result begin(cudaStream_t stream, cudaEvent_t& began) { return mark(stream, began); }

  /// The operation has been queued behind `began`.
  [[nodiscard]] call_result end(cudaStream_t stream, cudaEvent_t began, op_span what)
  {
    cudaEvent_t ended = nullptr;
    const call_result result = mark(stream, ended);
    if (!result) return result;
    pending_.push_back({began, ended, std::move(what)});
    return {};
  }

  /// It has not been queued.
  void cancel(cudaEvent_t began) noexcept { free_.push_back(began); }

  /// Calls keep(span) for the operations that are over, in order; at most `most` of them.
  template <class Keep>
  [[nodiscard]] call_result harvest(std::size_t most, Keep&& keep)
  {
    for (; most != 0 && !pending_.empty(); --most) {
      queued& next = pending_.front();
      bool over = false;
      call_result result = has_passed(next.end, over);
      if (!result || !over) return result;
      float until_begin = 0;
      float until_end = 0;
      result = {cudaEventElapsedTime(&until_begin, anchor_.at, next.begin), "cudaEventElapsedTime"};
      if (result) result = {cudaEventElapsedTime(&until_end, next.begin, next.end), "cudaEventElapsedTime"};
      if (!result) return result;
      next.what.begin = anchor_.seconds + static_cast<double>(until_begin) / 1000;
      next.what.end = next.what.begin + static_cast<double>(until_end) / 1000;
      free_.push_back(next.end);
      take_for_anchor(next.begin, next.what.begin);
      keep(std::move(next.what));
      pending_.pop_front();
    }
    return {};
  }

 private:
  struct queued
  {
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
    op_span what;
  };

  [[nodiscard]] call_result mark(cudaStream_t stream, cudaEvent_t& out)
  {
    if (free_.empty()) {
      if (all_.size() == all_.capacity()) all_.reserve((std::max)(std::size_t{8}, 2 * all_.size()));
      free_.reserve(all_.capacity());
      cudaEvent_t fresh = nullptr;
      const call_result made{cudaEventCreateWithFlags(&fresh, cudaEventDefault), "cudaEventCreateWithFlags"};
      if (!made) return made;
      all_.push_back(fresh);
      free_.push_back(fresh);
    }
    const call_result result{cudaEventRecord(free_.back(), stream), "cudaEventRecord"};
    if (!result) return result;
    out = free_.back();
    free_.pop_back();
    return {};
  }

  /// `at` is free from now on, unless it is the anchor.
  void take_for_anchor(cudaEvent_t at, double seconds) noexcept
  {
    constexpr double distant = 0.25;
    if (seconds - anchor_.seconds < distant) return free_.push_back(at);
    if (of_ours_) free_.push_back(anchor_.at);
    anchor_ = {at, seconds};
    of_ours_ = true;
  }

  time_anchor anchor_;
  bool of_ours_ = false;  // the anchor is one of all_
  std::deque<queued> pending_;
  std::vector<cudaEvent_t> free_;
  std::vector<cudaEvent_t> all_;
};

}  // namespace kvstrata::cuda
