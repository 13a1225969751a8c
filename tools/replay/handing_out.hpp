// Which of several processes serves which request of a workload: decided by a router before they run, request by request, from what the parent
// knows of each then. Nothing is asked of the processes, so the same workload and router give the same parts.
//
//   round   a batch of the workload: its requests are there at once
//   hit     the share of the user's tokens that the process has seen last, now or in a round before. The book forgets nobody: whom a process
//           has evicted comes out of the cluster there
//   load    requests of this round that the process has been given; 1 is its even share of the round
//   time    in tokens, as only ratios count: what it was given of this round and has not seen, and what it has not seen of this request
#pragma once

#include "replay/workload.hpp"

#include <kvstrata/core/ids.hpp>
#include <kvstrata/routing/concepts.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace replay {

/// The process of each request, [batch][request], below `processes`. O(requests x processes).
template <kvstrata::router Router>
[[nodiscard]] std::vector<std::vector<std::uint32_t>> hand_out(const workload& load, std::uint32_t processes,
                                                               const Router& route)
{
  struct known_process
  {
    boost::unordered_flat_map<kvstrata::user_id, kvstrata::token_count> seen;
    double requests = 0;  // of this round
    double tokens = 0;
  };
  std::vector<known_process> book(processes);
  std::vector<kvstrata::node_summary> nodes;
  for (std::uint64_t p = 0; p < processes; ++p) nodes.push_back({.id = p + 1});
  std::vector<std::vector<std::uint32_t>> out;
  for (const served_batch& batch : load.batches) {
    for (known_process& one : book) one.requests = one.tokens = 0;
    const double even = static_cast<double>(batch.requests.size()) / processes;
    std::vector<std::uint32_t>& round = out.emplace_back();
    for (const served_request& asked : batch.requests) {
      for (std::size_t p = 0; p < processes; ++p) {
        const auto found = book[p].seen.find(asked.user);
        const double seen = found == book[p].seen.end() ? 0 : (std::min)(found->second, asked.tokens);
        nodes[p].hit = asked.tokens == 0 ? 0 : seen / asked.tokens;
        nodes[p].load = book[p].requests / even;
        nodes[p].waiting_seconds = book[p].tokens;
        nodes[p].work_seconds = asked.tokens - seen;
      }
      const std::size_t to = route(kvstrata::routed_request{.user = asked.user, .number = asked.number}, nodes);
      book[to].requests += 1;
      book[to].tokens += nodes[to].work_seconds;
      book[to].seen[asked.user] = asked.tokens;
      round.push_back(static_cast<std::uint32_t>(to));
    }
  }
  return out;
}

/// The requests that this process was given, in their order and their batches; batches without any are left out.
[[nodiscard]] inline workload part_of(const workload& load, const std::vector<std::vector<std::uint32_t>>& given,
                                      std::uint32_t process)
{
  workload out = load;
  for (std::size_t b = 0; b < out.batches.size(); ++b) {
    auto& requests = out.batches[b].requests;
    std::size_t kept = 0;
    for (std::size_t r = 0; r < requests.size(); ++r) {
      if (given[b][r] != process) continue;
      if (kept != r) requests[kept] = std::move(requests[r]);
      ++kept;
    }
    requests.resize(kept);
  }
  std::erase_if(out.batches, [](const served_batch& b) { return b.requests.empty(); });
  return out;
}

}  // namespace replay
