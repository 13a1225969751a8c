// What a tracker is told. Plain data; token counts, bytes, and ages in requests.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/core/result.hpp>

#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The calls that work on a cache.
enum class call_name : std::uint8_t { prepare, commit, release, prefetch, erase, clean };

[[nodiscard]] constexpr std::string_view name_of(call_name call) noexcept
{
  switch (call) {
    case call_name::prepare: return "prepare";
    case call_name::commit: return "commit";
    case call_name::release: return "release";
    case call_name::prefetch: return "prefetch";
    case call_name::erase: return "erase";
    case call_name::clean: return "clean";
  }
  return "unknown";
}

/// A cache is built: once, before all else.
struct cache_built
{
  level_index levels = 0;
  by_level<std::string_view> names{};  ///< [levels] of the tiers, from the slab down
};

/// A call into the cache begins and ends; calls of one cache do not nest.
struct call_began
{
  call_name call{};
};
struct call_ended
{
  call_name call{};
};

/// A call found the cache's lock taken, and has got it now. Calls that find it free are not told of.
struct lock_waited
{
  call_name call{};               ///< lease.finish, which has it once, goes by commit
  std::uint64_t nanoseconds = 0;  ///< of the steady clock
};

/// In which call something happened, and for whom.
struct on_behalf_of
{
  call_name call = call_name::prepare;  ///< cache::poll, which brings up what stores have given, goes by prefetch
  std::uint64_t lease = 0;              ///< its number (cache.leases()); 0: no lease's
  std::uint64_t label = 0;              ///< what its caller called it
};

/// A batch came under a lease. Tokens by where they come from; together they are the windows of the batch.
struct batch_prepared
{
  std::uint64_t requests = 0;
  by_level<std::uint64_t> from{};       ///< [level] served from there: [0] lay in the slab, the others are brought up
  std::uint64_t computed_tokens = 0;    ///< but for scratch parts
  std::uint64_t recomputed_tokens = 0;  ///< of the computed: a level has them, but computing them is quicker
  std::uint64_t prefetched_tokens = 0;  ///< of the slab's: a prefetch brought them, and they are read first now
  std::uint64_t lease = 0;              ///< its number
  std::uint64_t label = 0;              ///< what the caller calls it
  std::uint64_t scratch_tokens = 0;     ///< of scratch parts
};

/// A user of a batch was found in a level.
struct user_hit
{
  level_index level = 0;
  std::uint64_t tokens = 0;
  std::uint64_t age = 0;  ///< requests that the cache has served since the user's last one
  user_id user{};
  std::uint64_t lease = 0;  ///< that they came under
  std::uint32_t space = 0;  ///< of the sequence; else than 0 `user` is its id
};

/// Tokens were committed: computed in a lease, valid from now on; those of volatile tails are not.
struct batch_committed
{
  std::uint64_t tokens = 0;
};

/// A transfer to the slab was queued.
struct bytes_onloaded
{
  std::uint64_t bytes = 0;
  std::uint64_t copies = 0;              ///< calls to the device
  std::uint64_t pieces = 0;              ///< descriptors in these calls
  by_level<std::uint64_t> bytes_from{};  ///< [level] of the bytes
};
/// A transfer down was queued: from the slab, or from one memory to another.
struct bytes_offloaded
{
  std::uint64_t bytes = 0;
  std::uint64_t copies = 0;
  std::uint64_t pieces = 0;
  level_index from = 0;
  level_index to = 1;
};
/// Tokens that landed in the onload window go to their pages.
struct bytes_relocated
{
  std::uint64_t bytes = 0;
  std::uint64_t copies = 0;
  std::uint64_t pieces = 0;
};

/// Copies were queued on one of the device's streams: those of its spans whose point lies behind `after`, up to `last`.
/// What is written for others in a lease's call (writes that have waited, cleaning) has the lease 0.
struct copies_queued
{
  std::uint32_t stream = 0;  ///< its number
  std::uint64_t after = 0;   ///< the stream's last point before
  std::uint64_t last = 0;    ///< the point behind them
  bool up = false;           ///< to the slab, or within it; else down
  on_behalf_of cause{};
};

/// A lease is let go, after what is queued on its compute stream by then.
struct lease_released
{
  std::uint64_t lease = 0;   ///< its number
  std::uint64_t label = 0;   ///< what the caller called it
  std::uint32_t stream = 0;  ///< the number of its compute stream
  std::uint64_t point = 0;   ///< the stream's last point; 0: the model did no layer
};

/// Tokens of one user left a level under pressure. `dropped` of them were nowhere else.
struct tokens_evicted
{
  level_index from = 0;
  std::uint64_t tokens = 0;
  std::uint64_t dropped = 0;
  std::uint64_t unread = 0;  ///< of `tokens`: never served from the level to a request since they came
  std::uint64_t age = 0;     ///< requests that the cache has served since the user's last one
  user_id user{};
  on_behalf_of cause{};     ///< who wanted the room
  std::uint32_t space = 0;  ///< of the sequence; else than 0 `user` is its id
};

