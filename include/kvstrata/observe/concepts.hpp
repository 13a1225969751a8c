// Who watches the cache. A tracker is told what happened, under the cache's lock, after it happened.
//
// expression            meaning
// --------------------- ----------------------------------------------------------------------------------------
// T t;                  a tracker that has seen nothing
// t.on(event)           one of the events of observe/events.hpp. A tracker that lacks an overload is not told of that
//                       event, and what it would cost to tell is not spent
//
// An empty tracker takes no room in the cache. It is called by whichever thread calls the cache; what other threads
// read of it meanwhile is for it to protect. Minimum model: no_tracker.
//
//   no_tracker   watches nothing, costs nothing
//   counters     counts, and can be read at any time (observe/counters.hpp); as text for Prometheus: observe/prometheus.hpp
//   timeline     a picture of one run for Perfetto or Chrome (observe/timeline.hpp)
//   nvtx         ranges and marks in NVIDIA's profilers, where CUDA is (observe/nvtx.hpp)
//   trackers     several of them at once (observe/trackers.hpp)
#pragma once

#include <kvstrata/observe/events.hpp>

#include <concepts>

namespace kvstrata {

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

/// Tells a tracker when a call into the cache begins and when it ends, however it ends.
template <tracker T>
class call_scope
{
 public:
  call_scope(T& who, call_name name) : who_(&who), name_(name) { tell(*who_, call_began{name_}); }
  call_scope(const call_scope&) = delete;
  call_scope& operator=(const call_scope&) = delete;
  ~call_scope() { tell(*who_, call_ended{name_}); }

 private:
  T* who_;
  call_name name_;
};

/// Watches nothing, costs nothing.
struct no_tracker
{
};

static_assert(tracker<no_tracker> && !tracks<no_tracker, batch_prepared>);

}  // namespace kvstrata
