// A stream as the simulation of virtual time sees it.
#pragma once

#include <kvstrata/device/emulated/operation.hpp>
#include <kvstrata/device/event.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace kvstrata::emulated {

struct virtual_lane
{
  /// A stream whose front waits for a place on this one.
  struct waiter
  {
    std::uint64_t sequence;
    stream_id stream;
  };

  std::string name;
  std::deque<operation> queue;  // the front runs, or waits to
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

  /// The front is over at `time`. The streams whose fronts waited for it.
  [[nodiscard]] std::vector<stream_id> pop_front(double time)
  {
    completed = queue.front().sequence;
    free_at = time;
    queue.pop_front();
    std::vector<stream_id> released;
    for (std::size_t i = 0; i < blocked.size();) {
      if (blocked[i].sequence <= completed) {
        released.push_back(blocked[i].stream);
        blocked.erase(blocked.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    return released;
  }
};

}  // namespace kvstrata::emulated