/// Cached tokens that requests have made useless, by why; a token that two levels have counts once. They have left every
/// level: neither evicted nor dropped, for nobody has lost anything by pressure.
struct tokens_forgotten
{
  std::uint64_t rewritten = 0;    ///< a fingerprint contradicts them, or cannot be compared and others would join them
  std::uint64_t widened = 0;      ///< the window begins earlier than before: they saw less than it asks for
  std::uint64_t passed = 0;       ///< the window has moved past them
  std::uint64_t overwritten = 0;  ///< they lie in a volatile tail, or behind it
  std::uint64_t stranded = 0;  ///< rest on tokens that are gone and, the window having moved, cannot be computed again
  std::uint64_t inexact = 0;   ///< came through a lossy copy, or rest on one, and the request wants none of that
  std::uint64_t superseded = 0;  ///< a replace part has another version, or stand on one that has

  [[nodiscard]] constexpr std::uint64_t total() const noexcept
  {
    return rewritten + widened + passed + overwritten + superseded + inexact + stranded;
  }
  constexpr tokens_forgotten& operator+=(const tokens_forgotten& other) noexcept
  {
    rewritten += other.rewritten;
    widened += other.widened;
    passed += other.passed;
    overwritten += other.overwritten;
    superseded += other.superseded;
    inexact += other.inexact;
    stranded += other.stranded;
    return *this;
  }
  friend constexpr bool operator==(const tokens_forgotten&, const tokens_forgotten&) = default;
};

/// Why a level did not take tokens.
enum class refusal : std::uint8_t {
  held,          ///< leases hold what would have to go
  full,          ///< it has not so many pages, whoever goes
  apart,         ///< it holds another part of the user, and there is a gap between
  not_admitted,  ///< its admission policy did not want the user
};

[[nodiscard]] constexpr std::string_view name_of(refusal why) noexcept
{
  switch (why) {
    case refusal::held: return "held";
    case refusal::full: return "full";
    case refusal::apart: return "apart";
    case refusal::not_admitted: return "not_admitted";
  }
  return "unknown";
}

/// A level had no room for tokens that its write policy wanted there. They stay where they are.
struct write_refused
{
  std::uint64_t tokens = 0;
  refusal why = refusal::held;
  level_index level = 1;
};

/// The device did not take a transfer down when it was queued, and works on. The tokens are where else they are.
struct write_dropped
{
  level_index from = 0;
  level_index to = 1;
  std::uint64_t tokens = 0;
};

/// What went to a store, or was to come from one, is lost.
struct record_lost
{
  level_index level = 0;  ///< the store's
  std::uint64_t tokens = 0;
  bool on_its_way_up = false;  ///< it was to come; else it went
};

/// A store has tokens that the model computes in less time than they come.
struct fetch_judged
{
  level_index level = 0;  ///< the store's
  std::uint64_t tokens = 0;
  bool fetched = false;  ///< all the same, to leave the device to others; else the model computes them
};

/// The queue of writes is as long as it may be: these tokens keep their place and are written later.
struct write_delayed
{
  std::uint64_t tokens = 0;
  level_index level = 1;
};

/// Frames were taken that another compute stream's work still uses, for want of any else: what is written there waits for it.
struct frames_waited
{
  level_index level = 0;
  std::uint64_t pages = 0;
};

/// Dirty tokens were written ahead of need, by the cleaner.
struct tokens_cleaned
{
  std::uint64_t tokens = 0;
};

/// A prefetch was queued.
struct prefetch_queued
{
  std::uint64_t tokens = 0;
  std::uint64_t displaced = 0;  ///< tokens of others that it pushed out of the slab
};
/// A prefetch was taken back: its tokens left the slab unread.
struct prefetch_undone
{
  std::uint64_t tokens = 0;
};

/// A call was turned away.
struct pressure_met
{
  pressure why{};
  std::uint64_t label = 0;  ///< what the caller called the batch
};

/// A new model serves from now on. What is cached is stale: served to nobody, and its memory goes first.
struct epoch_advanced
{
  epoch_id epoch{};
  std::uint64_t users = 0;           ///< who have lost what they had
  by_level<std::uint64_t> tokens{};  ///< [level] that it held of them
};

template <class... Events>
struct event_list
{
};
/// All that a tracker is told. A new event is entered here, too.
using tracker_events =
    event_list<cache_built, call_began, call_ended, lock_waited, batch_prepared, user_hit, batch_committed,
               bytes_onloaded, bytes_offloaded, bytes_relocated, copies_queued, lease_released, tokens_evicted,
               tokens_forgotten, write_refused, write_dropped, record_lost, fetch_judged, write_delayed, frames_waited,
               tokens_cleaned, prefetch_queued, prefetch_undone, pressure_met, epoch_advanced>;

}  // namespace kvstrata
