// Who watches the cache. A tracker is told what happened, under the cache's lock, after it happened.
//
// expression            meaning
// --------------------- ----------------------------------------------------------------------------------------
// T t;                  a tracker that has seen nothing
// t.on(event)           one of the events below. A tracker that lacks an overload is not told of that event, and what
//                       it would cost to tell is not spent
//
// An empty tracker takes no room in the cache. It is called by whichever thread calls the cache; what other threads
// read of it meanwhile is for it to protect. Minimum model: no_tracker. Models: no_tracker, counters.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <concepts>
#include <cstdint>

namespace kvstrata {

/// Levels of the hierarchy, from the top.
enum class tier_level : std::uint8_t { device, lower };

/// A batch came under a lease. Tokens by where they come from; together they are the histories of the batch.
struct batch_prepared
{
  std::uint64_t requests = 0;
  std::uint64_t device_tokens = 0;
  std::uint64_t lower_tokens = 0;
  std::uint64_t computed_tokens = 0;
};

/// Tokens were committed: computed in a lease, valid from now on.
struct batch_committed
{
  std::uint64_t tokens = 0;
};

/// A transfer was queued.
struct bytes_onloaded
{
  std::uint64_t bytes = 0;
  std::uint64_t copies = 0;
};
struct bytes_offloaded
{
  std::uint64_t bytes = 0;
  std::uint64_t copies = 0;
};

/// Tokens left a tier under pressure. `dropped` of them were nowhere else.
struct tokens_evicted
{
  tier_level from = tier_level::device;
  std::uint64_t tokens = 0;
  std::uint64_t dropped = 0;
};

/// The lower tier had no room for tokens that the write policy wanted there. They stay dirty on the device.
struct offload_refused
{
  std::uint64_t tokens = 0;
};

/// A call was turned away; see result.hpp.
struct pressure_met
{
};

template <class T>
concept tracker = std::default_initializable<T>;

template <class T, class Event>
concept tracks = tracker<T> && requires(T& t, const Event& e) { t.on(e); };

/// Tells a tracker of an event if it listens for it.
template <class Event, tracker T>
constexpr void tell([[maybe_unused]] T& who, [[maybe_unused]] const Event& what)
{
  if constexpr (tracks<T, Event>) who.on(what);
}

/// Watches nothing, costs nothing.
struct no_tracker
{
};

static_assert(tracker<no_tracker> && !tracks<no_tracker, batch_prepared>);

}  // namespace kvstrata
