// A serving_simulator's workers, each with a compute stream and the batch that is on it, and what a run adds up.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/simulate/serving_observer.hpp>
#include <kvstrata/simulate/serving_report.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

struct serving_worker
{
  stream_id compute{};
  bool busy = false;
  bool warm_up = false;               // the batch is not reported
  bool looked_on = false;             // somebody wants its sums
  event done;                         // of the batch
  double began = 0;                   // and when it was taken
  std::size_t latencies = 0;          // where the report has room for its
  std::vector<served_request> asked;  // that the batch answers
  std::vector<answer_sums> sums;      // by the batch's users, where somebody looks on
};

/// At least one worker.
class serving_crew
{
 public:
  /// Throws config_error.
  serving_crew(emulated_device& device, std::uint32_t streams) : device_(&device)
  {
    if (streams == 0)
      throw config_error("serving_simulator.streams", 0, "somebody must compute: it must be at least 1");
    all_.resize(streams);
    for (std::uint32_t i = 0; i < streams; ++i) {
      all_[i].compute = device.create_stream(streams == 1 ? "compute" : "compute " + std::to_string(i));
    }
  }

  [[nodiscard]] const std::vector<serving_worker>& all() const noexcept { return all_; }
  [[nodiscard]] serving_worker& first() noexcept { return all_.front(); }
  [[nodiscard]] std::uint32_t number_of(const serving_worker& one) const noexcept
  {
    return static_cast<std::uint32_t>(&one - all_.data());
  }

  /// The first who has nothing to do; null where all have.
  [[nodiscard]] serving_worker* free_one() noexcept
  {
    const auto found = std::find_if(all_.begin(), all_.end(), [](const serving_worker& one) { return !one.busy; });
    return found == all_.end() ? nullptr : &*found;
  }
  [[nodiscard]] bool is_free() const noexcept
  {
    return std::none_of(all_.begin(), all_.end(), [](const serving_worker& one) { return one.busy; });
  }

  /// Waits in virtual time until one has done its batch, but not beyond `until`: that one, who is free now; null where
  /// time is over first.
  [[nodiscard]] serving_worker* next_done(double until)
  {
    points_.clear();
    busy_.clear();
    for (serving_worker& one : all_) {
      if (!one.busy) continue;
      points_.push_back(one.done);
      busy_.push_back(&one);
    }
    const std::optional<std::size_t> found = device_->wait_any_sync(points_, until);
    if (!found) return nullptr;
    busy_[*found]->busy = false;
    return busy_[*found];
  }

  /// What was begun is nobody's any more: a run was broken off.
  void forget() noexcept
  {
    for (serving_worker& one : all_) one.busy = false;
  }

 private:
  emulated_device* device_;
  std::vector<serving_worker> all_;
  std::vector<event> points_;  // of those who are busy
  std::vector<serving_worker*> busy_;
};

/// Everything that only grows.
struct serving_mark
{
  double seconds = 0;
  double stalled = 0;
  std::uint64_t batches = 0;
  std::uint64_t unserved = 0;
  by_level<std::uint64_t> served{};
  std::uint64_t computed = 0;
  std::uint64_t recomputed = 0;
  part_counts parts{};
  std::uint64_t dropped = 0;
  std::uint64_t up = 0;
  std::uint64_t down = 0;

  static void report(serving_report& out, const serving_mark& from, const serving_mark& to)
  {
    out.requests = out.latencies.size();
    out.batches = to.batches - from.batches;
    out.unserved = to.unserved - from.unserved;
    out.seconds = to.seconds - from.seconds;
    out.stalled_seconds = to.stalled - from.stalled;
    for (level_index i = 0; i < most_levels; ++i) out.served_tokens[i] = to.served[i] - from.served[i];
    out.computed_tokens = to.computed - from.computed;
    out.recomputed_tokens = to.recomputed - from.recomputed;
    out.parts = to.parts;
    out.parts -= from.parts;
    out.dropped_tokens = to.dropped - from.dropped;
    out.onload_bytes = to.up - from.up;
    out.offload_bytes = to.down - from.down;
  }
};

[[nodiscard]] inline double checked_arrival(double seconds, double before)
{
  if (seconds >= before && std::isfinite(seconds)) return seconds;
  if (seconds >= 0 && seconds < before) {
    throw usage_error("the arrivals go back in time, from " + std::to_string(before) + " s to " +
                      std::to_string(seconds) + " s; sort them");
  }
  throw usage_error("a request arrives at " + std::to_string(seconds) +
                    " s, but it must be a finite number, at least 0");
}

}  // namespace kvstrata::detail
