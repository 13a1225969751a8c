// One cache among the many that a sweep runs through a trace: a policy, an admission policy, a size.
#pragma once

#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/sweep_chunk.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The type is forgotten a chunk at a time, so it costs an access nothing. Not synchronised; two instances share nothing.
class sweep_instance
{
 public:
  virtual ~sweep_instance() = default;

  /// Replays a chunk. May throw what the policy throws; the instance is of no use then.
  virtual void run(const sweep_chunk& chunk) = 0;

  /// Bytes that objects and index take now.
  [[nodiscard]] virtual std::size_t metadata_bytes() const noexcept = 0;
  [[nodiscard]] virtual std::size_t objects() const noexcept = 0;

  /// What was missed after the warm-up, as shown: a sample's are not scaled.
  [[nodiscard]] const sweep_misses& misses() const noexcept { return misses_; }
  /// The same by counted interval; those at the end without requests may be left out.
  [[nodiscard]] std::span<const sweep_misses> series() const noexcept { return series_; }
  /// The standard error of the misses as a share of so many requests, as far as a sample of this rate shows it
  /// (simulate/sampling.hpp); 0 without sampling.
  [[nodiscard]] virtual double error(double rate, std::uint64_t requests) const noexcept
  {
    return sampling_error(groups_, rate, requests);
  }

 protected:
  sweep_instance() = default;
  sweep_instance(const sweep_instance&) = default;
  sweep_instance& operator=(const sweep_instance&) = default;

  void count(const sweep_segment& segment, const sweep_misses& missed)
  {
    if (!segment.counted) return;
    misses_ += missed;
    if (series_.size() <= segment.interval) series_.resize(segment.interval + 1);
    series_[segment.interval] += missed;
  }
  void count_group(std::uint8_t group) noexcept { ++groups_[group]; }
  void copy_counts(const sweep_instance& from) { *this = from; }

 private:
  sweep_misses misses_;
  std::vector<sweep_misses> series_;
  std::array<std::uint64_t, spatial_sample::groups> groups_{};
};

template <replacement_policy Policy, admission_policy Admission = always, object_size Size = object_size::unit>
class sweep_instance_of final : public sweep_instance
{
 public:
  /// `size` is that of this cache: a sampled one is given the scaled size.
  explicit sweep_instance_of(const tier_size& size) : cache_(size) {}
  sweep_instance_of(const tier_size& size, Admission admission) : cache_(size, std::move(admission)) {}

  void run(const sweep_chunk& chunk) override
  {
    const bool plain = chunk.costs.empty() && chunk.groups.empty() && !chunk.in_parts;
    std::size_t at = 0;
    for (const sweep_segment& segment : chunk.segments) {
      const std::size_t begin = std::exchange(at, segment.end);
      count(segment,
            plain ? run_plain(std::span(chunk.accesses).subspan(begin, at - begin)) : run_all(chunk, begin, segment));
    }
  }

  [[nodiscard]] std::size_t metadata_bytes() const noexcept override { return cache_.metadata_bytes(); }
  [[nodiscard]] std::size_t objects() const noexcept override { return cache_.objects(); }

 private:
  static void add(sweep_misses& missed, const trace_access& asked, access_outcome outcome) noexcept
  {
    ++missed.requests;
    missed.bytes += asked.bytes;
    missed.bypassed += outcome == access_outcome::bypassed ? 1U : 0U;
  }

  /// Of what was hit, the bytes that were not there: it was smaller when it came in, or has grown since.
  [[nodiscard]] std::uint64_t absent_bytes(const trace_access& asked) const noexcept
  {
    if constexpr (Size == object_size::unit) return 0;
    else return asked.bytes > cache_.hit_bytes() ? asked.bytes - cache_.hit_bytes() : 0;
  }
  /// Between two chunks the other caches push this one out of the memories next to the core.
  void look_ahead(std::span<const trace_access> accesses, std::size_t k) const noexcept
  {
    constexpr std::size_t to_index = 12;
    constexpr std::size_t to_object = 6;
    if (k + to_index >= accesses.size()) return;
    cache_.prefetch_index(accesses[k + to_index].key);
    cache_.prefetch_object(accesses[k + to_object].key);
  }

  sweep_misses run_plain(std::span<const trace_access> accesses)
  {
    sweep_misses missed;
    access_outcome outcome = access_outcome::hit;
    for (std::size_t k = 0; k != accesses.size(); ++k) {
      look_ahead(accesses, k);
      const trace_access& asked = accesses[k];
      outcome = cache_.request(asked);
      if (outcome != access_outcome::hit) add(missed, asked, outcome);
      else missed.bytes += absent_bytes(asked);
    }
    if (!accesses.empty()) whole_ = outcome == access_outcome::hit;
    return missed;
  }

  sweep_misses run_all(const sweep_chunk& chunk, std::size_t begin, const sweep_segment& segment)
  {
    sweep_misses missed;
    for (std::size_t k = begin; k != segment.end; ++k) {
      const trace_access& asked = chunk.accesses[k];
      const access_cost cost = chunk.costs.empty() ? access_cost{} : chunk.costs[k];
      const access_outcome outcome = cache_.request(object_info{.user = user_id{asked.key},
                                                                .bytes = Size == object_size::unit ? 1 : asked.bytes,
                                                                .tokens = asked.tokens,
                                                                .time_ms = asked.time_ms,
                                                                .recompute_seconds = cost.recompute_seconds,
                                                                .fetch_seconds = cost.fetch_seconds,
                                                                .hint = {.next_request = asked.next_request}});
      const bool is_hit = outcome == access_outcome::hit;
      whole_ = is_hit && (asked.part == 0 || whole_);
      if (is_hit) {
        missed.unusable += whole_ ? 0U : 1U;
        if (const std::uint64_t absent = absent_bytes(asked); absent != 0) {
          missed.bytes += absent;
          missed.seconds += cost.loss_seconds() * (static_cast<double>(absent) / static_cast<double>(asked.bytes));
        }
        continue;
      }
      add(missed, asked, outcome);
      missed.seconds += cost.loss_seconds();
      if (!chunk.groups.empty() && segment.counted) count_group(chunk.groups[k]);
    }
    return missed;
  }

  object_cache<Policy, Admission, Size> cache_;
  bool whole_ = true;  // the parts so far of the request at hand were all there
};

}  // namespace kvstrata
