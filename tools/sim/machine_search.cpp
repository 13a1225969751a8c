#include "sim/machine_search.hpp"

#include "sim/capacity.hpp"
#include "sim/chosen_policy.hpp"
#include "sim/machine_run.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/fleet_simulator.hpp>
#include <kvstrata/simulate/session_traffic.hpp>
#include <kvstrata/simulate/warm_start.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace sim {
namespace {

using namespace kvstrata;

constexpr double day_seconds = 86400;
/// The search looks at the evening first, which has the worst hour; what it finds is run over the whole day.
constexpr double evening_hour = 18;

/// work(0) to work(count - 1) on some threads. Throws what one of them throws first.
void in_parallel(std::size_t count, std::uint32_t threads, const std::function<void(std::size_t)>& work)
{
  const std::size_t cores = (std::max)(1U, std::thread::hardware_concurrency());
  std::atomic<std::size_t> next{0};
  std::exception_ptr fault;
  std::mutex mutex;
  std::vector<std::thread> crew;
  for (std::size_t t = 0; t < (std::min)(threads == 0 ? cores : threads, count); ++t) {
    crew.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) {
        try {
          work(i);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!fault) fault = std::current_exception();
          next = count;
        }
      }
    });
  }
  for (std::thread& one : crew) one.join();
  if (fault) std::rethrow_exception(fault);
}

/// GPUs that are simulated of all: with hash routing those of one link are a sample of the users, as each has its own; where
/// the route looks at a box, a box.
std::uint32_t sampled_gpus(const search_options& o) { return o.routing == "hash" ? o.gpus_a_link : o.gpus; }

/// From the traffic's hour to midnight. The day before fills the fleet: simulate/warm_start.hpp.
template <class Route, class SlabPolicy, class ArenaPolicy>
fleet_report run_with(const fleet_config& fleet, const session_config& users, double stop_seconds)
{
  const double end = 2 * day_seconds - users.from_hour * 3600;
  fleet_simulator<Route, SlabPolicy, ArenaPolicy> simulator(fleet);
  session_traffic traffic(users);
  last_requests last;
  arrival one = traffic.next();
  for (; one.seconds < day_seconds; one = traffic.next()) last.add(one.asked);
  const std::uint64_t bytes = fleet.machine.host_bytes + fleet.gpus * fleet.machine.device_bytes;
  for (const request& asked : last.youngest(bytes / fleet.machine.model.kv.token_bytes() / 4 * 5)) {
    simulator.take_in(asked);
  }
  std::size_t told = 0;
  for (; one.seconds < end; one = traffic.next()) {
    one.seconds -= day_seconds;
    simulator.add(one);
    // An hour that is over and missed the target by far: the point is lost, and its queue may have no end.
    const auto& hours = simulator.report().stretches;
    if (hours.size() > told + 1) {
      if (hours[told].latency.percentile(0.99) > stop_seconds) break;
      ++told;
    }
  }
  return simulator.finish();
}

template <class Route>
fleet_report run_by(const fleet_config& fleet, const session_config& users, const search_options& o)
{
  const double stop = 4 * o.target_seconds();
  if (o.slab_policy == "lru" && o.arena_policy == "lru") return run_with<Route, lru, lru>(fleet, users, stop);
  chosen_policies = {&find_policy(o.slab_policy), &find_policy(o.arena_policy)};
  return run_with<Route, chosen_policy<0>, chosen_policy<1>>(fleet, users, stop);
}

search_point run_point(const machine_description& m, const search_options& o, double host_gib, std::uint32_t boxes,
                       std::uint32_t seeds, double from_hour = 0)
{
  search_point out{.host_gib = host_gib, .boxes = boxes};
  std::vector<double> p99, mean, hits, share, busy;
  for (std::uint32_t s = 0; s < seeds; ++s) {
    const fleet_report r = run_day(m, o, host_gib, boxes, o.seed + s, from_hour);
    const fleet_stretch day = r.total();
    out.requests += r.requests;
    if (r.saturated()) ++out.saturated;
    p99.push_back(r.worst_percentile(0.99));
    mean.push_back(day.latency.mean());
    share.push_back(day.hit_share());
    hits.push_back(static_cast<double>(day.hits) / static_cast<double>((std::max)(r.requests, std::uint64_t{1})) *
                   o.rate);
    double most = 0;
    for (const fleet_stretch& hour : r.stretches) most = (std::max)(most, hour.busy_seconds);
    busy.push_back(most / 3600 / sampled_gpus(o));
  }
  out.p99 = interval_of(p99);
  out.mean = interval_of(mean);
  out.hits = interval_of(hits);
  out.hit_share = interval_of(share);
  out.busy = interval_of(busy);
  out.kept = out.saturated == 0 && out.p99.mean <= o.target_seconds();
  return out;
}

