// The run itself, for one type of cache. Compiled once a cache, in files of their own.
#pragma once

#include "sim/machine_codes.hpp"
#include "sim/machine_run.hpp"

#include <kvstrata/cache/warnings.hpp>
#include <kvstrata/simulate/warm_start.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace sim {

/// Adds a batch's requests to the CSV.
inline void add_rows(std::string& rows, const std::string& start, const kvstrata::served_batch& b)
{
  std::array<char, 320> line{};
  for (const kvstrata::served_request& one : b.requests) {
    const kvstrata::answer_sums& sums = b.answers[one.answer];
    const std::uint64_t tokens = one.asked.parts.empty() ? one.asked.history_tokens : kept_tokens_of(one.asked);
    const int length =
        std::snprintf(line.data(), line.size(), "%llu,%u,%.9g,%.9g,%.9g,%.9g,%u,%u,%u,%u,%d,%zu,%d\n",
                      static_cast<unsigned long long>(to_number(one.asked.user)), static_cast<unsigned>(tokens),
                      one.arrived, b.began, b.ended, b.ended - one.arrived, sums.served[0], sums.served[1],
                      sums.computed, sums.recomputed, sums.unserved ? 1 : 0, b.requests.size(), b.warm_up ? 1 : 0);
    rows += start;
    rows.append(line.data(), static_cast<std::size_t>(length));
  }
}

/// What is as the machine and the point say, and nothing besides.
struct as_described
{
  void operator()(auto&) const {}
};

template <class Cache, class Set = as_described>
machine_result serve_with(const kvstrata::machine_description& m, std::span<const kvstrata::arrival> requests,
                          const machine_load& load, const machine_point& point, const std::string* row_start,
                          const Set& set = {})
{
  using namespace kvstrata;
  const cost_model cost = cost_of(m);
  const tier_bytes memory = bytes_of(point, m);
  emulated_device_config machine = device_of(m);
  machine.share_compute = point.streams > 1;
  emulated_device device(machine);
  typename Cache::config c{.shape = m.model.kv};
  std::get<0>(c.tiers).bytes = memory.device;
  if constexpr (std::tuple_size_v<decltype(c.tiers)> > 1) std::get<1>(c.tiers).bytes = memory.host;
  if constexpr (requires { c.split.cost; }) c.split = {.cost = cost, .candidates = m.model.candidates};
  c.costs = cost;
  set(c);
  Cache cache(device, c);
  serving_simulator sim(device, cache, cost, m.model.candidates, point.streams);

  serving_options options{.load = point.rate > 0 ? serving_load::open_loop : serving_load::closed_loop,
                          .batch_size = point.batch,
                          .warm_up = load.warm_up,
                          .prefetch = load.prefetch};
  if (load.warm_start) {
    // A quarter more than fits: what goes beyond it shows in no cache whose policy is LRU.
    last_requests last;
    const std::size_t past = (std::min)(requests.size(), static_cast<std::size_t>(load.warm_up));
    for (const arrival& one : requests.first(past)) last.add(one.asked);
    for (const request& one : last.youngest((memory.device + memory.host) / m.model.kv.token_bytes() / 4 * 5)) {
      sim.serve({&one, 1});
    }
    requests = requests.subspan(past);
    options.warm_up = 0;
  }
  const double begin = requests.empty() ? 0 : requests.front().seconds;
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<arrival> {
    if (at == requests.size()) return std::nullopt;
    arrival one = requests[at++];
    one.asked.exact = is_exact(at, point.exact_share);
    if (load.warm_start) one.seconds -= begin;
    return one;
  };
  machine_result out;
  out.warnings = warnings_of<Cache>(c);
  if (row_start == nullptr) {
    out.report = sim.run(next, options);
  } else {
    out.report = sim.run(next, options, [&](const served_batch& b) { add_rows(out.rows, *row_start, b); });
  }
  const cache_stats s = cache.stats();
  for (level_index i = 0; i < s.depth; ++i) {
    out.levels.push_back(s.levels[i].name);
    out.raw_pages += s.levels[i].raw_pages;
  }
  for (const auto& stream : device.stats().streams) {
    if (stream.name == "onload decode" || stream.name == "offload encode") out.code_sm_seconds += stream.busy_seconds;
  }
  if constexpr (requires { cache.tracker().read().inexact_tokens; }) {
    out.inexact_tokens = cache.tracker().read().inexact_tokens;
  }
  return out;
}

}  // namespace sim
