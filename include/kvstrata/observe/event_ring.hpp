// A tracker that keeps the last events, to be looked at when something was slow: who evicted whom, and for which batch.
//
//   cache<..., trackers<counters, event_ring<4096>>> c(...);
//   ...
//   c.tracker().get<event_ring<4096>>().write(std::cerr);
#pragma once

#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/event_fields.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <ostream>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Keeps the newest `Events`, each in the order in which it was told. Its memory (some 500 bytes an event) is had when it is
/// made, so that keeping one cannot fail. Every member may be called from any thread.
template <std::size_t Events = 1024>
  requires(Events > 0)
class event_ring
{
 public:
  event_ring() : kept_(Events) {}

  template <recorded_event Event>
  void on(const Event& e) noexcept
  {
    const event_record what = record_of(e);
    const std::lock_guard lock(mutex_);
    kept_[told_++ % Events] = what;
  }

  /// Events that were told so far.
  [[nodiscard]] std::uint64_t told() const
  {
    const std::lock_guard lock(mutex_);
    return told_;
  }

  /// Those that are kept, the oldest first.
  [[nodiscard]] std::vector<event_record> last() const
  {
    const std::lock_guard lock(mutex_);
    return ordered();
  }

  /// Writes them down, a line each, with their numbers: "#17 tokens_evicted user=7 ...". The cache waits only while they are
  /// copied.
  void write(std::ostream& out) const
  {
    std::unique_lock lock(mutex_);
    const std::vector<event_record> all = ordered();
    std::uint64_t number = told_ - all.size();
    lock.unlock();
    for (const event_record& e : all) out << '#' << std::to_string(number++) << ' ' << to_string(e) << '\n';
  }

  void clear()
  {
    const std::lock_guard lock(mutex_);
    told_ = 0;
  }

 private:
  [[nodiscard]] std::vector<event_record> ordered() const
  {
    std::vector<event_record> out;
    const std::uint64_t first = told_ > Events ? told_ - Events : 0;
    out.reserve(told_ - first);
    for (std::uint64_t i = first; i < told_; ++i) out.push_back(kept_[i % Events]);
    return out;
  }

  mutable std::mutex mutex_;
  std::vector<event_record> kept_;
  std::uint64_t told_ = 0;
};

static_assert(tracks<event_ring<>, tokens_evicted> && tracks<event_ring<>, cache_built>);

}  // namespace kvstrata
