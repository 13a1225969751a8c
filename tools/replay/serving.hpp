// What all cases have in common: what they are given, how they are told to serve, what is written down of them.
#pragma once

#include "replay/sizes.hpp"
#include "replay/workload.hpp"

#include <kvstrata/device/span.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace replay {

/// A request whose scores are kept, to be compared with recomputation.
struct sampled_request
{
  std::size_t batch = 0;
  std::size_t request = 0;  ///< in the batch
};

/// Drawn by the seed; every case is asked for the same ones.
[[nodiscard]] std::vector<sampled_request> draw_sample(const workload& w, double share, std::uint64_t seed);

/// The batch to draw, where its tokens come from as `splits` say of every batch: late in the run, with much to fetch and
/// a little to compute.
[[nodiscard]] std::size_t choose_pictured(const workload& w, const std::vector<token_split>& splits);

/// The same for all cases. Outlives them.
struct serving_context
{
  const workload& load;
  cache_sizes sizes;
  std::size_t first = 0;                     ///< the first batch that is served here: others were in another process
  std::size_t pictured = 0;                  ///< the batch whose spans are kept
  bool traced = false;                       ///< keep everything of that batch: served_case::trace()
  std::vector<sampled_request> sample = {};  ///< ascending
};

/// One cache configuration, ready to serve. Batches are served once each, in order.
class served_case
{
 public:
  virtual ~served_case() = default;

  /// Serves the batches [begin, end) and waits until everything they queued is done. `served` is called after each.
  virtual void serve(std::size_t begin, std::size_t end, const std::function<void()>& served) = 0;

  /// What the pictured batch did, call by call and copy by copy, as a file of the Trace Event Format; empty before the
  /// batch was served, and where the context does not ask for it.
  [[nodiscard]] virtual const std::string& trace() const = 0;

  /// What was measured by now.
  [[nodiscard]] virtual case_result result() const = 0;

  /// A sentence or more on what is below its memories; empty: nothing is.
  [[nodiscard]] virtual std::string remark() const { return {}; }

  /// Scores of the sampled requests served by now, [sample][candidate x task].
  [[nodiscard]] virtual const std::vector<std::vector<float>>& scores() const = 0;
};

/// Writes down what a case does, batch by batch.
class recorder
{
 public:
  explicit recorder(const workload& w) : load_(&w) {}

  void batch(std::size_t number, double seconds, const token_split& tokens);
  void elapsed(double seconds) noexcept { seconds_ += seconds; }
  void control(double seconds) noexcept { control_seconds_ += seconds; }
  void queued(double seconds) noexcept { queue_seconds_ += seconds; }
  void picture(timeline t) { picture_ = std::move(t); }

  /// Everything but bytes, stalls, drops, names and capacity.
  [[nodiscard]] case_result result() const;

 private:
  struct served
  {
    std::size_t number;
    token_split tokens;
  };

  const workload* load_;
  std::vector<served> batches_;
  std::vector<double> latencies_;  // of requests
  double seconds_ = 0;
  double control_seconds_ = 0;
  double queue_seconds_ = 0;
  std::optional<timeline> picture_;
};

/// The spans of a device's trace as a picture whose time begins at `begin`. Copies that belong together become one:
/// those of a layer where the lane "onload" is one transfer, elsewhere those with no gap between.
[[nodiscard]] timeline make_timeline(const workload& w, std::size_t batch, const token_split& tokens,
                                     const std::vector<kvstrata::op_span>& spans, double begin, std::uint32_t layers,
                                     bool one_onload = true);

/// Processor seconds of the calling thread: what it decided, without what it slept.
[[nodiscard]] double thread_seconds() noexcept;

}  // namespace replay
