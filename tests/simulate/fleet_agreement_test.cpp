// A warm start against the whole past, and a fleet of one GPU against the cache itself, on sessions on an H200.
#include <kvstrata/simulate/fleet_simulator.hpp>

#include "command_line/source_dir.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache/named_caches.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/serving_simulator.hpp>
#include <kvstrata/simulate/session_traffic.hpp>
#include <kvstrata/simulate/warm_start.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace {

using namespace kvstrata;

constexpr std::size_t past = 5000;
constexpr std::size_t counted = 4000;

/// 20 GiB and 64 GiB hold some 250 of 2,000 users.
machine_description h200()
{
  machine_description m = read_machine(tools::source_dir() / "tools" / "sim" / "machines" / "h200_pcie5.machine");
  m.host_bytes = std::uint64_t{64} << 30;
  return m;
}

/// 40 requests a second, in sessions.
std::vector<arrival> requests()
{
  session_traffic traffic(
      {.users = 2000, .requests_a_day = 1500, .session_requests = 6, .gap_seconds = 6, .from_hour = 12});
  std::vector<arrival> out;
  while (out.size() < past + counted) out.push_back(traffic.next());
  return out;
}

struct figures
{
  double slab = 0;  // shares of the tokens
  double arena = 0;
  double again = 0;
  double mean = 0;  // seconds
  double p50 = 0;
  double p99 = 0;
};

figures figures_of(const serving_report& r)
{
  const auto tokens = static_cast<double>(r.served_tokens[0] + r.served_tokens[1] + r.computed_tokens);
  return {static_cast<double>(r.served_tokens[0]) / tokens,
          static_cast<double>(r.served_tokens[1]) / tokens,
          static_cast<double>(r.recomputed_tokens) / tokens,
          r.mean_latency(),
          r.percentile(0.5),
          r.percentile(0.99)};
}

std::vector<request> warming(const machine_description& m, std::span<const arrival> all)
{
  last_requests last;
  for (const arrival& one : all.first(past)) last.add(one.asked);
  return last.youngest((m.device_bytes + m.host_bytes) / m.model.kv.token_bytes() / 4 * 5);
}

figures serve_cache(const machine_description& m, std::span<const arrival> all, bool warm)
{
  const cost_model cost = cost_of(m);
  emulated_device device(device_of(m));
  using cache_type = default_cache<emulated_device>;
  cache_type cache(device, {.shape = m.model.kv,
                            .tiers = {{.bytes = m.device_bytes}, {.bytes = m.host_bytes}},
                            .split = {.cost = cost, .candidates = m.model.candidates},
                            .costs = cost});
  serving_simulator<cache_type> sim(device, cache, cost, m.model.candidates);
  if (warm) {
    for (const request& one : warming(m, all)) sim.serve({&one, 1});
    all = all.subspan(past);
  }
  const double begin = all.front().seconds;
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<arrival> {
    if (at == all.size()) return std::nullopt;
    arrival one = all[at++];
    one.seconds -= begin;
    return one;
  };
  const serving_report r =
      sim.run(next, {.load = serving_load::open_loop, .batch_size = 1, .warm_up = warm ? 0 : past});
  CHECK(r.requests == counted);
  CHECK_FALSE(r.saturated());
  return figures_of(r);
}

figures serve_fleet(const machine_description& m, std::span<const arrival> all)
{
  fleet_simulator<> fleet({.machine = m, .gpus = 1, .batch_size = 1});
  for (const request& one : warming(m, all)) fleet.take_in(one);
  std::vector<double> latencies;
  const auto observe = [&latencies](const fleet_answer& a) { latencies.push_back(a.ended - a.arrived); };
  for (const arrival& one : all.subspan(past)) fleet.add(one, observe);
  const fleet_stretch sum = fleet.finish(observe).total();
  const auto tokens = static_cast<double>(sum.tokens());
  return {static_cast<double>(sum.slab_tokens) / tokens,
          static_cast<double>(sum.arena_tokens) / tokens,
          static_cast<double>(sum.recomputed_tokens) / tokens,
          sum.latency.mean(),
          nearest_rank(latencies, 0.5),
          nearest_rank(latencies, 0.99)};
}

