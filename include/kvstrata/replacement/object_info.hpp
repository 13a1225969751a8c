// What a replacement or admission policy may know: of an object, of what its users did before, of its tier.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What the caller knows of an object's past and future. A recommender's request carries its user's time-stamped
/// history, so the past need not be remembered by whoever replaces; only an offline simulator knows the future.
struct reuse_hint
{
  /// next_request of one that is not told, and of an object that is never requested again.
  static constexpr std::uint64_t unknown = (std::numeric_limits<std::uint64_t>::max)();
  static constexpr std::uint64_t never = unknown - 1;

  std::span<const std::int64_t>
      visits_ms{};                       ///< times of its latest requests before this one, ascending, maybe not all
  std::uint64_t events = 0;              ///< length of the history that lies before all those requests
  std::uint64_t next_request = unknown;  ///< position in the trace of its next request
};

/// An object is a user's copy in one tier.
struct object_info
{
  user_id user{};                 ///< of a sequence of another space than users': alias_of its key
  std::uint64_t bytes = 0;        ///< what evicting the whole object frees
  token_count tokens = 0;         ///< tokens of the user that the tier holds
  token_count dirty_tokens = 0;   ///< of these, how many no other tier has; 0: clean, and free to drop
  std::uint64_t dirty_bytes = 0;  ///< what writing them back would move
  std::int64_t time_ms = 0;       ///< of the latest request, as callers tell it; 0 when they do not
  double recompute_seconds = 0;   ///< what computing all its tokens anew would take; 0 where no cost model is given
  double fetch_seconds = 0;       ///< what bringing its clean tokens up from the tier below would take; 0 likewise
  bool held = false;              ///< a lease holds it: it cannot go now
  bool requested = true;  ///< with insert: false when no request brings it back since it left under pressure, but
                          ///< a write from the tier above; it has not returned, whatever a ghost says
  reuse_hint hint{};      ///< only with insert and touch; what its spans show lives during the call

  /// What the next request would wait for if the object went now: a fetch, if that is possible and quicker, or a
  /// recomputation.
  [[nodiscard]] constexpr double loss_seconds() const noexcept
  {
    const bool fetched = dirty_tokens == 0 && fetch_seconds > 0;
    return fetched ? (std::min)(fetch_seconds, recompute_seconds) : recompute_seconds;
  }
};

/// What a tier has room for.
struct tier_size
{
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;  ///< at most so many at a time, users' copies: one for each page of the tier, for none is
                              ///< smaller. As a rule far fewer are there; a simulator's may be more than ever come
};

}  // namespace kvstrata
