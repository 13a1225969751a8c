// What a sweep found, ready to be shown.
#pragma once

#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/interval_series.hpp>
#include <kvstrata/simulate/sweep_counts.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sim {

/// One size of the x axis.
struct step
{
  std::string text;          ///< as it was asked for
  std::uint64_t amount = 0;  ///< objects or bytes
  double share = 0;          ///< of what the trace touches
};

/// One policy at one size.
struct point
{
  kvstrata::sweep_misses missed;  ///< a sample's as it was shown
  kvstrata::miss_ratios miss;     ///< of the trace: a sample's are scaled
  double error = 0;               ///< standard error of miss.requests; 0 without sampling
  std::size_t objects = 0;        ///< at the end
  std::size_t metadata_bytes = 0;
  std::vector<kvstrata::miss_ratios> series;  ///< [intervals]
};

struct curve
{
  std::string policy;
  std::string admission;
  std::string name;           ///< the policy's, and the admission's where it is not always
  bool knows_future = false;  ///< no cache can be as good
  std::vector<point> points;  ///< [steps]
};

struct trace_result
{
  std::string name;
  std::string path;
  kvstrata::footprint touched;
  kvstrata::trace_notes notes;
  bool in_parts = false;  ///< requests have parts, which are of use with all before them only
  kvstrata::sweep_demand counted;
  std::uint64_t warmup_requests = 0;
  std::vector<step> steps;  ///< ascending
  std::vector<kvstrata::trace_interval> intervals;
  std::vector<curve> curves;
  double seconds = 0;  ///< that the sweep took
};

struct results
{
  std::string sizes;     ///< unit, bytes, growing
  double rate = 1;       ///< of the sample
  std::string machine;   ///< that misses are weighed by; empty: none
  std::string interval;  ///< as it was asked for; empty: no series
  std::size_t threads = 1;
  std::vector<trace_result> traces;
};

/// The curve named lru, or null.
[[nodiscard]] const curve* find_curve(const trace_result& t, const std::string& name);

/// How much of the distance from LRU to Belady a curve closes, over the sizes at which there is a distance: the mean of
/// (lru - curve) / (lru - belady) in misses. NaN where either is missing.
[[nodiscard]] double closed_gap(const trace_result& t, const curve& c);

/// "12 %", or nothing where there is no such distance.
[[nodiscard]] std::string gap_text(const trace_result& t, const curve& c);

/// The best of those that do not know the future at a size: an index into curves. Ties: the first.
[[nodiscard]] std::size_t best_at(const trace_result& t, std::size_t step);

/// Of the counted requests, the share that asks for objects larger than the cache at a size; nothing where no curve shows
/// it: an admission policy turns others away, too.
[[nodiscard]] std::optional<double> oversized_share(const trace_result& t, std::size_t step, double rate);

/// What must be said of a trace beside its figures, a sentence each: what a hit is, what was left out, what cannot be right.
[[nodiscard]] std::vector<std::string> trace_sentences(const results& r, const trace_result& t);

/// "1,258 objects" or "12.0 MiB".
[[nodiscard]] std::string amount_text(const results& r, std::uint64_t amount);

}  // namespace sim
