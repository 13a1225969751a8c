// A tracker that may throw is nobody's: each place that takes a tracker, chosen by KVSTRATA_CASE, turns it down.
// With -DKVSTRATA_NOEXCEPT=noexcept all of them compile.
#if KVSTRATA_CASE == 7
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#endif
#include <kvstrata/observe/trackers.hpp>

#ifndef KVSTRATA_NOEXCEPT
#define KVSTRATA_NOEXCEPT
#endif

using namespace kvstrata;

struct my_event
{
};

struct watcher
{
  void on(const tokens_cleaned&) KVSTRATA_NOEXCEPT {}
};
struct watcher_of_my_event
{
  void on(const my_event&) KVSTRATA_NOEXCEPT {}
};

#if KVSTRATA_CASE == 1
static_assert(tracker<watcher>);
#elif KVSTRATA_CASE == 2
static_assert(!tracks<watcher, pressure_met>);  // not one of them may throw, whichever is asked for
#elif KVSTRATA_CASE == 3
void f(watcher& w) { tell(w, pressure_met{}); }
#elif KVSTRATA_CASE == 4
void f(watcher_of_my_event& w) { tell(w, my_event{}); }
#elif KVSTRATA_CASE == 5
void f(watcher& w) { const call_scope during(w, call_name::clean); }
#elif KVSTRATA_CASE == 6
trackers<no_tracker, watcher> several;
#elif KVSTRATA_CASE == 7
device_only_cache<emulated_device, lru, watcher>* cache_with_it = nullptr;
#else
#error "which case?"
#endif
