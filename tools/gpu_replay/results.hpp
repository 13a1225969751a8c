// What a run on a GPU measured beyond what every replay does, as plain data.
#pragma once

#include "replay/results.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gpu_replay {

/// What the machine gives at best, measured in the same run: what figures are held against. All a second.
struct ceilings
{
  double to_device = 0;    ///< bytes of one large copy out of pinned memory
  double from_device = 0;  ///< bytes of one large copy into pinned memory
  double on_device = 0;    ///< bytes read and written by one large copy within device memory
  double product = 0;      ///< floating-point operations of one large bf16 product
};

enum class step_kind : std::uint8_t {
  slab_hit,   ///< the history is in the slab
  arena_hit,  ///< it is in the arena
  miss,       ///< it is nowhere: computed, kept and written down
  no_cache,   ///< computed and forgotten
};

[[nodiscard]] constexpr const char* name_of(step_kind kind) noexcept
{
  switch (kind) {
    case step_kind::slab_hit: return "slab hit";
    case step_kind::arena_hit: return "arena hit";
    case step_kind::miss: return "miss";
    case step_kind::no_cache: return "no cache";
  }
  return "unknown";
}

/// One batch of requests of one length, from the call of prepare until its scores are there.
struct step_result
{
  step_kind kind = step_kind::slab_hit;
  std::uint32_t requests = 0;
  std::uint32_t tokens = 0;      ///< of each history, new ones included
  std::uint32_t new_tokens = 0;  ///< of these, what every step computes
  double seconds = 0;            ///< median
  double least = 0, most = 0;
  double queue_seconds = 0;  ///< of the host, until all is queued; median
  double bytes = 0;          ///< device memory that must be read at least: keys and values, weights
  double flops = 0;
  double link_bytes = 0;  ///< fetched from the arena
  /// What the ceilings allow: bytes / on_device + flops / product, or the fetch where that takes longer.
  double needed = 0;
  double roofline = 0;  ///< the longest of these three: all at once

  [[nodiscard]] double ratio() const noexcept { return needed > 0 ? seconds / needed : 0; }
  [[nodiscard]] double roofline_ratio() const noexcept { return roofline > 0 ? seconds / roofline : 0; }
};

/// How far served answers lie from recomputed ones: norms of differences by norms of answers.
struct agreement
{
  std::uint64_t requests = 0;
  double mean = 0;
  double largest = 0;
  double bound = 0;          ///< beyond this an answer counts as wrong
  std::uint64_t beyond = 0;  ///< answers that are, or that hold what is no number
  std::string first;         ///< which was the first of them
};

/// A case of which only every n-th batch was served. In its replay::case_result, `seconds` and `speed_up` are scaled to all
/// batches; everything else is of the batches served.
struct sampled_case
{
  std::string name;
  std::uint64_t one_batch_of = 1;  ///< n
  double seconds = 0;              ///< that the batches served took
};

struct results
{
  replay::results run;    ///< `cases` may be empty
  bool measured = false;  ///< by a GPU; else figures are those of emulated kernels, and say nothing about speed
  std::vector<std::pair<std::string, std::string>> facts;  ///< of the machine: name, value
  ceilings best;
  std::vector<step_result> steps;
  std::vector<sampled_case> sampled;
  std::optional<agreement> verified;
  double startup_seconds = 0;  ///< until the model was on the device
};

/// Of one case, 0 where it took no time. Tokens of a sample are held against the time of the sample.
[[nodiscard]] inline double tokens_per_second(const results& r, const replay::case_result& c)
{
  double seconds = c.seconds;
  for (const sampled_case& s : r.sampled) {
    if (s.name == c.name) seconds = s.seconds;
  }
  return seconds > 0 ? static_cast<double>(c.tokens.total()) / seconds : 0;
}

}  // namespace gpu_replay
