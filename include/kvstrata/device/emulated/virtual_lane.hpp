// A stream as the simulation of virtual time sees it.
#pragma once

#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/event.hpp>
#include <kvstrata/device/host_line.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

struct virtual_lane
{
  /// A stream whose front waits for a place on this one, or a late answer that does (late_answers.hpp).
  struct waiter
  {
    std::uint64_t sequence;
    stream_id stream;
  };

  std::string name;
  std::unique_ptr<detail::host_line> host;  // of a host stream, whose queue stays empty
  std::deque<operation> queue;              // the front runs, or waits to
  std::uint64_t enqueued = 0;
  std::uint64_t completed = 0;
  double free_at = 0;  // when the last completed operation was over
  double began = 0;    // when the front got what it needs
  std::vector<waiter> blocked;
  stall_meter stalls;
  double busy = 0;
  double stalled = 0;

  /// Since when the front has been the front, and queued.
  [[nodiscard]] double front_since() const
  {
    const double queued_at = queue.front().queued_at;
    return queued_at > free_at ? queued_at : free_at;
  }

  /// The front is over at `time`.
  void pop_front(double time)
  {
    completed = queue.front().sequence;
    free_at = time;
    queue.pop_front();
  }

  /// A stream whose front waits no longer, the first to have come; it is not blocked any more.
  [[nodiscard]] std::optional<stream_id> release()
  {
    const auto first =
        std::find_if(blocked.begin(), blocked.end(), [this](const waiter& one) { return one.sequence <= completed; });
    if (first == blocked.end()) return std::nullopt;
    const stream_id stream = first->stream;
    blocked.erase(first);
    return stream;
  }
};

}  // namespace kvstrata::emulated
