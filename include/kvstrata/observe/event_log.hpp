// A tracker that hands each event to a function, as a line: for a server's own log.
//
//   cache.tracker().get<event_log>().use_sink([](std::string_view line) { spdlog::debug("{}", line); });
#pragma once

#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/event_fields.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Without a function an event costs a load. Every member may be called from any thread.
class event_log
{
 public:
  /// Called under the cache's lock: it must not call the cache, and what takes long holds up whoever calls that. What it
  /// throws is lost. An empty function: none.
  void use_sink(std::function<void(std::string_view)> sink)
  {
    const std::lock_guard lock(mutex_);
    sink_ = std::move(sink);
    any_.store(static_cast<bool>(sink_), std::memory_order_relaxed);
  }

  template <recorded_event Event>
  void on(const Event& e) noexcept
  {
    if (!any_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    try {
      if (sink_) sink_(to_string(record_of(e)));
    } catch (...) {  // a log that fails is no affair of the cache's
    }
  }

 private:
  std::mutex mutex_;
  std::function<void(std::string_view)> sink_;
  std::atomic<bool> any_{false};
};

static_assert(tracks<event_log, tokens_evicted> && tracks<event_log, pressure_met>);

}  // namespace kvstrata
