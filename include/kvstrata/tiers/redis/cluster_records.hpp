// A redis_cluster without a device: what it does with an I/O, from whatever thread.
#pragma once

#include <kvstrata/tiers/redis/calls/ask.hpp>
#include <kvstrata/tiers/redis/calls/erase.hpp>
#include <kvstrata/tiers/redis/calls/get.hpp>
#include <kvstrata/tiers/redis/calls/put.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// All calls may come from several threads. One of its own carries erasures out, and reads the slots again where that is wanted.
class cluster_records
{
 public:
  /// Throws config_error for nonsense, error where no server tells of a cluster.
  explicit cluster_records(const redis_cluster_config& c) : core_(checked(c)), tidier_([this] { work(); }) {}
  cluster_records(const cluster_records&) = delete;
  cluster_records& operator=(const cluster_records&) = delete;
  ~cluster_records() { stop(); }

  [[nodiscard]] const redis_cluster_config& config() const noexcept { return core_.config; }

  [[nodiscard]] found_record find(const sequence_key& key)
  {
    const std::lock_guard lock(core_.mutex);
    if (core_.erasure_of(key) != nullptr) return {};
    const known_sequence* const mine = core_.known.find(key);
    if (mine == nullptr || mine->until <= clock::now()) return {.is = found_record::knowledge::unknown};
    if (mine->what == nullptr) return {};
    return {found_record::knowledge::present, mine->what->header};
  }

  /// Blocks until it is done, or lost, within the time that a request may take.
  void carry_out(cluster_io& io) noexcept
  {
    try {
      io.outcome.why = outcome_of_sync(io);
    } catch (const std::exception&) {  // no memory
      io.outcome.why = loss::io_error;
    }
    if (core_.servers.wants_slots()) more_.notify_one();
  }

  /// It is not found here from now on, nor by anybody once the tidier has told the cluster. Does not wait for that.
  void erase(const sequence_key& key) noexcept
  {
    try {
      const std::lock_guard lock(core_.mutex);
      if (waiting_erasure* const mine = core_.erasure_of(key)) mine->again = true;
      else core_.erasures.push_back({.key = key});
    } catch (const std::exception&) {  // no memory to remember it: now, then
      try {
        static_cast<void>(erase_sync(core_, key));
      } catch (const std::exception&) {
      }
    }
    more_.notify_one();
  }

  [[nodiscard]] cluster_figures figures()
  {
    const std::lock_guard lock(core_.mutex);
    const auto slots = core_.servers.slots();
    return {.counts = core_.counters.now(),
            .servers = slots->masters().size(),
            .served_slots = slots->served(),
            .waiting_erasures = core_.erasures.size(),
            .known_sequences = core_.known.size()};
  }

  /// Tells the cluster of erasures that wait, once more. Nothing is done any more then.
  void close_sync() noexcept
  {
    static_cast<void>(settle_all_sync());
    stop();
  }

 private:
  static const redis_cluster_config& checked(const redis_cluster_config& c)
  {
    check(c);
    return c;
  }

  [[nodiscard]] loss outcome_of_sync(cluster_io& io)
  {
    if (io.what == cluster_io::kind::flush) return settle_all_sync() ? loss::none : loss::io_error;
    if (!settle_erasure_sync(core_, io.key)) return io.what == cluster_io::kind::ask ? loss::none : loss::timeout;
    switch (io.what) {
      case cluster_io::kind::ask: return ask_sync(core_, io);
      case cluster_io::kind::get: return io.erased ? loss::gone : get_sync(core_, io);
      default: return put_sync(core_, io);
    }
  }

  /// False: some have not reached the cluster.
  [[nodiscard]] bool settle_all_sync() noexcept
  {
    try {
      std::vector<sequence_key> all;
      {
        const std::lock_guard lock(core_.mutex);
        for (const waiting_erasure& one : core_.erasures) all.push_back(one.key);
      }
      bool well = true;
      for (const sequence_key& key : all) well = settle_erasure_sync(core_, key) && well;
      return well;
    } catch (const std::exception&) {  // no memory
      return false;
    }
  }

  void stop() noexcept
  {
    {
      const std::lock_guard lock(core_.mutex);
      core_.closing = true;
    }
    more_.notify_all();
    if (tidier_.joinable()) tidier_.join();
  }

  void work() noexcept
  {
    bool well = true;
    std::unique_lock lock(core_.mutex);
    while (!core_.closing) {
      // Again and again, but not all the time, where the cluster is away.
      more_.wait_for(lock, std::chrono::milliseconds(well ? 100 : 50), [&] {
        return core_.closing || (well && (!core_.erasures.empty() || core_.servers.wants_slots()));
      });
      if (core_.closing) return;
      const bool erases = !core_.erasures.empty();
      lock.unlock();
      try {
        const bool some_are_away = core_.servers.look_sync(&core_.closing);
        if (core_.servers.wants_slots()) {
          const bool told = core_.servers.refresh_sync(nullptr, &core_.closing);
          if (!told) core_.servers.want_slots();
          well = false;  // what is wanted is wanted by many at once
        } else {
          well = !some_are_away;
        }
        if (erases) well = settle_all_sync() && well;
      } catch (const std::exception&) {  // no memory: later
        well = false;
      }
      lock.lock();
      if (!well && !core_.closing) more_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }

  cluster_core core_;
  std::condition_variable more_;
  std::thread tidier_;
};

}  // namespace kvstrata::redis
