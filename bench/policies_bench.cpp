// What the replacement policies cost beside others, in pairs in one process: time against LRU in thirty lines of
// Boost.Intrusive (support/intrusive_lru.hpp), heap bytes an object, and the requests a second of a sweep. The last
// lines are `TARGET name value wanted met|short stream`: lru, fifo, clock, sieve, slru, two_q and arc at most 1.1 times
// the time of those thirty lines and 64 bytes an object, what two_q and arc remember of who left included, at 1 and 10 %
// of the objects; locality, where most requests miss, at most 0.7 of what it once took beside a plain LRU of the
// standard library. Where libCacheSim can be had (support/libcachesim.hpp), beside it: lru, fifo, clock and sieve 2.0
// times as fast, arc 1.6.
//
//   policies_bench [--rounds N] [--length N] [--only NAME]
#include "support/entrants.hpp"
#include "support/intrusive_lru.hpp"
#include "support/libcachesim.hpp"
#include "support/paired.hpp"
#include "support/speed_traces.hpp"
#include "support/target.hpp"

#include <kvstrata/simulate/sweep.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;

struct options
{
  int rounds = 9;
  std::size_t length = 1'000'000;
  std::string only;
};

constexpr std::string_view lean_ones[] = {"lru", "fifo", "clock", "sieve", "slru", "two_q", "arc"};
constexpr double lean_times = 1.1;  // of the thirty lines' time
constexpr double lean_bytes = 64;   // an object

std::vector<bench::target> targets;

struct lane
{
  std::unique_ptr<bench::running_cache> (*make)(const tier_size&);
  std::unique_ptr<bench::running_cache> cache{};
};

bench::paired_seconds race(lane& mine, lane& theirs, const tier_size& size, std::span<const trace_access> laps,
                           int rounds)
{
  const auto filling = laps.first(laps.size() / 4);
  const auto timed = laps.subspan(filling.size());
  const auto as_timed = [&](lane& one) {
    return bench::timed{.name = "",
                        .run = [&one, timed] { one.cache->replay(timed); },
                        .prepare =
                            [&one, &size, filling] {
                              one.cache.reset();
                              one.cache = one.make(size);
                              one.cache->replay(filling);
                            }};
  };
  return bench::time_pairs(as_timed(mine), as_timed(theirs), rounds, bench::thread_seconds_of);
}

const bench::entrant& entrant_named(std::string_view name)
{
  const auto all = bench::entrants();
  return *std::find_if(all.begin(), all.end(), [name](const bench::entrant& e) { return e.name == name; });
}

double bytes_an_object(const bench::entrant& who, const tier_size& size, std::span<const trace_access> trace)
{
  const std::size_t before = bench::heap_bytes();
  const auto cache = who.make(size);
  cache->replay(trace);
  return static_cast<double>(bench::heap_bytes() - before) / static_cast<double>(cache->objects());
}

void lean(const bench::speed_trace& trace, std::span<const trace_access> laps, double share, const options& chosen)
{
  const auto objects = static_cast<std::uint64_t>(share * static_cast<double>(trace.objects));
  const tier_size size{.bytes = objects, .objects = objects};
  const std::string stream = trace.name + ", " + std::to_string(static_cast<int>(100 * share)) + " %";
  std::printf("%s, room for %llu objects\n  %-8s %-30s %s\n", stream.c_str(), static_cast<unsigned long long>(objects),
              "", "times the thirty lines' time", "bytes an object");
  for (const std::string_view policy : lean_ones) {
    if (!chosen.only.empty() && policy != chosen.only) continue;
    const bench::entrant& who = entrant_named(policy);
    lane mine{who.make};
    lane theirs{bench::make_running<bench::intrusive_lru>};
    const bench::spread r = race(mine, theirs, size, laps, chosen.rounds).ratio;
    mine.cache.reset();
    theirs.cache.reset();
    const double bytes = bytes_an_object(who, size, trace.accesses);
    std::printf("  %-8s %5.2f (%5.2f to %5.2f)          %6.1f\n", policy.data(), 1 / r.median, 1 / r.high, 1 / r.low,
                bytes);
    std::fflush(stdout);
    const std::string name = "policies." + std::string(policy);
    targets.push_back({name + ".time", 1 / r.median, bench::better::less, lean_times, stream});
    targets.push_back({name + ".bytes", bytes, bench::better::less, lean_bytes, stream});
  }
}

/// What it took beside the plain LRU before, times 0.7.
void locality_beside_plain(const bench::speed_trace& trace, std::span<const trace_access> laps, const options& chosen)
{
  struct before
  {
    std::string_view trace;
    double share, times;
  };
  constexpr before known[] = {{"KuaiRand", 0.01, 1 / 0.41},
                              {"KuaiRand", 0.1, 1 / 0.47},
                              {"Mooncake", 0.01, 1 / 0.36},
                              {"Mooncake", 0.1, 1 / 0.29}};
  for (const before& one : known) {
    if (!trace.name.starts_with(one.trace)) continue;
    const auto objects = static_cast<std::uint64_t>(one.share * static_cast<double>(trace.objects));
    lane mine{entrant_named("locality").make};
    lane plain{entrant_named("plain_lru").make};
    const bench::spread r =
        race(mine, plain, {.bytes = objects, .objects = objects}, laps, (chosen.rounds + 2) / 3).ratio;
    const std::string stream = trace.name + ", " + std::to_string(static_cast<int>(100 * one.share)) + " %";
    std::printf("locality, %s: %.2f (%.2f to %.2f) times the plain LRU's time; once %.2f\n", stream.c_str(),
                1 / r.median, 1 / r.high, 1 / r.low, one.times);
    targets.push_back({"policies.locality.time", 1 / r.median, bench::better::less, 0.7 * one.times, stream});
  }
}

