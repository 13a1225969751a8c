#include "sim/machine_run.hpp"

#include "sim/machine_codes.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/session_traffic.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

namespace sim {
namespace {

using namespace kvstrata;

std::string shown(double value)
{
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", value);
  return text.data();
}

constexpr std::array<std::string_view, 3> caches{"device_only", "mtserve", "default"};

void at_least_zero(const char* option, double value)
{
  if (value >= 0 && std::isfinite(value)) return;
  throw config_error(option, shown(value), "it must be a finite number, at least 0");
}

void at_least_one(const char* option, std::uint64_t value)
{
  if (value == 0) throw config_error(option, value, "it must be at least 1");
}

void one_of(const char* option, const std::string& value, std::span<const std::string_view> names)
{
  if (std::find(names.begin(), names.end(), value) != names.end()) return;
  std::string all;
  for (const std::string_view name : names) all += (all.empty() ? "" : ", ") + std::string(name);
  throw config_error(option, "'" + value + "'", "it must be one of " + all);
}

}  // namespace

std::span<const std::string_view> machine_caches() { return caches; }

void check(const machine_load& load)
{
  at_least_one("--event-tokens", load.event_tokens);
  at_least_one("--longest", load.longest);
  if (load.event_tokens > 1024) throw config_error("--event-tokens", load.event_tokens, "it may be at most 1024");
  if (load.prefetch > 4096) throw config_error("--prefetch", load.prefetch, "it may be at most 4096");
  at_least_zero("--requests-a-day", load.requests_a_day);
  if (load.requests_a_day > 0 && load.requests == 0) {
    throw config_error("--requests", 0, "sessions (--requests-a-day) have no end: say how many");
  }
  if (load.warm_start && load.parts.any()) {
    throw config_error("--warm-start", "given", "it is of histories: serve requests of parts from the beginning");
  }
  if (load.warm_start && load.warm_up == 0) {
    throw config_error("--warm-start", "given", "it wants --warmup, which says how many requests are the past");
  }
}

void check_policy(const char* option, const std::string& name) { one_of(option, name, machine_policies()); }

void check(const machine_point& point)
{
  one_of("--caches", point.cache, caches);
  check_policy("--slab-policies", point.slab_policy);
  check_policy("--arena-policies", point.arena_policy);
  at_least_zero("--rate", point.rate);
  at_least_zero("--device-gib", point.device_gib);
  at_least_zero("--host-gib", point.host_gib);
  const auto at_most = [](const char* option, double gib, double most) {
    if (gib > most) {
      throw config_error(option, std::to_string(gib), "it may be at most " + std::to_string(std::llround(most)));
    }
  };
  at_most("--device-gib", point.device_gib, 1e6);
  at_most("--host-gib", point.host_gib, 1e9);
  at_least_one("--batch", point.batch);
  at_least_one("--streams", point.streams);
  if (point.streams > 64) throw config_error("--streams", point.streams, "it may be at most 64");
}

tier_bytes bytes_of(const machine_point& point, const machine_description& m)
{
  const auto bytes = [](double gib, std::uint64_t otherwise) {
    return gib > 0 ? static_cast<std::uint64_t>(gib * 0x1p30) : otherwise;
  };
  return {bytes(point.device_gib, m.device_bytes),
          point.cache == "device_only" ? 0 : bytes(point.host_gib, m.host_bytes)};
}

machine_result serve(const machine_description& m, std::span<const arrival> requests, const machine_load& load,
                     const machine_point& point, const std::string* row_start)
{
  if (const machine_codec& codec = find_codec(point.codec); codec.code_bytes != nullptr) {
    return codec.lossy ? parts::serve_lossy(m, requests, load, point, row_start)
                       : parts::serve_lossless(m, requests, load, point, row_start);
  }
  const bool plain = point.slab_policy == "lru" && point.arena_policy == "lru";
  return plain ? parts::serve_plain(m, requests, load, point, row_start)
               : parts::serve_chosen(m, requests, load, point, row_start);
}

std::vector<arrival> read_arrivals(any_source& source, const machine_load& load)
{
  std::vector<arrival> out;
  std::vector<trace_access> chunk(4096);
  bool tells = false;
  const auto is_full = [&] { return load.requests != 0 && out.size() == load.requests; };
  while (!is_full()) {
    const std::size_t got = source.read(chunk);
    if (got == 0) break;
    for (std::size_t i = 0; i < got && !is_full(); ++i) {
      const trace_access& a = chunk[i];
      tells = tells || a.tokens != 0;
      const std::uint64_t tokens =
          (std::min)(std::uint64_t{a.tokens} * load.event_tokens, std::uint64_t{load.most_tokens()});
      out.push_back(
          {.seconds = 0,
           .asked = {
               .user = user_id{a.key}, .history_tokens = static_cast<token_count>(tokens), .time_ms = a.time_ms}});
      out.back().seconds = static_cast<double>(a.time_ms - out.front().asked.time_ms) / 1e3;
    }
  }
  if (!tells) {
    throw error(std::string(source.name()) +
                ": no access tells how long a history is; a machine serves users: a trace of KuaiRand, or none");
  }
  return out;
}

std::vector<arrival> draw_sessions(const machine_load& load, std::uint32_t users, double history_scale,
                                   std::uint64_t seed)
{
  session_traffic traffic({.users = users,
                           .requests_a_day = load.requests_a_day,
                           .session_requests = load.session_requests,
                           .gap_seconds = load.gap_seconds,
                           .history_scale = history_scale,
                           .event_tokens = load.event_tokens,
                           .longest = load.most_tokens(),
                           .seed = seed});
  std::vector<arrival> out;
  out.reserve(load.requests);
  while (out.size() < load.requests) out.push_back(traffic.next());
  const double first = out.front().seconds;
  for (arrival& one : out) one.seconds -= first;
  return out;
}

std::vector<arrival> at_rate(std::vector<arrival> requests, double rate, std::string_view trace)
{
  if (!(rate > 0) || requests.empty()) return requests;
  const double span = requests.back().seconds;
  if (!(span > 0)) {
    throw error(std::string(trace) + ": all requests come at one time; --rate needs a trace with times");
  }
  const double seconds = static_cast<double>(requests.size()) / rate;
  if (seconds > emulated::longest_seconds) {
    throw config_error("--rate", shown(rate),
                       "at that rate " + std::to_string(requests.size()) + " requests come over more than 30 years");
  }
  for (arrival& one : requests) one.seconds = one.seconds / span * seconds;
  return requests;
}

}  // namespace sim
