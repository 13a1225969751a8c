// Between which points of a stream copies lie, for a tracker that wants to know; nothing at all for any other.
#pragma once

#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/transfer/ticket.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Made before the copies of a ticket are queued. Not synchronised.
template <class Residency>
class copy_points
{
  using tracker_type = typename Residency::tracker_type;
  static constexpr bool is_heard = tracks<tracker_type, copies_queued>;

 public:
  /// `streams`: that copies were seen on there; a stream that is not among them has had none. Throws as the device
  /// does.
  copy_points([[maybe_unused]] Residency& r, [[maybe_unused]] std::span<const stream_id> streams)
  {
    if constexpr (is_heard) {
      before_.reserve(streams.size());
      for (const stream_id one : streams) before_.push_back(r.device().record(one));
    }
  }

  /// They are queued: `what` says of what kind they are.
  template <class Event>
  void told(Residency& r, [[maybe_unused]] const ticket& t, const Event& what) const noexcept
  {
    tell(r.tracker(), what);
    if constexpr (is_heard) {
      if (t.empty()) return;
      const event last = t.last();
      const auto found =
          std::find_if(before_.begin(), before_.end(), [last](event one) { return one.stream == last.stream; });
      tell_between(r, found == before_.end() ? 0 : found->sequence, last, !std::is_same_v<Event, bytes_offloaded>);
    }
  }

  /// Tells of copies by themselves.
  static void tell_between([[maybe_unused]] Residency& r, [[maybe_unused]] std::uint64_t after,
                           [[maybe_unused]] event last, [[maybe_unused]] bool up) noexcept
  {
    if constexpr (is_heard) {
      r.tracker().on(copies_queued{.stream = static_cast<std::uint32_t>(last.stream),
                                   .after = after,
                                   .last = last.sequence,
                                   .up = up,
                                   .cause = r.acting().whom_copies()});
    }
  }

 private:
  struct nothing
  {
  };
  [[no_unique_address]] std::conditional_t<is_heard, std::vector<event>, nothing> before_;
};

}  // namespace kvstrata
