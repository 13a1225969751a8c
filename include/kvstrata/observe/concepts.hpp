// Who watches the cache. A tracker is told what happened, under the cache's lock, after it happened.
//
// expression            meaning
// --------------------- ----------------------------------------------------------------------------------------
// T t;                  a tracker that has seen nothing
// t.on(event)           one of the events of observe/events.hpp, taken by value or as const. noexcept: a tracker is told
//                       in the midst of a change, which a throw would leave half done. One that may throw does not
//                       compile. A tracker that lacks an overload is not told of that event, and what it would cost to
//                       tell is not spent
//
// A tracker that runs out of memory, or of anything else, leaves out what it cannot keep. An empty tracker takes no room in the cache. It is called by whichever thread calls the cache; what other threads
// read of it meanwhile is for it to protect. Minimum model: no_tracker.
//
//   no_tracker   watches nothing, costs nothing
//   counters     counts, and can be read at any time (observe/counters.hpp); as text for Prometheus: observe/prometheus.hpp
//   latencies    how long calls and stalls take, as histograms (observe/latencies.hpp)
//   timeline     a picture of one run for Perfetto or Chrome (observe/timeline.hpp)
//   nvtx         ranges and marks in NVIDIA's profilers, where CUDA is (observe/nvtx.hpp)
//   trackers     several of them at once (observe/trackers.hpp)
//   tracker_ref  one that is elsewhere, and may be shared by caches (observe/tracker_ref.hpp)
#pragma once

#include <kvstrata/observe/events.hpp>

#include <concepts>

namespace kvstrata {

/// Listens for an event: some overload of on() takes it.
template <class T, class Event>
concept listens_for = requires(T& t, const Event& e) { t.on(e); };

/// Does not throw when it is told of an event, or is not told of it.
template <class T, class Event>
concept hears_without_throwing = !listens_for<T, Event> || requires(T& t, const Event& e) {
  { t.on(e) } noexcept;
};

namespace detail {

/// Refuses with a sentence. Were it only a concept that fails, a tracker that may throw would pass for one that does not
/// listen.
template <class T, class Event>
struct refuse_to_throw
{
  static_assert(hears_without_throwing<T, Event>,
                "a tracker's on(event) must be noexcept: it is told in the midst of a change to the cache, and a throw "
                "there would leave the change half done");
  static constexpr bool value = true;
};

template <class T, class Events>
inline constexpr bool refuses_to_throw = false;
template <class T, class... Events>
inline constexpr bool refuses_to_throw<T, event_list<Events...>> = (refuse_to_throw<T, Events>::value && ...);

}  // namespace detail

/// Where only an on() that may throw is in the way, the program does not compile, and is told why.
template <class T>
concept tracker = std::default_initializable<T> && detail::refuses_to_throw<T, tracker_events>;

template <class T, class Event>
concept tracks = tracker<T> && detail::refuse_to_throw<T, Event>::value && listens_for<T, Event>;

/// Tells a tracker of an event if it listens for it.
template <class Event, tracker T>
constexpr void tell([[maybe_unused]] T& who, [[maybe_unused]] const Event& what) noexcept
{
  if constexpr (tracks<T, Event>) who.on(what);
}

/// Tells a tracker when a call into the cache begins and when it ends, however it ends.
template <tracker T>
class call_scope
{
 public:
  call_scope(T& who, call_name name) noexcept : who_(&who), name_(name) { tell(*who_, call_began{name_}); }
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
