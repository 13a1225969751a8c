// Which events of a log are requests. A log says what users saw, not when they asked; these are the usual readings.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/trace.hpp>
#include <kvstrata/simulate/trace_time.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class request_stream : std::uint8_t {
  interaction,  ///< every event is a request of its user
  session,      ///< an event is a request when its user was silent for longer than request_options::silence_ms
  window,       ///< the first event of its user in each window of request_options::window_ms (MTServe: 60 s)
};

[[nodiscard]] constexpr std::string_view name_of(request_stream stream) noexcept
{
  switch (stream) {
    case request_stream::interaction: return "interaction";
    case request_stream::session: return "session";
    case request_stream::window: return "window";
  }
  return "unknown";
}

struct request_options
{
  request_stream stream = request_stream::session;
  std::int64_t silence_ms = 30 * 60 * 1000;
  std::int64_t window_ms = 60 * 1000;
};

/// Throws config_error.
inline void check(const request_options& options)
{
  const auto positive = [](std::string_view field, std::int64_t value) {
    if (value < 1) throw config_error(field, std::to_string(value), "it must be at least 1 ms");
  };
  positive("request_options.silence_ms", options.silence_ms);
  positive("request_options.window_ms", options.window_ms);
}

/// The requests of a trace's events, ascending in (time, user, history). The first `earlier` events of a user are
/// history only: they make no request, and a user's first event after them always makes one. A request knows all
/// events of its user before the one that makes it. O(events + requests log requests); throws config_error.
[[nodiscard]] inline std::vector<trace_request> make_requests(const trace& t, const request_options& options = {})
{
  check(options);
  const auto silence_ms = static_cast<std::uint64_t>(options.silence_ms);
  const auto starts_request = [&options, silence_ms](std::int64_t before, std::int64_t now) {
    if (options.stream == request_stream::session) return passed_ms(before, now) > silence_ms;
    if (options.stream == request_stream::window) return now / options.window_ms != before / options.window_ms;
    return true;
  };
  std::vector<trace_request> requests;
  for (std::uint32_t u = 0; u < t.user_count(); ++u) {
    const auto mine = t.events_of(u);
    for (std::size_t k = t.earlier[u]; k < mine.size(); ++k) {
      if (k != t.earlier[u] && !starts_request(mine[k - 1].time_ms, mine[k].time_ms)) continue;
      requests.push_back({mine[k].time_ms, u, static_cast<token_count>(k)});
    }
  }
  std::sort(requests.begin(), requests.end(), [](const trace_request& a, const trace_request& b) {
    if (a.time_ms != b.time_ms) return a.time_ms < b.time_ms;
    return a.user != b.user ? a.user < b.user : a.history < b.history;
  });
  return requests;
}

}  // namespace kvstrata
