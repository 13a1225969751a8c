// Stretches or shortens the histories of a trace, to study lengths that the trace does not have.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The length of a history of `events` events after scaling: round(events * scale). Monotone in `events`; a length
/// past what token_count holds is cut to its largest value.
[[nodiscard]] inline token_count scaled_length(std::uint64_t events, double scale) noexcept
{
  constexpr double most = (std::numeric_limits<token_count>::max)();
  const double length = std::floor(static_cast<double>(events) * scale + 0.5);
  return static_cast<token_count>(length < most ? length : most);
}

/// Throws config_error unless the factor is one that histories can be scaled by.
inline void check_history_scale(double scale)
{
  if (!(scale > 0) || !(scale <= 1000)) {
    throw config_error("history_scale", std::to_string(scale), "it must be above 0 and at most 1000");
  }
}

/// Traces are kept in memory; one past this size, 16 GiB, is refused.
inline constexpr std::uint64_t most_trace_events = std::uint64_t{1} << 30;

/// Throws config_error when a scale would give too many events.
inline void check_event_total(std::string_view field, double scale, std::uint64_t events)
{
  if (events > most_trace_events) {
    throw config_error(
        field, std::to_string(scale),
        "the " + std::to_string(events) + " events it gives may be at most " + std::to_string(most_trace_events));
  }
}

/// The same requests of the same users at the same times, on histories of scaled_length(): both what lies before the
/// first request and what is added from one to the next. Below 1, events are left out evenly. Above 1, each event is
/// followed, at its time, by events drawn with the seed from the user's own up to there. A user's scaled events are one
/// sequence of which every request sees a prefix, so a later history begins with an earlier one, exactly. Scale 1
/// changes nothing. O(events of both); throws config_error.
[[nodiscard]] inline trace scale_history(const trace& whole, double scale, std::uint64_t seed = 1)
{
  check_history_scale(scale);
  trace scaled;
  scaled.name = whole.name;
  scaled.items = whole.items;
  scaled.users = whole.users;
  scaled.requests = whole.requests;
  for (trace_request& asked : scaled.requests) asked.history = scaled_length(asked.history, scale);

  scaled.event_begin.reserve(whole.user_count() + 1);
  scaled.event_begin.push_back(0);
  scaled.earlier.reserve(whole.user_count());
  for (std::uint32_t u = 0; u < whole.user_count(); ++u) {
    scaled.earlier.push_back(scaled_length(whole.earlier[u], scale));
    scaled.event_begin.push_back(scaled.event_begin.back() + scaled_length(whole.events_of(u).size(), scale));
  }
  check_event_total("history_scale", scale, scaled.event_begin.back());
  scaled.events.reserve(scaled.event_begin.back());
  for (std::uint32_t u = 0; u < whole.user_count(); ++u) {
    random_source random(derive_seed(seed, u));
    const auto mine = whole.events_of(u);
    for (std::size_t k = 0; k < mine.size(); ++k) {
      const token_count here = scaled_length(k + 1, scale) - scaled_length(k, scale);
      for (token_count copy = 0; copy < here; ++copy) {
        trace_event next = mine[copy == 0 ? k : random.below(static_cast<std::uint32_t>(k + 1))];
        next.time_ms = mine[k].time_ms;
        scaled.events.push_back(next);
      }
    }
  }
  return scaled;
}

}  // namespace kvstrata
