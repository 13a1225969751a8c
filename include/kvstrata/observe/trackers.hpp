// Several trackers at once: cache<..., trackers<counters, timeline>>.
#pragma once

#include <kvstrata/observe/concepts.hpp>

#include <tuple>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Tells each event to those of its members that listen for it, in the order in which they stand. What none of them
/// listens for is not told at all. Empty when all members are.
template <tracker... Trackers>
class trackers
{
 public:
  template <class Event>
    requires(tracks<Trackers, Event> || ...)
  void on(const Event& e) noexcept
  {
    std::apply([&e](Trackers&... each) { (tell(each, e), ...); }, all_);
  }

  /// The member of that type; it occurs once.
  template <class T>
  [[nodiscard]] T& get() noexcept
  {
    return std::get<T>(all_);
  }
  template <class T>
  [[nodiscard]] const T& get() const noexcept
  {
    return std::get<T>(all_);
  }

 private:
  [[no_unique_address]] std::tuple<Trackers...> all_;
};

template <tracker... Trackers>
inline constexpr bool detail::tells_others<trackers<Trackers...>> = true;

static_assert(tracker<trackers<>> && tracker<trackers<no_tracker>>);
static_assert(!tracks<trackers<no_tracker>, batch_prepared>);

}  // namespace kvstrata
