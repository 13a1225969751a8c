#include "sim/machine_run.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/cache/warnings.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <tuple>

namespace sim {
namespace {

using namespace kvstrata;

std::string shown(double value)
{
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", value);
  return text.data();
}

template <class Cache>
machine_result serve_with(const machine_description& m, std::span<const arrival> requests, const machine_load& load)
{
  const auto bytes = [](double gib, std::uint64_t otherwise) {
    return gib > 0 ? static_cast<std::uint64_t>(gib * 0x1p30) : otherwise;
  };
  const cost_model cost = cost_of(m);
  emulated_device device(device_of(m));
  typename Cache::config c{.shape = m.model.kv};
  std::get<0>(c.tiers).bytes = bytes(load.device_gib, m.device_bytes);
  if constexpr (std::tuple_size_v<decltype(c.tiers)> > 1) {
    std::get<1>(c.tiers).bytes = bytes(load.host_gib, m.host_bytes);
  }
  if constexpr (requires { c.split.cost; }) c.split = {.cost = cost, .candidates = m.model.candidates};
  c.costs = cost;
  Cache cache(device, c);
  serving_simulator sim(device, cache, cost, m.model.candidates);
  std::size_t at = 0;
  const auto next = [&]() -> std::optional<arrival> {
    return at == requests.size() ? std::nullopt : std::optional(requests[at++]);
  };
  machine_result out;
  out.warnings = warnings_of<Cache>(c);
  out.report = sim.run(next, {.load = load.rate > 0 ? serving_load::open_loop : serving_load::closed_loop,
                              .batch_size = load.batch,
                              .warm_up = load.warm_up});
  const cache_stats s = cache.stats();
  for (level_index i = 0; i < s.depth; ++i) out.levels.push_back(s.levels[i].name);
  return out;
}

constexpr std::array<machine_cache, 3> caches{{
    {"device_only", &serve_with<device_only_cache<emulated_device>>},
    {"mtserve", &serve_with<mtserve_cache<emulated_device>>},
    {"default", &serve_with<default_cache<emulated_device>>},
}};

}  // namespace

std::span<const machine_cache> machine_caches() { return caches; }

void check(const machine_load& load)
{
  const auto at_least_zero = [](const char* option, double value) {
    if (value >= 0 && std::isfinite(value)) return;
    throw config_error(option, shown(value), "it must be a finite number, at least 0");
  };
  const auto at_least_one = [](const char* option, std::uint64_t value) {
    if (value == 0) throw config_error(option, value, "it must be at least 1");
  };
  at_least_zero("--rate", load.rate);
  at_least_zero("--device-gib", load.device_gib);
  at_least_zero("--host-gib", load.host_gib);
  const auto at_most = [](const char* option, double gib, double most) {
    if (gib > most) {
      throw config_error(option, std::to_string(gib), "it may be at most " + std::to_string(std::llround(most)));
    }
  };
  at_most("--device-gib", load.device_gib, 1e6);
  at_most("--host-gib", load.host_gib, 1e9);
  at_least_one("--batch", load.batch);
  at_least_one("--event-tokens", load.event_tokens);
  at_least_one("--longest", load.longest);
  if (load.event_tokens > 1024) throw config_error("--event-tokens", load.event_tokens, "it may be at most 1024");
}

std::vector<arrival> read_arrivals(any_source& source, const machine_load& load)
{
  std::vector<arrival> out;
  std::vector<std::int64_t> times;
  std::vector<trace_access> chunk(4096);
  bool tells = false;
  const auto is_full = [&] { return load.requests != 0 && out.size() == load.requests; };
  while (!is_full()) {
    const std::size_t got = source.read(chunk);
    if (got == 0) break;
    for (std::size_t i = 0; i < got && !is_full(); ++i) {
      const trace_access& a = chunk[i];
      tells = tells || a.tokens != 0;
      const std::uint64_t tokens = (std::min)(std::uint64_t{a.tokens} * load.event_tokens, std::uint64_t{load.longest});
      out.push_back(
          {.seconds = 0,
           .asked = {
               .user = user_id{a.key}, .history_tokens = static_cast<token_count>(tokens), .time_ms = a.time_ms}});
      times.push_back(a.time_ms);
    }
  }
  if (!tells) {
    throw error(std::string(source.name()) +
                ": no access tells how long a history is; a machine serves users: a trace of KuaiRand, or none");
  }
  const auto span = static_cast<double>(times.back() - times.front());
  if (load.rate > 0 && !(span > 0)) {
    throw error(std::string(source.name()) + ": all requests come at one time; --rate needs a trace with times");
  }
  const double seconds = load.rate > 0 ? static_cast<double>(out.size()) / load.rate : 0;
  if (seconds > emulated::longest_seconds) {
    throw config_error("--rate", shown(load.rate),
                       "at that rate " + std::to_string(out.size()) + " requests come over more than 30 years");
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (seconds > 0) out[i].seconds = static_cast<double>(times[i] - times.front()) / span * seconds;
  }
  return out;
}

}  // namespace sim
