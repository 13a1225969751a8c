// What a replay measured, as plain data: the runner fills it, table, json and report show it.
#pragma once

#include "replay/agreement.hpp"
#include "replay/break_even.hpp"
#include "replay/statistics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace replay {

/// Where the figures were taken.
struct machine_facts
{
  std::string cpu;
  unsigned cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string compiler;
  friend bool operator==(const machine_facts&, const machine_facts&) = default;
};

/// What was served. All cases of a run serve the same requests.
struct workload_facts
{
  std::string source;       ///< a file, or "synthetic"
  std::string stream;       ///< "session", "interaction", ...
  std::string description;  ///< one sentence for a stranger
  std::uint64_t users = 0;
  std::uint64_t requests = 0;
  double history_mean = 0;         ///< tokens a request's history has
  std::uint64_t history_p50 = 0;   ///< tokens
  std::uint64_t history_p90 = 0;   ///< tokens
  std::uint64_t history_max = 0;   ///< tokens
  std::uint64_t working_set = 0;   ///< tokens of all users at the end: what a cache without limits would hold
  std::vector<std::string> notes;  ///< sentences: what was scaled, drawn or left out
  friend bool operator==(const workload_facts&, const workload_facts&) = default;
};

/// One option of the run as a reader wants to see it.
struct setting
{
  std::string group;  ///< "workload", "model", "cache", "link", "run"
  std::string name;   ///< as on the command line
  std::string value;
  std::string meaning;
  friend bool operator==(const setting&, const setting&) = default;
};

/// The split of tokens over consecutive requests [first_request, first_request + requests).
struct split_bucket
{
  std::uint64_t first_request = 0;
  std::uint64_t requests = 0;
  token_split tokens;
  friend bool operator==(const split_bucket&, const split_bucket&) = default;
};

/// The split one cache type reaches on this workload with another size of slab.
struct capacity_point
{
  std::uint64_t slab_pages = 0;
  double share_of_working_set = 0;  ///< the slab's tokens / workload_facts::working_set
  token_split tokens;
  friend bool operator==(const capacity_point&, const capacity_point&) = default;
};

/// What a span of a stream was spent on.
enum class work_kind : std::uint8_t {
  compute,  ///< the model
  copy,     ///< bytes on their way, by a copy or by a kernel that copies
  stall,    ///< nothing: what comes next waits for another stream
};

/// Something that occupied a stream. Seconds since the batch began.
struct span_of_work
{
  std::string lane;   ///< the stream: "onload", "compute", "offload"
  std::string label;  ///< what ran, for people: "layer 3"
  double begin = 0;
  double end = 0;
  work_kind kind = work_kind::compute;
  friend bool operator==(const span_of_work&, const span_of_work&) = default;
};

/// Bytes that were moved, and in how many parts.
struct moved
{
  std::uint64_t bytes = 0;
  std::uint64_t calls = 0;   ///< copies, batches of copies and kernels that copy
  std::uint64_t pieces = 0;  ///< contiguous parts that these calls named
  friend bool operator==(const moved&, const moved&) = default;
};

/// One batch on its streams. Every case shows the same batch of the workload.
struct timeline
{
  std::uint64_t batch = 0;
  std::uint64_t requests = 0;
  token_split tokens;
  std::vector<span_of_work> spans;
  double exposed_seconds = 0;  ///< time the compute stream or the host stood still for a copy
  moved up;                    ///< onloaded
  moved relocated;             ///< from the onload window to pages
  moved down;                  ///< offloaded
  friend bool operator==(const timeline&, const timeline&) = default;
};

/// A level of a case's cache.
struct level_result
{
  std::string name;                  ///< of its tier
  std::uint64_t dropped_tokens = 0;  ///< evicted from it without being in another level
  friend bool operator==(const level_result&, const level_result&) = default;
};

