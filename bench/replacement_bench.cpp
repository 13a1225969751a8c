// How fast the replacement policies are, each in object_cache with objects of one size: requests per second on one
// core beside a plain LRU (std::list and std::unordered_map), in pairs; heap bytes an object; hits. Capacities are 1 %
// and 10 % of the objects; the trace lies in memory, and its first quarter, which fills the cache, is not timed. A short
// trace is replayed again and again; its hits are those of the first time.
//
//   replacement_bench [--only NAME] [--length N] [--rounds N]
//   replacement_bench --policy NAME [--capacity N|P%] [--requests N] [--length N]
//   replacement_bench --names yes                                      the policies, each with the instructions asked
//
// The second form is for callgrind: of a trace of --length accesses one policy replays the first --requests, and
// nothing else is done. Two runs of equal length differ in the requests alone (instructions_bench).
#include "support/entrants.hpp"
#include "support/paired.hpp"
#include "support/speed_traces.hpp"

#include <kvstrata/simulate/readers/memory_source.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;

struct options
{
  std::string only;
  bool names = false;
  std::string policy;
  std::string capacity = "1%";
  std::optional<std::size_t> requests;
  std::size_t length = 2'000'000;
  int rounds = 5;
};

[[nodiscard]] options parse(std::span<char*> arguments)
{
  options chosen;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (++i == arguments.size()) throw std::runtime_error(std::string(name) + " wants a value");
    const std::string value = arguments[i];
    if (name == "--only") chosen.only = value;
    else if (name == "--names") chosen.names = true;
    else if (name == "--policy") chosen.policy = value;
    else if (name == "--capacity") chosen.capacity = value;
    else if (name == "--requests") chosen.requests = std::stoull(value);
    else if (name == "--length") chosen.length = std::stoull(value);
    else if (name == "--rounds") chosen.rounds = std::max(1, std::stoi(value));
    else throw std::runtime_error("there is no option " + std::string(name));
  }
  return chosen;
}

[[nodiscard]] tier_size unit_size(std::uint64_t objects) { return {.bytes = objects, .objects = objects}; }

[[nodiscard]] std::uint64_t capacity_of(const std::string& text, std::uint64_t objects)
{
  const double value = std::stod(text);
  return static_cast<std::uint64_t>(text.ends_with('%') ? value / 100 * static_cast<double>(objects) : value);
}

void replay_one(const options& chosen)
{
  const auto all = bench::entrants();
  const auto one = std::find_if(all.begin(), all.end(), [&](const auto& e) { return e.name == chosen.policy; });
  if (one == all.end()) throw std::runtime_error("there is no policy " + chosen.policy);
  bench::speed_trace trace = bench::zipf_trace(chosen.length);
  auto& accesses = trace.accesses;
  if (one->name == "belady") fill_next_requests(accesses);
  const auto asked = std::span(accesses).first(std::min(accesses.size(), chosen.requests.value_or(chosen.length)));
  if (one->name == "belady") fill_next_requests(accesses);
  const std::size_t before = bench::heap_bytes();
  const auto cache = one->make(unit_size(capacity_of(chosen.capacity, trace.objects)));
  const std::uint64_t hits = cache->replay(asked);
  std::printf("%s: %zu objects, %.2f %% hits, %.1f bytes an object\n", chosen.policy.c_str(), cache->objects(),
              100.0 * static_cast<double>(hits) / static_cast<double>(asked.size()),
              static_cast<double>(bench::heap_bytes() - before) / static_cast<double>(cache->objects()));
}

[[nodiscard]] const char* verdict(double asked, bool kept) { return asked == 0 ? "" : kept ? "ok" : "SHORT"; }

/// `laps` is what is timed, hits are those of the trace as it is.
void race_at(const bench::speed_trace& trace, std::span<const trace_access> laps, double share, const options& chosen)
{
  constexpr std::uint64_t few = 1000;  // a table that is allotted for more says nothing about bytes an object
  const auto filling = laps.first(laps.size() / 4);
  const auto timed = laps.subspan(filling.size());
  const tier_size size = unit_size(static_cast<std::uint64_t>(share * static_cast<double>(trace.objects)));
  std::printf("%s, %zu requests, room for %llu objects (%.0f %%)\n", trace.name.c_str(), trace.accesses.size(),
              static_cast<unsigned long long>(size.objects), 100 * share);
  std::printf("  %-16s %8s %10s   %-23s %-11s %12s\n", "", "hits", "M req/s", "times the plain LRU", "asked",
              "bytes/object");

  struct lane
  {
    const bench::entrant* who;
    std::unique_ptr<bench::running_cache> cache;
  };
  const auto as_timed = [&](lane& one) {
    return bench::timed{.name = "",
                        .run = [&] { one.cache->replay(timed); },
                        .prepare =
                            [&] {
                              one.cache.reset();
                              one.cache = one.who->make(size);
                              one.cache->replay(filling);
                            }};
  };
  lane plain{&bench::entrants().front(), {}};
  for (const bench::entrant& entrant : bench::entrants()) {
    if (!chosen.only.empty() && entrant.name != chosen.only) continue;
    lane mine{&entrant, {}};
    const auto seconds = bench::time_pairs(as_timed(mine), as_timed(plain), chosen.rounds);
    plain.cache.reset();
    mine.cache.reset();
    const std::size_t before = bench::heap_bytes();
    mine.cache = entrant.make(size);
    const std::uint64_t hits = mine.cache->replay(trace.accesses);
    const double bytes = static_cast<double>(bench::heap_bytes() - before) / static_cast<double>(mine.cache->objects());
    const bench::spread& r = seconds.ratio;
    std::printf("  %-16s %6.2f %% %10.2f   %5.2f (%5.2f to %5.2f)   ", entrant.name.data(),
                100.0 * static_cast<double>(hits) / static_cast<double>(trace.accesses.size()),
                static_cast<double>(timed.size()) / seconds.subject.median / 1e6, r.median, r.low, r.high);
    if (entrant.asked.speed != 0) {
      std::printf("%.1f %-7s", entrant.asked.speed, verdict(entrant.asked.speed, r.median >= entrant.asked.speed));
    } else {
      std::printf("%-11s", "");
    }
    const double asked_bytes = size.objects < few ? 0 : entrant.asked.bytes;
    std::printf(" %12.1f %s\n", bytes, verdict(asked_bytes, bytes <= asked_bytes));
    std::fflush(stdout);
  }
  std::printf("\n");
}

void race(bench::speed_trace& trace, const options& chosen)
{
  const auto laps = bench::in_laps(trace.accesses, chosen.length);
  fill_next_requests(trace.accesses);
  for (const double share : {0.01, 0.1}) race_at(trace, laps, share, chosen);
}

}  // namespace

int main(int argc, char** argv)
try {
  const options chosen = parse({argv, static_cast<std::size_t>(argc)});
  if (chosen.names) {
    for (const bench::entrant& one : bench::entrants())
      std::printf("%s %.0f\n", one.name.data(), one.asked.instructions);
    return 0;
  }
  if (!chosen.policy.empty()) {
    replay_one(chosen);
    return 0;
  }
  bench::speed_trace zipf = bench::zipf_trace(chosen.length);
  race(zipf, chosen);
  auto real = bench::real_traces();
  if (real.empty()) std::printf("SKIPPED: the real traces, because they are not on this machine (KVSTRATA_DATA)\n");
  for (bench::speed_trace& trace : real) race(trace, chosen);
  return 0;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "replacement_bench: %s\n", wrong.what());
  return 2;
}
