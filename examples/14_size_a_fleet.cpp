// How large a fleet must be: one box of four GPUs that share host memory, an evening hour of users who come in sessions.
//
// The box starts warm: of the two hours before, which it could not hold, only each user's last request is taken in, as far as
// they fit. Then the hour is served with each
// user on a GPU of their own, and with requests sent to where the user is, or to who has least to do. Virtual time: the same
// figures on every machine. A search over boxes and memory: kvstrata-sim machine --target-p99 (docs/guide/capacity.md).
#include <kvstrata/simulate/fleet_simulator.hpp>
#include <kvstrata/simulate/session_traffic.hpp>
#include <kvstrata/simulate/warm_start.hpp>

#include <cstdio>

using namespace kvstrata;

constexpr double hour = 3600;

// Effective figures of an H200 and MTServe's model, as tools/sim/machines/h200_pcie5.machine says them.
machine_description h200()
{
  machine_description m;
  m.name = "H200, PCIe 5";
  m.flops_per_second = 400e12;
  m.to_device = {.bytes_per_second = 53e9, .latency_seconds = 4e-6};
  m.from_device = m.to_device;
  m.model = {.kv = {.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16},
             .hidden = 1024,
             .candidates = 512};
  m.device_bytes = std::uint64_t{100} << 30;  // of each GPU
  m.host_bytes = std::uint64_t{1} << 40;      // of the box
  return m;
}

// The 99th percentile.
template <class Route>
double serve_hour(const char* name)
{
  const fleet_config box{.machine = h200(), .boxes = 1, .gpus = 4};
  fleet_simulator<Route> fleet(box);
  session_traffic traffic({.users = 220'000, .requests_a_day = 30, .from_hour = 20});

  last_requests last;
  arrival next = traffic.next();
  for (; next.seconds < 2 * hour; next = traffic.next()) last.add(next.asked);
  const std::uint64_t bytes = box.machine.host_bytes + box.gpus * box.machine.device_bytes;
  for (const request& past : last.youngest(bytes / box.machine.model.kv.token_bytes())) fleet.take_in(past);

  for (; next.seconds < 3 * hour; next = traffic.next()) {
    next.seconds -= 2 * hour;
    fleet.add(next);
  }
  const fleet_report report = fleet.finish();

  const fleet_stretch sum = report.total();
  std::printf("%-9s %7llu requests, %4.1f %% of the tokens served, mean %5.1f ms, p99 %6.1f ms%s\n", name,
              static_cast<unsigned long long>(report.requests), 100 * sum.hit_share(), 1e3 * sum.latency.mean(),
              1e3 * sum.latency.percentile(0.99), report.saturated() ? ", saturated" : "");
  return sum.latency.percentile(0.99);
}

int main()
{
  const double by_hash = serve_hour<hash_route>("hash");
  const double by_affinity = serve_hour<affinity_route>("affinity");
  return by_affinity < by_hash ? 0 : 1;
}
