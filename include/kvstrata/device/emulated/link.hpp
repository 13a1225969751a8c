// The links of an emulated device, one for each way of passing time: whoever copies holds the link of a direction.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/emulated/draw.hpp>
#include <kvstrata/device/event.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// The number of the link of a route to or from the device.
[[nodiscard]] constexpr std::size_t link_number(copy_route route) noexcept
{
  return route == copy_route::to_device ? 0 : 1;
}

/// Real time: the time account of one link. It runs ahead of or behind the clock; what it says on average is right even
/// though a thread cannot sleep for a few microseconds.
class link_account
{
 public:
  /// Need an operation that is ready at `ready` not wait for the link, nor hold it?
  [[nodiscard]] bool is_free(double ready, double seconds) const noexcept
  {
    return seconds <= 0 && free_at_.load(std::memory_order_relaxed) <= ready;
  }

  /// Books an operation that is ready at `ready`; the time at which it is over.
  [[nodiscard]] double book(double ready, double seconds)
  {
    const std::lock_guard lock(mutex_);
    const double from = free_at_.load(std::memory_order_relaxed);
    const double until = (ready > from ? ready : from) + seconds;
    free_at_.store(until, std::memory_order_relaxed);
    return until;
  }

 private:
  std::mutex mutex_;
  std::atomic<double> free_at_{0};
};

/// Virtual time: who waits for one link, or for the multiprocessors where kernels share them.
class link_queue
{
 public:
  struct place
  {
    stream_id stream{};
    std::uint64_t sequence = 0;
  };

  /// Room for the fronts of so many streams: standing in line cannot fail then.
  void reserve(std::size_t streams) { line_.reserve(streams); }

  void stand(place who) { line_.push_back(who); }
  [[nodiscard]] bool empty() const noexcept { return line_.empty(); }

  /// The first to have come. Not to be called when empty.
  [[nodiscard]] place first() { return leave(0); }
  /// One drawn from the seed. A stream stands here at most once, with the front of its queue, so that no order drawn
  /// here changes a stream's own. Not to be called when empty.
  [[nodiscard]] place drawn(std::uint64_t seed)
  {
    constexpr std::uint64_t purpose = 3;
    std::size_t chosen = 0;
    std::uint64_t least = draw(seed, line_[0].stream, line_[0].sequence, purpose);
    for (std::size_t i = 1; i < line_.size(); ++i) {
      const std::uint64_t number = draw(seed, line_[i].stream, line_[i].sequence, purpose);
      if (number >= least) continue;
      least = number;
      chosen = i;
    }
    return leave(chosen);
  }

  bool taken = false;   ///< somebody holds the link
  bool called = false;  ///< an appointment is made to choose who takes it

 private:
  place leave(std::size_t number)
  {
    const place who = line_[number];
    line_.erase(line_.begin() + static_cast<std::ptrdiff_t>(number));
    return who;
  }

  std::vector<place> line_;  // as long as there are streams, at most
};

}  // namespace kvstrata::emulated
