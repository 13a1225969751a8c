// Who watches the cache. A tracker is told what happened, under the cache's lock, after it happened.
//
// expression            meaning
// --------------------- ----------------------------------------------------------------------------------------
// T t;                  a tracker that has seen nothing
// t.on(event)           one of the events of observe/events.hpp, taken by value or as const. noexcept: a tracker is told
//                       in the midst of a change, which a throw would leave half done. One that may throw does not
//                       compile. A tracker that lacks an overload is not told of that event, and what it would cost to
//                       tell is not spent. One that would hear of nothing does not compile: no on() takes an event, or
//                       one of them only where it could change it. Who wants that says no_tracker, or derives from it
//
// A tracker that runs out of memory, or of anything else, leaves out what it cannot keep. An empty tracker takes no room
// in the cache. It is called by whichever thread calls the cache; what other threads read of it meanwhile is for it to
// protect. Minimum model: no_tracker.
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
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Listens for an event: some overload of on() takes it.
template <class T, class Event>
concept listens_for = requires(T& t, const Event& e) { t.on(e); };

/// Does not throw when it is told of an event, or is not told of it.
template <class T, class Event>
concept hears_without_throwing = !listens_for<T, Event> || requires(T& t, const Event& e) {
  { t.on(e) } noexcept;
};

/// Watches nothing, costs nothing.
struct no_tracker
{
};

/// Would take an event only if it might change it.
template <class T, class Event>
concept listens_to_change = !listens_for<T, Event> && requires(T& t, Event& e) { t.on(e); };

namespace detail {

/// Refuses with a sentence. Were it only a concept that fails, a tracker that may throw would pass for one that does not
/// listen.
template <class T, class Event>
struct refuse_listener
{
  static_assert(hears_without_throwing<T, Event>,
                "a tracker's on(event) must be noexcept: it is told in the midst of a change to the cache, and a throw "
                "there would leave the change half done");
  static_assert(!listens_to_change<T, Event>,
                "a tracker's on(event) must take the event by value or as const: it would not be told of it");
  static constexpr bool value = true;
};

template <class T, class Events>
inline constexpr bool refuses_listeners = false;
template <class T, class... Events>
inline constexpr bool refuses_listeners<T, event_list<Events...>> = (refuse_listener<T, Events>::value && ...);

template <class T, class Events>
inline constexpr bool listens = false;
template <class T, class... Events>
inline constexpr bool listens<T, event_list<Events...>> = (listens_for<T, Events> || ...);

/// Trackers that tell others may have nobody to tell.
template <class T>
inline constexpr bool tells_others = false;

/// Refuses with a sentence.
template <class T>
struct refuse_deafness
{
  static_assert(
      listens<T, tracker_events> || std::derived_from<T, no_tracker> || tells_others<T>,
      "a tracker must have an on(event) for one of the events of observe/events.hpp at least, or be no_tracker: "
      "it would be told nothing");
  static constexpr bool value = true;
};

}  // namespace detail

/// Where only an on() that may throw, or that would not be called, is in the way, the program does not compile, and is told
/// why.
template <class T>
concept tracker = std::default_initializable<T> && std::is_class_v<T> && detail::refuses_listeners<T, tracker_events> &&
                  detail::refuse_deafness<T>::value;

template <class T, class Event>
concept tracks = tracker<T> && detail::refuse_listener<T, Event>::value && listens_for<T, Event>;

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

static_assert(tracker<no_tracker> && !tracks<no_tracker, batch_prepared>);

}  // namespace kvstrata
