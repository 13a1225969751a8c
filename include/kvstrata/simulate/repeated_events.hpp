// Events of a log that say once more what another one says. Of KuaiRand-Pure's second log they are 2.6 % of the rows.
#pragma once

#include <kvstrata/simulate/trace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Of events that ascend in time, how many repeat one of the same time: item and action. With `drop` those that do not are
/// moved to the front, in their order. O(n log n) in the events of one time.
inline std::size_t find_repeated(std::span<trace_event> mine, bool drop, std::vector<std::uint32_t>& order)
{
  std::size_t repeated = 0;
  std::size_t kept = 0;
  std::vector<bool> is_repeated;
  for (std::size_t from = 0, end = 0; from < mine.size(); from = end) {
    while (end < mine.size() && mine[end].time_ms == mine[from].time_ms) ++end;
    const std::span<trace_event> tied = mine.subspan(from, end - from);
    is_repeated.assign(tied.size(), false);
    if (tied.size() > 1) {
      order.resize(tied.size());
      std::iota(order.begin(), order.end(), 0U);
      std::sort(order.begin(), order.end(), [tied](std::uint32_t a, std::uint32_t b) {
        if (tied[a].item != tied[b].item) return tied[a].item < tied[b].item;
        return tied[a].action != tied[b].action ? tied[a].action < tied[b].action : a < b;
      });
      for (std::size_t k = 1; k < order.size(); ++k) is_repeated[order[k]] = tied[order[k]] == tied[order[k - 1]];
    }
    for (std::size_t k = 0; k < tied.size(); ++k) {
      if (is_repeated[k]) ++repeated;
      else if (drop) mine[kept++] = tied[k];
    }
  }
  return repeated;
}

/// The same of all users of a trace without requests, whose logs begin at log_begin[user] among the events; with `drop` the
/// trace is without them afterwards.
inline std::uint64_t find_repeated(trace& t, std::span<const std::uint64_t> log_begin, std::int64_t from_ms, bool drop)
{
  std::uint64_t repeated = 0;
  std::vector<std::uint32_t> order;
  std::uint64_t to = 0;
  std::uint64_t begin = 0;
  for (std::size_t u = 0; u < t.user_count(); ++u) {
    const std::uint64_t end = t.event_begin[u + 1];
    const std::span<trace_event> log = std::span(t.events).subspan(log_begin[u], end - log_begin[u]);
    const std::size_t gone = find_repeated(log, drop, order);
    repeated += gone;
    if (!drop) continue;
    const std::uint64_t kept = end - gone;
    const auto logged = std::span(t.events).subspan(log_begin[u], kept - log_begin[u]);
    const auto early = std::count_if(logged.begin(), logged.end(),
                                     [from_ms](const trace_event& one) { return one.time_ms < from_ms; });
    t.earlier[u] = static_cast<token_count>(log_begin[u] - begin + static_cast<std::uint64_t>(early));
    std::copy(t.events.begin() + static_cast<std::ptrdiff_t>(begin),
              t.events.begin() + static_cast<std::ptrdiff_t>(kept), t.events.begin() + static_cast<std::ptrdiff_t>(to));
    to += kept - begin;
    begin = end;
    t.event_begin[u + 1] = to;
  }
  if (drop) t.events.resize(to);
  return repeated;
}

}  // namespace kvstrata::detail