/// Pairs in turn, theirs in a process of its own.
void beside_libcachesim(const bench::speed_trace& trace, std::span<const trace_access> laps, double share,
                        const options& chosen)
{
  struct wanted
  {
    std::string_view policy;
    double times = 0;
  };
  constexpr wanted pace[] = {{"lru", 2.0}, {"fifo", 2.0}, {"clock", 2.0}, {"sieve", 2.0}, {"arc", 1.6}};
  const bench::libcachesim theirs({laps.begin(), laps.end()});
  const auto objects = static_cast<std::uint64_t>(share * static_cast<double>(trace.objects));
  const std::string stream = trace.name + ", " + std::to_string(static_cast<int>(100 * share)) + " %";
  const auto filling = laps.first(laps.size() / 4);
  for (const wanted& one : pace) {
    if (!chosen.only.empty() && one.policy != chosen.only) continue;
    std::vector<double> times;
    for (int round = 0; round < (chosen.rounds + 2) / 3; ++round) {
      const auto mine = entrant_named(one.policy).make({.bytes = objects, .objects = objects});
      mine->replay(filling);
      const double seconds = bench::thread_seconds_of([&] { mine->replay(laps.subspan(filling.size())); });
      const auto other = theirs.seconds(one.policy, objects, filling.size());
      if (!other) break;
      times.push_back(*other / seconds);
    }
    if (times.empty()) {
      std::printf("SKIPPED: libCacheSim's %s on %s, because it gave no figure\n", one.policy.data(), stream.c_str());
      continue;
    }
    const bench::spread r = bench::spread_of(times);
    std::printf("%s, %s: %.2f (%.2f to %.2f) times as fast as libCacheSim's\n", one.policy.data(), stream.c_str(),
                r.median, r.low, r.high);
    std::fflush(stdout);
    targets.push_back(
        {"policies." + std::string(one.policy) + ".libcachesim", r.median, bench::better::more, one.times, stream});
  }
}

template <class Policy>
void add(std::vector<std::unique_ptr<sweep_instance>>& to, std::uint64_t keys)
{
  for (const std::uint64_t permille : {5U, 10U, 20U, 50U, 100U, 200U, 500U}) {
    const std::uint64_t objects = keys * permille / 1000;
    to.push_back(std::make_unique<sweep_instance_of<Policy>>(tier_size{.bytes = objects, .objects = objects}));
  }
}

void sweep()
{
  constexpr std::uint64_t keys = 100'000;
  bench::speed_trace trace = bench::zipf_trace(500'000, keys);
  fill_next_requests(trace.accesses);
  std::vector<std::unique_ptr<sweep_instance>> all;
  add<lru>(all, keys), add<fifo>(all, keys), add<clock_sweep>(all, keys), add<sieve>(all, keys), add<lfu>(all, keys);
  add<slru<>>(all, keys), add<two_q>(all, keys), add<arc>(all, keys), add<s3_fifo>(all, keys), add<lirs>(all, keys);
  add<w_tiny_lfu>(all, keys), add<gdsf>(all, keys), add<lru_k<>>(all, keys), add<random_replacement>(all, keys);
  add<locality>(all, keys), add<belady>(all, keys);
  memory_source source(trace.accesses);
  const double seconds = bench::seconds_of([&] { run_sweep(source, all, {.threads = 2}); });
  std::printf("run_sweep, 16 policies x 7 sizes, two threads: %.1f million requests a second, %.2f of the trace\n",
              static_cast<double>(trace.accesses.size() * all.size()) / seconds / 1e6,
              static_cast<double>(trace.accesses.size()) / seconds / 1e6);
}

}  // namespace

int main(int argc, char** argv)
try {
  options chosen;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--rounds") chosen.rounds = (std::max)(1, std::atoi(argv[i + 1]));
    else if (name == "--length") chosen.length = std::stoull(argv[i + 1]);
    else if (name == "--only") chosen.only = argv[i + 1];
    else throw std::runtime_error("there is no option " + std::string(name));
  }
  std::vector<bench::speed_trace> traces = bench::real_traces();
  if (traces.empty()) std::printf("SKIPPED: the real traces, because they are not on this machine (KVSTRATA_DATA)\n");
  const bool has_other = bench::libcachesim::found();
  if (!has_other) {
    std::printf(
        "SKIPPED: libCacheSim, because no Python here has it (PyPI: libcachesim; KVSTRATA_LIBCACHESIM_PYTHON)\n");
  }
  traces.push_back(bench::zipf_trace(chosen.length));
  for (const bench::speed_trace& trace : traces) {
    const auto laps = bench::in_laps(trace.accesses, chosen.length);
    if (!trace.name.starts_with("Mooncake")) {
      for (const double share : {0.01, 0.1}) {
        lean(trace, laps, share, chosen);
        if (has_other) beside_libcachesim(trace, laps, share, chosen);
      }
    }
    if (chosen.only.empty()) locality_beside_plain(trace, laps, chosen);
  }
  if (chosen.only.empty()) sweep();
  for (const bench::target& one : targets) bench::print(one);
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "policies_bench: %s\n", wrong.what());
  return 2;
}