void tell(const char* who, const figures& f)
{
  UNSCOPED_INFO(who << ": slab " << f.slab << ", arena " << f.arena << ", again " << f.again << ", mean " << f.mean
                    << " s, p50 " << f.p50 << " s, p99 " << f.p99 << " s");
}

}  // namespace

TEST_CASE("a warm start serves what a simulated past serves, and a fleet of one GPU what the cache serves",
          "[simulate][fleet][warm]")
{
  const machine_description m = h200();
  const std::vector<arrival> all = requests();
  const figures cold = serve_cache(m, all, false);
  const figures warm = serve_cache(m, all, true);
  const figures fleet = serve_fleet(m, all);
  tell("the whole past", cold);
  tell("a warm start", warm);
  tell("a fleet", fleet);
  CHECK(cold.slab > 0.1);
  CHECK(cold.arena > 0.1);
  CHECK(cold.slab + cold.arena < 0.9);

  // What docs/guide/capacity.md says of both.
  CHECK(std::abs(warm.slab - cold.slab) < 0.001);
  CHECK(std::abs(warm.arena - cold.arena) < 0.001);
  CHECK(warm.mean == Approx(cold.mean).epsilon(0.002));
  CHECK(warm.p50 == Approx(cold.p50).epsilon(0.002));
  CHECK(warm.p99 == Approx(cold.p99).epsilon(0.002));

  CHECK(std::abs(fleet.slab - warm.slab) < 0.005);
  CHECK(std::abs(fleet.arena - warm.arena) < 0.005);
  CHECK(fleet.mean == Approx(warm.mean).epsilon(0.01));
  CHECK(fleet.p50 == Approx(warm.p50).epsilon(0.01));
  CHECK(fleet.p99 == Approx(warm.p99).epsilon(0.01));
}

TEST_CASE("one GPU with its share of users and memory stands for a box of four, routed by hash", "[simulate][fleet]")
{
  const auto run = [](std::uint32_t gpus) {
    machine_description m = h200();
    m.host_bytes *= gpus;
    fleet_simulator<> fleet({.machine = m, .gpus = gpus});
    session_traffic traffic({.users = 2000 * gpus,
                             .requests_a_day = 1500,
                             .session_requests = 6,
                             .gap_seconds = 6,
                             .from_hour = 12,
                             .seed = gpus});
    last_requests last;
    arrival one = traffic.next();
    for (; one.seconds < 150; one = traffic.next()) last.add(one.asked);
    const std::uint64_t bytes = m.host_bytes + gpus * m.device_bytes;
    for (const request& r : last.youngest(bytes / m.model.kv.token_bytes() / 4 * 5)) fleet.take_in(r);
    for (; one.seconds < 750; one = traffic.next()) {
      one.seconds -= 150;
      fleet.add(one);
    }
    return fleet.finish().total();
  };
  const fleet_stretch sample = run(1);
  const fleet_stretch box = run(4);
  INFO("sample: hits " << sample.hit_share() << ", mean " << sample.latency.mean() << " s, p99 "
                       << sample.latency.percentile(0.99) << " s; box: hits " << box.hit_share() << ", mean "
                       << box.latency.mean() << " s, p99 " << box.latency.percentile(0.99) << " s");
  CHECK(static_cast<double>(box.latency.count()) ==
        Approx(4 * static_cast<double>(sample.latency.count())).epsilon(0.05));
  CHECK(std::abs(box.hit_share() - sample.hit_share()) < 0.02);
  CHECK(box.latency.mean() == Approx(sample.latency.mean()).epsilon(0.15));
  CHECK(box.latency.percentile(0.99) == Approx(sample.latency.percentile(0.99)).epsilon(0.15));
}
