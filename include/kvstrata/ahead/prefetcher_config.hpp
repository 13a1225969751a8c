// What a prefetcher asks of a cache, what it is told, and what it counts.
#pragma once

#include <kvstrata/ahead/stop_rule.hpp>
#include <kvstrata/core/result.hpp>
#include <kvstrata/plan/prefetch.hpp>
#include <kvstrata/plan/request.hpp>

#include <concepts>
#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What a prefetcher asks of a cache; the calls mean what they mean in cache.hpp.
template <class C>
concept prefetches_users = requires(C& c, const request& r, const prefetch_limit& limit, user_id user) {
  { c.prefetch(r, limit) } -> std::same_as<result<prefetch_outcome>>;
  { c.undo_prefetch(user) } -> std::convertible_to<token_count>;
  { c.arrived(user) } -> std::same_as<bool>;
  c.wait_arrived_sync(user);
};

/// And for requests of parts: the same of all sequences of one.
template <class C>
concept prefetches_parts = requires(C& c, const request& r) {
  { c.undo_prefetch(r) } -> std::convertible_to<token_count>;
  { c.arrived(r) } -> std::same_as<bool>;
  c.wait_arrived_sync(r);
};

struct prefetcher_config
{
  page_count budget_pages = 0;  ///< brought up for requests that are not taken yet, at most
  page_count displaced_pages = (std::numeric_limits<page_count>::max)();  ///< of others, to push off for one request
  page_count step_pages = 64;                                             ///< queued at once for one request
  std::uint32_t in_flight_steps = 2;   ///< on their way at a time: what a prepare's own copies stand behind
  stop_rule stop = stop_rule::wait();  ///< of requests that are launched without one
};

/// Since the prefetcher began. launched = taken + cancelled + those that wait.
struct prefetch_figures
{
  std::uint64_t launched = 0;     ///< requests
  std::uint64_t taken = 0;        ///< requests
  std::uint64_t cancelled = 0;    ///< requests
  std::uint64_t steps = 0;        ///< queued
  std::uint64_t refused = 0;      ///< steps, by pressure; each was tried again
  std::uint64_t kept = 0;         ///< times that a request's prepare gave no lease, and the request kept its place
  std::uint64_t turned_down = 0;  ///< requests of an older epoch, or that the cache threw at: too large, ...
  std::uint64_t queued_tokens = 0;
  std::uint64_t displaced_tokens = 0;    ///< of others, that left the device for these
  std::uint64_t saved_tokens = 0;        ///< had arrived when their request was taken
  std::uint64_t late_tokens = 0;         ///< were still on their way then
  std::uint64_t dropped_tokens = 0;      ///< were never queued: request gone, time over or no room; if known by then
  std::uint64_t rolled_back_tokens = 0;  ///< left the device again, as their request was cancelled
};

/// The same, and what waits at this moment.
struct prefetcher_stats : prefetch_figures
{
  std::uint64_t waiting = 0;          ///< requests
  std::uint64_t held_pages = 0;       ///< brought up for them
  std::uint64_t budget_pages = 0;     ///< that these may be, at most
  std::uint64_t under_way_steps = 0;  ///< queued for them, and not known to have arrived
};

}  // namespace kvstrata
