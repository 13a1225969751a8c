// Who is served the grid of bench/points_grid_bench.cpp, and what comes of one run.
#pragma once

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/simulate/serving_simulator.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>

namespace bench {

/// A point of the grid.
struct cell
{
  const kvstrata::machine_description* machine = nullptr;
  double host_gib = 0;
  std::uint32_t batch = 0;
  double rate = 0;  ///< requests a second; 0: a closed loop
};

struct outcome
{
  double per_second = 0;
  double mean = 0;  ///< latency, seconds
  double p99 = 0;
  double again = 0;  ///< tokens that a level had and that were computed, as a share of all
  double behind =
      0;  ///< of an open loop: the last answer came so much later than the last request, as a share of the time
  bool saturated = false;  ///< requests came faster than they were answered
};

struct contestant
{
  const char* name;
  outcome (*serve)(const cell& at, std::span<const kvstrata::arrival> requests, std::uint64_t warm_up);
};

/// The first is default_cache, those behind it are what it is held against: `rivals` of them, then others to compare with.
[[nodiscard]] std::span<const contestant> contestants();
inline constexpr std::size_t rivals = 3;

/// What an open loop may fall behind before it counts as saturated: it goes on falling behind, were there more requests.
inline constexpr double tolerated_lag = 0.02;

template <class Cache>
[[nodiscard]] outcome serve_cell(const cell& at, std::span<const kvstrata::arrival> requests, std::uint64_t warm_up)
{
  using namespace kvstrata;
  const machine_description& m = *at.machine;
  const cost_model cost = cost_of(m);
  emulated_device device(device_of(m));
  typename Cache::config c{.shape = m.model.kv};
  std::get<0>(c.tiers).bytes = m.device_bytes;
  std::get<1>(c.tiers).bytes = static_cast<std::uint64_t>(at.host_gib * 0x1p30);
  if constexpr (requires { c.split.cost; }) c.split.cost = cost;
  if constexpr (requires { c.split.candidates; }) c.split.candidates = m.model.candidates;
  c.costs = cost;
  Cache cache(device, c);
  serving_simulator sim(device, cache, cost, m.model.candidates);
  std::size_t next = 0;
  const auto come = [&]() -> std::optional<arrival> {
    return next == requests.size() ? std::nullopt : std::optional(requests[next++]);
  };
  const bool open = at.rate > 0;
  const double begin = device.now();
  const serving_report r = sim.run(
      come,
      {.load = open ? serving_load::open_loop : serving_load::closed_loop, .batch_size = at.batch, .warm_up = warm_up});
  outcome out{.per_second = r.requests_per_second(), .mean = r.mean_latency(), .p99 = r.percentile(0.99)};
  std::uint64_t tokens = r.computed_tokens;
  for (const std::uint64_t level : r.served_tokens) tokens += level;
  if (tokens != 0) out.again = static_cast<double>(r.recomputed_tokens) / static_cast<double>(tokens);
  if (open) {
    const double last = requests.back().seconds;
    out.behind = (device.now() - begin - last) / last;
    out.saturated = out.behind > tolerated_lag;
  }
  return out;
}

}  // namespace bench