/// One cache configuration over the whole workload.
struct case_result
{
  std::string key;  ///< on the command line
  std::string name;
  std::string description;  ///< one sentence for a stranger
  std::uint64_t requests = 0;
  std::uint64_t batches = 0;
  std::vector<level_result> levels;  ///< from the slab down; none without a cache
  token_split tokens;
  latency_summary latency;  ///< of requests: from their batch's start to its end
  double seconds = 0;       ///< all batches, one after the other
  double requests_per_second = 0;
  std::uint64_t onload_bytes = 0;
  std::uint64_t offload_bytes = 0;
  std::uint64_t onload_calls = 0;       ///< see moved
  std::uint64_t onload_pieces = 0;      ///< see moved
  std::uint64_t offload_calls = 0;      ///< see moved
  std::uint64_t offload_pieces = 0;     ///< see moved
  double exposed_transfer_seconds = 0;  ///< time the compute stream or the host stood still for a copy
  std::uint64_t recomputed_tokens = 0;  ///< computed although a level had them, because that is quicker
  std::uint64_t prefetched_tokens = 0;  ///< fetched ahead of their request
  std::uint64_t saved_tokens = 0;       ///< of these, how many their request then read
  std::uint64_t staged_tokens = 0;      ///< that came from a store into the last memory, where their request read them
  std::uint64_t displaced_tokens = 0;   ///< of others, that left the slab for them
  std::uint64_t cleaned_tokens = 0;     ///< written down ahead of need
  std::uint64_t device_bytes = 0;       ///< device memory for keys and values, a window included
  double control_seconds = 0;           ///< processor time of the host in prepare, commit and release
  double queue_seconds = 0;             ///< of the host, from a batch's start until all of it is queued
  std::uint64_t next_asked = 0;         ///< requests whose next item is known, and was asked for
  std::uint64_t next_hits = 0;          ///< of these, how many have it among the model's best ten
  double speed_up = 0;                  ///< seconds of "no cache" / seconds; 0 when "no cache" did not run
  std::vector<split_bucket> over_time;
  std::uint64_t inexact_tokens = 0;  ///< cached, but not exact, and computed again for a request that wants no others
  std::vector<capacity_point> capacity;
  std::optional<timeline> batch;
  std::optional<score_agreement> agreement;  ///< with recomputation; absent where no arena keeps codes, or unverified
  friend bool operator==(const case_result&, const case_result&) = default;
};

/// The first score that differed from recomputation.
struct score_difference
{
  std::string case_name;
  std::uint64_t user = 0;
  std::uint64_t request = 0;  ///< position in the workload, from 0
  std::uint64_t candidate = 0;
  std::uint64_t task = 0;
  double served = 0;
  double recomputed = 0;
  friend bool operator==(const score_difference&, const score_difference&) = default;
};

/// Answers from the cache against answers recomputed without one.
struct verification
{
  double share = 0;              ///< of the requests that were asked to be checked
  std::uint64_t requests = 0;    ///< request answers compared, summed over cases
  std::uint64_t scores = 0;      ///< scores compared
  std::uint64_t mismatches = 0;  ///< scores further apart than the tolerance
  double max_difference = 0;
  double tolerance = 0;
  std::optional<score_difference> first;
  friend bool operator==(const verification&, const verification&) = default;
};

/// A whole run.
struct results
{
  machine_facts machine;
  workload_facts workload;
  std::vector<setting> settings;
  break_even balance;
  std::vector<case_result> cases;
  std::optional<verification> verified;  ///< absent when the run was not asked to verify
  friend bool operator==(const results&, const results&) = default;
};

/// The case a reader came for: "default_cache", or the fastest, or nullptr when there is none.
[[nodiscard]] inline const case_result* highlighted(const results& r)
{
  const case_result* best = nullptr;
  for (const case_result& c : r.cases) {
    if (c.name == "default_cache") return &c;
    if (best == nullptr || c.speed_up > best->speed_up) best = &c;
  }
  return best;
}

/// What the levels of the run's caches are called, from the slab down; of cases that differ in a level, as the first
/// says.
[[nodiscard]] inline std::vector<std::string> level_names(const results& r)
{
  std::vector<std::string> names;
  for (const case_result& c : r.cases) {
    for (std::size_t i = names.size(); i < c.levels.size(); ++i) names.push_back(c.levels[i].name);
  }
  return names;
}

[[nodiscard]] inline const case_result* find_case(const results& r, const std::string& name)
{
  for (const case_result& c : r.cases) {
    if (c.name == name) return &c;
  }
  return nullptr;
}

}  // namespace replay
