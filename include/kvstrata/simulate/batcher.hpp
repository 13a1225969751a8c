// Forms batches from a stream of requests, as a serving front end does: a batch leaves when it is full or when its
// time is up.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct batcher_options
{
  std::uint32_t batch_size = 8;        ///< requests a batch, those of one user that become one among them
  std::int64_t window_ms = 60 * 1000;  ///< trace time a batch waits for more after its first request
};

/// Throws config_error.
inline void check(const batcher_options& options)
{
  if (options.batch_size == 0) throw config_error("batcher_options.batch_size", 0, "it must be at least 1");
  if (options.window_ms < 1) {
    throw config_error("batcher_options.window_ms", std::to_string(options.window_ms), "it must be at least 1 ms");
  }
}

/// What a batch serves for one user: the latest of the requests it answers.
struct batched_request
{
  trace_request asked;
  std::uint32_t answers = 1;  ///< requests of the stream that share this answer

  friend constexpr bool operator==(const batched_request&, const batched_request&) = default;
};

/// The requests [first, last) of the stream, one entry a user in order of first arrival.
struct trace_batch
{
  std::vector<batched_request> requests;
  std::size_t first = 0;
  std::size_t last = 0;
  std::int64_t closed_ms = 0;  ///< trace time it left: of its last request when full, else when its window ended

  /// Requests that needed no work of their own.
  [[nodiscard]] std::size_t merged() const noexcept { return last - first - requests.size(); }
};

/// Cuts a stream that ascends in time into batches: consecutive requests, so nothing is lost and no user's requests
/// change order. A request joins the open batch when it comes less than window_ms after the batch's first one; if its
/// user is in the batch already, it replaces that entry and both share its answer, as its history holds the other's.
/// A batch of batch_size requests closes at once. The stream must outlive the batcher.
class batcher
{
 public:
  explicit batcher(std::span<const trace_request> stream, const batcher_options& options = {})
      : stream_(stream), options_(options)
  {
    check(options_);
  }

  /// The next batch into `out`, whose memory is reused; false when the stream has ended. O(batch_size^2).
  /// Throws usage_error when the stream goes back in time and history_error when a merged history would shrink; the
  /// batcher then stands where it stood before.
  bool next(trace_batch& out)
  {
    out.requests.clear();
    out.first = out.last = next_;
    if (next_ == stream_.size()) return false;
    const std::int64_t opened_ms = stream_[next_].time_ms;
    constexpr std::int64_t latest_ms = (std::numeric_limits<std::int64_t>::max)();
    std::int64_t closed_ms = opened_ms > latest_ms - options_.window_ms ? latest_ms : opened_ms + options_.window_ms;
    std::size_t k = next_;
    for (; k < stream_.size(); ++k) {
      const trace_request& asked = stream_[k];
      if (k != 0 && asked.time_ms < stream_[k - 1].time_ms) refuse_order(k);
      if (passed_ms(opened_ms, asked.time_ms) >= static_cast<std::uint64_t>(options_.window_ms)) break;
      add(out, asked);
      if (k - next_ + 1 == options_.batch_size) {
        closed_ms = asked.time_ms;
        ++k;
        break;
      }
    }
    next_ = out.last = k;
    out.closed_ms = closed_ms;
    return true;
  }

 private:
  static void add(trace_batch& out, const trace_request& asked)
  {
    const auto same = std::find_if(out.requests.begin(), out.requests.end(),
                                   [&asked](const batched_request& other) { return other.asked.user == asked.user; });
    if (same == out.requests.end()) {
      out.requests.push_back({asked, 1});
      return;
    }
    if (asked.history < same->asked.history) {
      throw history_error("user index " + std::to_string(asked.user) + " asks with " + std::to_string(asked.history) +
                          " events after asking with " + std::to_string(same->asked.history) +
                          "; a history only grows");
    }
    same->asked = asked;
    ++same->answers;
  }

  [[noreturn]] void refuse_order(std::size_t k) const
  {
    throw usage_error("request " + std::to_string(k) + " of the stream is at " + std::to_string(stream_[k].time_ms) +
                      " ms, before the one in front of it at " + std::to_string(stream_[k - 1].time_ms) +
                      " ms; sort the stream by time");
  }

  std::span<const trace_request> stream_;
  batcher_options options_;
  std::size_t next_ = 0;
};

/// All batches of a stream.
[[nodiscard]] inline std::vector<trace_batch> form_batches(std::span<const trace_request> stream,
                                                           const batcher_options& options = {})
{
  std::vector<trace_batch> batches;
  batcher cut(stream, options);
  for (trace_batch batch; cut.next(batch);) batches.push_back(batch);
  return batches;
}

}  // namespace kvstrata
