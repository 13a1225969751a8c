// A piece of a trace, decoded once for all instances of a sweep, and the reader that makes it.
#pragma once

#include <kvstrata/simulate/interval_series.hpp>
#include <kvstrata/simulate/sampling.hpp>
#include <kvstrata/simulate/sweep_counts.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What an access costs where its object is not in the cache.
struct access_cost
{
  double recompute_seconds = 0;
  double fetch_seconds = 0;

  /// Of a history of so many tokens, all layers.
  [[nodiscard]] static access_cost of(const cost_model& cost, token_count tokens) noexcept
  {
    return {.recompute_seconds = cost.layers * cost.compute_seconds(token_interval{0, tokens}),
            .fetch_seconds = cost.layers * cost.fetch_seconds(tokens)};
  }
  [[nodiscard]] constexpr double loss_seconds() const noexcept
  {
    return object_info{.recompute_seconds = recompute_seconds, .fetch_seconds = fetch_seconds}.loss_seconds();
  }
};

/// Accesses of one chunk that belong together: [end of the one before, end).
struct sweep_segment
{
  std::size_t end = 0;
  bool counted = true;
  std::size_t interval = 0;  ///< which of the counted intervals

  friend constexpr bool operator==(const sweep_segment&, const sweep_segment&) = default;
};

struct sweep_chunk
{
  std::vector<trace_access> accesses;  ///< those of the sample
  std::vector<access_cost> costs;      ///< [accesses], or empty without a cost model
  std::vector<std::uint8_t> groups;    ///< [accesses] of keys, or empty without sampling
  std::vector<sweep_segment> segments;
  bool in_parts = false;  ///< an access is a later part of its request

  void clear() noexcept
  {
    in_parts = false;
    accesses.clear();
    costs.clear();
    groups.clear();
    segments.clear();
  }
};

/// Reads a source chunk by chunk; keeps what was asked for. The source must outlive it.
template <access_source Source>
class sweep_reader
{
 public:
  /// `cost` may be null; else it must outlive the reader. Throws config_error.
  sweep_reader(Source& source, const interval_options& intervals, const spatial_sample& sample, const cost_model* cost,
               std::size_t chunk_accesses)
      : source_(source),
        clock_(intervals),
        sample_(sample),
        cost_(cost),
        wanted_(chunk_accesses),
        piece_((std::min)(chunk_accesses, most_of_a_piece))
  {
  }

  /// The next chunk into `out`, whose memory is reused: at most a piece longer than was asked for. False at the end of the
  /// trace. Throws what the source throws.
  bool next(sweep_chunk& out)
  {
    out.clear();
    while (out.accesses.size() < wanted_) {
      const std::size_t got = source_.read(std::span(piece_));
      if (got == 0) break;
      for (const trace_access& one : std::span(piece_).first(got)) take(out, one);
    }
    close(out);
    return !out.accesses.empty();
  }

  [[nodiscard]] const sweep_demand& counted() const noexcept { return counted_; }
  [[nodiscard]] const std::vector<trace_interval>& intervals() const noexcept { return intervals_; }
  [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }
  /// Counted requests of the sample.
  [[nodiscard]] std::uint64_t shown() const noexcept { return shown_; }

 private:
  void take(sweep_chunk& out, const trace_access& one)
  {
    ++requests_;
    if (clock_.starts(one.time_ms)) {
      close(out);
      if (clock_.counted()) {
        intervals_.push_back(
            {.first_request = clock_.first_request(), .begin_ms = clock_.begin_ms(), .asked = sweep_demand{}});
      }
    }
    access_cost cost;
    if (cost_ != nullptr) cost = access_cost::of(*cost_, one.tokens);
    if (clock_.counted()) {
      const sweep_demand asked{.requests = 1, .bytes = one.bytes, .seconds = cost.loss_seconds()};
      counted_ += asked;
      intervals_.back().asked += asked;
    }
    if (!sample_.takes_all()) {
      if (!sample_.takes(one.key)) return;
      out.groups.push_back(sample_.group(one.key));
    }
    if (clock_.counted()) ++shown_;
    if (cost_ != nullptr) out.costs.push_back(cost);
    out.in_parts |= one.part != 0;
    out.accesses.push_back(one);
  }

  /// Ends the segment that is open, unless it is empty. The latest interval is the one it belongs to.
  void close(sweep_chunk& out)
  {
    const std::size_t begin = out.segments.empty() ? 0 : out.segments.back().end;
    if (begin == out.accesses.size()) return;
    const bool is_counted = !intervals_.empty();
    out.segments.push_back({out.accesses.size(), is_counted, is_counted ? intervals_.size() - 1 : 0});
  }

  static constexpr std::size_t most_of_a_piece = 4096;

  Source& source_;
  interval_clock clock_;
  spatial_sample sample_;
  const cost_model* cost_;
  std::size_t wanted_;               // accesses in a chunk
  std::vector<trace_access> piece_;  // as the source gives them
  std::uint64_t requests_ = 0;
  std::uint64_t shown_ = 0;
  sweep_demand counted_;
  std::vector<trace_interval> intervals_;
};

}  // namespace kvstrata