/// The fewest boxes that keep the target with so much memory each. From many to few: who serves fewer users is sooner done.
search_point least_boxes(const machine_description& m, const search_options& o, double host_gib)
{
  const auto keeps = [&](std::uint32_t boxes) { return run_point(m, o, host_gib, boxes, 1, evening_hour).kept; };
  std::uint32_t enough = o.most_boxes;
  std::uint32_t less = enough / 2;
  while (less >= 1 && keeps(less)) {
    enough = less;
    less /= 2;
  }
  while (enough - less > 1) {
    const std::uint32_t middle = less + (enough - less) / 2;
    if (keeps(middle)) enough = middle;
    else less = middle;
  }
  // One seed's evening was looked at so far; the mean of all seeds' days decides.
  search_point found = run_point(m, o, host_gib, enough, o.seeds);
  while (!found.kept && enough < o.most_boxes) found = run_point(m, o, host_gib, ++enough, o.seeds);
  return found;
}

}  // namespace

double search_options::target_seconds() const
{
  stretch time;
  try {
    time = read_stretch("--target-p99", target);
  } catch (const config_error&) {  // it would speak of requests, too
  }
  if (time.ms == 0) {
    throw config_error("--target-p99", "'" + target + "'", "it must be a time of at least 1 ms, such as 50ms");
  }
  return static_cast<double>(time.ms) / 1e3;
}

void check(const search_options& o)
{
  static_cast<void>(o.target_seconds());
  const auto within = [](const char* option, double value, double least, double most) {
    if (value >= least && value <= most) return;
    const auto shown = [](double number) {
      std::string text = std::to_string(number);
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
      return text;
    };
    throw config_error(option, shown(value), "it must lie between " + shown(least) + " and " + shown(most));
  };
  within("--rate", o.rate, 1e-3, 1e9);
  within("--users", static_cast<double>(o.users), 1, 1e12);
  within("--session-requests", o.session_requests, 1, 1e4);
  within("--session-gap", o.gap_seconds, 0, 3600);
  within("--gpus", o.gpus, 1, 64);
  within("--gpus-a-link", o.gpus_a_link, 1, o.gpus);
  if (o.gpus % o.gpus_a_link != 0) {
    throw config_error("--gpus-a-link", o.gpus_a_link,
                       "it must divide the " + std::to_string(o.gpus) + " GPUs of a box");
  }
  within("--most-boxes", o.most_boxes, 1, 4096);
  within("--batch", o.batch, 1, 4096);
  within("--seeds", o.seeds, 1, 100);
  if (o.routing != "hash" && o.routing != "affinity") {
    throw config_error("--routing", "'" + o.routing + "'", "it must be hash or affinity");
  }
  check(machine_point{.slab_policy = o.slab_policy, .arena_policy = o.arena_policy});
  if (o.host_gib.empty()) throw config_error("--host-gib", "empty", "at least one must be given");
  for (const double gib : o.host_gib) within("--host-gib", gib, 0, 1e6);
  within("--rate over --users, in requests a day of a user", o.requests_a_day(), 1e-3, 1e5);
  check_history_scale(o.history_scale);
  const double share = static_cast<double>(o.users) * sampled_gpus(o) / (1.0 * o.gpus * o.most_boxes);
  if (share < 1) {
    throw config_error("--users", o.users, "so many boxes as --most-boxes says would have less than one user a GPU");
  }
  if (share > 1e8) throw config_error("--users", o.users, "it may be at most 100 million for the GPUs of a link");
}

fleet_report run_day(const machine_description& m, const search_options& o, double host_gib, std::uint32_t boxes,
                     std::uint64_t seed, double from_hour)
{
  const std::uint32_t gpus = sampled_gpus(o);
  const double share = gpus / (1.0 * o.gpus * boxes);
  fleet_config fleet{.machine = m, .boxes = 1, .gpus = gpus, .gpus_a_link = o.gpus_a_link, .batch_size = o.batch};
  fleet.machine.host_bytes = static_cast<std::uint64_t>(host_gib * 0x1p30 * gpus / o.gpus);
  const session_config users{
      .users = static_cast<std::uint32_t>((std::max)(1.0, std::round(static_cast<double>(o.users) * share))),
      .requests_a_day = o.requests_a_day(),
      .session_requests = o.session_requests,
      .gap_seconds = o.gap_seconds,
      .from_hour = from_hour,
      .history_scale = o.history_scale,
      .event_tokens = o.event_tokens,
      .longest = o.longest,
      .seed = seed};
  return o.routing == "hash" ? run_by<hash_route>(fleet, users, o) : run_by<affinity_route>(fleet, users, o);
}

search_result search(const machine_description& m, const search_options& o)
{
  check(o);
  search_result out;
  out.least.resize(o.host_gib.size());
  in_parallel(o.host_gib.size(), o.threads, [&](std::size_t i) { out.least[i] = least_boxes(m, o, o.host_gib[i]); });
  for (const search_point& one : out.least) {
    if (!one.kept) continue;
    if (!out.answer || one.boxes < out.answer->boxes ||
        (one.boxes == out.answer->boxes && one.host_gib < out.answer->host_gib)) {
      out.answer = one;
    }
  }
  if (!out.answer) return out;
  out.curve.resize(o.host_gib.size());
  in_parallel(o.host_gib.size(), o.threads, [&](std::size_t i) {
    const bool there = out.least[i].boxes == out.answer->boxes;
    out.curve[i] = there ? out.least[i] : run_point(m, o, o.host_gib[i], out.answer->boxes, o.seeds);
  });
  return out;
}

}  // namespace sim
