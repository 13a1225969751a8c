// A tracker that may throw is nobody's: each place that takes a tracker turns it down, each its own watcher.
// With -DKVSTRATA_RIGHT none of them throws, and all of it compiles.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/trackers.hpp>

#ifdef KVSTRATA_RIGHT
constexpr bool right = true;
#else
constexpr bool right = false;
#endif

using namespace kvstrata;

struct my_event
{
};

template <int Place>
struct watcher
{
  void on(const tokens_cleaned&) noexcept(right) {}
};
struct watcher_of_my_event
{
  void on(const my_event&) noexcept(right) {}
  void on(const tokens_cleaned&) noexcept {}
};

static_assert(tracker<watcher<1>>);
static_assert(!tracks<watcher<2>, pressure_met>);  // not one of them may throw, whichever is asked for
void f(watcher<3>& w) { tell(w, pressure_met{}); }
void f(watcher_of_my_event& w) { tell(w, my_event{}); }
void f(watcher<5>& w) { const call_scope during(w, call_name::clean); }
trackers<no_tracker, watcher<6>> several;
device_only_cache<emulated_device, lru, watcher<7>>* cache_with_it = nullptr;
