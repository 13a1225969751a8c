// A run as JSON: for --json, and as the data inside the HTML report.
//
// version                 2; grows when a key changes its meaning or goes away. New keys may come at any time.
// machine                 cpu, cores, memory_bytes, compiler
// workload                source, stream, description, users, requests, history_mean, history_p50, history_p90,
//                         history_max, working_set (tokens), notes [sentences]
// settings [ ]            group, name, value, meaning: every option of the run
// break_even              flops_per_second, link_bytes_per_second, bytes_per_element, hidden, tokens (L*, tokens),
//                         fetching_always_wins
// cases [ ]               name, description, requests, batches, seconds, requests_per_second, speed_up (0: unknown),
//                         levels [ ], tokens, latency, onload_bytes, offload_bytes, exposed_transfer_seconds,
//                         control_seconds, over_time [ ], capacity [ ], batch (or null), key, onload_calls,
//                         onload_pieces, offload_calls, offload_pieces, recomputed_tokens, prefetched_tokens,
//                         saved_tokens, displaced_tokens, cleaned_tokens, device_bytes, queue_seconds, next_asked,
//                         next_hits
//   levels [ ]            name (of the tier), dropped_tokens; from the slab down, none without a cache
//   tokens                levels [count, in the order of the case's levels], computed: counts
//   latency               count, mean, p50, p95, p99, max, cdf [[seconds, share]]
//   over_time [ ]         first_request, requests, tokens
//   capacity [ ]          slab_pages, share_of_working_set, tokens
//   batch                 batch, requests, tokens, exposed_seconds, up, relocated, down, spans [ ] of lane, label,
//                         begin, end, kind ("compute", "copy", "stall")
//   up, relocated, down   bytes, calls, pieces
// verification            null, or share, requests, scores, mismatches, max_difference, tolerance, first (null, or
//                         case, user, request, candidate, task, served, recomputed)
//
// Times are seconds, sizes bytes, shares 0 to 1.
#pragma once

#include "replay/results.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace replay {

inline constexpr int json_version = 2;

[[nodiscard]] nlohmann::ordered_json to_json(const results& r);

/// The inverse. Throws kvstrata::config_error for another version and nlohmann::json::exception for a missing key.
[[nodiscard]] results from_json(const nlohmann::ordered_json& document);

/// Writes the document. Throws kvstrata::data_error when the file cannot be written.
void write_json(const results& r, const std::string& path);

}  // namespace replay
