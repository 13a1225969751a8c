// An nvme_file without a device: what it does with an I/O, from whatever thread.
#pragma once

#include <kvstrata/tiers/nvme/calls/ask.hpp>
#include <kvstrata/tiers/nvme/calls/get.hpp>
#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/codes/encode_put.hpp>
#include <kvstrata/tiers/nvme/codes/promised_put.hpp>
#include <kvstrata/tiers/nvme/upkeep/make_room.hpp>
#include <kvstrata/tiers/nvme/upkeep/open_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/verify.hpp>
#include <kvstrata/tiers/nvme/upkeep/waiting_puts.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// All calls may come from several threads. Calls into it are made by whoever carries I/Os out, and it calls nobody back.
class record_store
{
 public:
  /// Opens or makes the file. `tidies_itself`: a thread of its own seals and reclaims regions; else carry_out does, at its
  /// end. Throws config_error for nonsense, error where the medium or what is on it refuses.
  record_store(const nvme_file_config& config, bool tidies_itself) : core_(open_core_sync(config))
  {
    if (!tidies_itself) {
      tidy();
      return;
    }
    while (tidy_once()) {  // so that there is room for the first put
      if (is_ready()) break;
    }
    tidier_ = std::thread([this] { work(); });
  }
  record_store(const record_store&) = delete;
  record_store& operator=(const record_store&) = delete;
  ~record_store() { stop(); }

  [[nodiscard]] found_record find(const sequence_key& key)
  {
    const std::lock_guard lock(core_->mutex);
    return core_->books.find(key);
  }

  /// An I/O is asked for. False: there is no room for it, nor will there be soon, and nothing has changed.
  [[nodiscard]] bool begin(nvme_io& io)
  {
    bool begun = begin_now(io, tidier_.joinable());
    if (!begun && !tidier_.joinable()) {
      tidy();
      begun = begin_now(io, true);
    }
    if (begun) {
      io.whom = this;
      io.carry_out = [](void* whom, nvme_io& what) noexcept { static_cast<record_store*>(whom)->carry_out(what); };
      io.abandon = [](void* whom, nvme_io& what) noexcept { static_cast<record_store*>(whom)->abandon(what); };
    }
    if (!begun || io.waits) tidy_soon();
    return begun;
  }

  /// Blocks until it is done, or lost.
  void carry_out(nvme_io& io) noexcept
  {
    try {
      io.outcome.why = outcome_of_sync(io);
    } catch (const std::exception&) {  // no memory
      io.outcome.why = loss::io_error;
    }
    {
      const std::lock_guard lock(core_->mutex);
      end_promise(*core_, io);
      core_->books.ended(io);
    }
    tidy_soon();
  }

  /// May block where very many erasures wait to be written.
  void erase(const sequence_key& key) noexcept
  {
    for (;;) {
      {
        const std::lock_guard lock(core_->mutex);
        store_books& books = core_->books;
        books.erase(key);
        try {
          books.erasures.push_back({.what = erasure::kind::sequence, .key = key, .order = books.next_order()});
          ++books.counts.erasures;
          return;
        } catch (const std::bad_alloc&) {  // room is made by writing what waits
        }
      }
      try {
        if (!commit_sync(*core_)) return;
      } catch (const std::exception&) {
        return;  // it is forgotten here; nothing can be written down
      }
    }
  }

  /// Tokens of a sequence, from the begin of its newest record's stretch, that a crash does not lose: where they end. 0: none.
  [[nodiscard]] token_count durable_tokens(const sequence_key& key)
  {
    const std::lock_guard lock(core_->mutex);
    return core_->books.durable_tokens(key);
  }

  [[nodiscard]] store_figures_now figures() const
  {
    const std::lock_guard lock(core_->mutex);
    const store_books& books = core_->books;
    return {.counts = books.counts,
            .recovery = core_->recovery,
            .engine = core_->engine->figures(),
            .engine_name = core_->engine->name(),
            .records = books.index.size(),
            .index_bytes = books.index.bytes(),
            .regions = books.regions.size() - books.regions.first(),
            .clean_regions = books.regions.clean(),
            .waiting = core_->waiting.size(),
            .durable_order = books.durable_order};
  }
  [[nodiscard]] tier_size size() const noexcept
  {
    const region_book& regions = core_->books.regions;  // what is asked never changes
    return {.bytes = std::uint64_t{regions.size() - regions.first()} * core_->config.region_bytes,
            .objects = core_->books.index.capacity()};
  }
  [[nodiscard]] block_engine& engine() noexcept { return *core_->engine; }
  [[nodiscard]] const nvme_file_config& config() const noexcept { return core_->config; }

  /// Blocks until all is durable, and written down that it is, or the medium fails. No tidying any more.
  void close_sync() noexcept
  {
    stop();
    try {
      if (commit_sync(*core_)) write_mark_sync(*core_);
    } catch (const std::exception&) {  // what was durable is
    }
  }
  void stop() noexcept
  {
    {
      const std::lock_guard lock(tidy_mutex_);
      stops_ = true;
    }
    more_.notify_all();
    if (tidier_.joinable()) tidier_.join();
    const std::lock_guard lock(core_->mutex);
    place_waiting(*core_, true);
  }

 private:
  [[nodiscard]] loss outcome_of_sync(nvme_io& io)
  {
    switch (io.what) {
      case nvme_io::kind::ask: return ask_sync(*core_, io);
      case nvme_io::kind::get: return get_sync(*core_, io);
      case nvme_io::kind::flush: return flush_sync() ? loss::none : loss::io_error;
      case nvme_io::kind::put: break;
    }
    if (core_->config.code) {
      const bool can_wait = tidier_.joinable();
      if (!encode_and_place(*core_, io, can_wait, [this] { tidy(); })) return loss::no_room;
      if (can_wait) tidy_soon();
    }
    if (!wait_for_places_sync(*core_, io)) return loss::no_room;
    if (!put_sync(*core_, io)) return loss::io_error;
    if (core_->config.done_when == put_done::written) return loss::none;
    {  // over, as far as the books are concerned: else no flush could say that all up to it is durable
      const std::lock_guard lock(core_->mutex);
      core_->books.ended(io);
    }
    if (!commit_sync(*core_)) return loss::io_error;
    const std::lock_guard lock(
        core_->mutex);  // another's flush may have failed before, and the last one has nothing of it
    return core_->books.failed_flushes == io.failed_flushes ? loss::none : loss::io_error;
  }

  /// Blocks until all is durable. False: not all is, or something was lost since the last time that this was asked.
  [[nodiscard]] bool flush_sync()
  {
    const bool well = commit_sync(*core_);
    const std::lock_guard lock(core_->mutex);
    return std::exchange(told_failures_, core_->books.failed_flushes) == core_->books.failed_flushes && well;
  }

  /// Nobody carries it out.
  void abandon(nvme_io& io) noexcept
  {
    const std::lock_guard lock(core_->mutex);
    if (io.waits) forget_waiting(*core_, io);
    else
      for (const chunk& c : io.chunks) core_->books.regions.written(c.place);
    end_promise(*core_, io);
    core_->books.ended(io);
  }

  /// Is there room for puts?
  [[nodiscard]] bool is_ready() const
  {
    const std::lock_guard lock(core_->mutex);
    return core_->books.regions.clean() >= (std::min)(core_->clean_regions, least_clean_regions);
  }

  /// `last`: it is refused where there is no place.
  [[nodiscard]] bool begin_now(nvme_io& io, bool last)
  {
    const std::lock_guard lock(core_->mutex);
    const bool begun = io.what != nvme_io::kind::put || begin_put(*core_, io, tidier_.joinable());
    if (begun) core_->books.begun(io);
    else if (last) ++core_->books.counts.refused;
    return begun;
  }

  /// One thing of those that are to be done. False: there is none.
  bool tidy_once() noexcept
  {
    try {
      return room_once() || verify_all_sync(*core_) || write_many_sync();
    } catch (const std::exception&) {  // no memory: later
      return false;
    }
  }
  bool room_once()
  {
    {
      const std::lock_guard lock(core_->mutex);
      core_->makes_room = true;
    }
    bool done = false;
    try {
      done = make_room_sync(*core_);
    } catch (const std::exception&) {  // no memory
    }
    const std::lock_guard lock(core_->mutex);
    core_->makes_room = false;
    place_waiting(*core_, !done);
    return done;
  }
  /// Writes erasures down where many wait for a flush.
  bool write_many_sync()
  {
    constexpr std::size_t many = 4096;
    {
      const std::lock_guard lock(core_->mutex);
      if (core_->books.erasures.size() < many) return false;
    }
    return commit_sync(*core_);
  }
  void tidy() noexcept
  {
    const std::lock_guard lock(tidying_);
    while (tidy_once()) {
    }
  }

  void tidy_soon() noexcept
  {
    if (!tidier_.joinable()) return tidy();
    {
      const std::lock_guard lock(tidy_mutex_);
      wanted_ = true;
    }
    more_.notify_one();
  }
  void work() noexcept
  {
    std::unique_lock lock(tidy_mutex_);
    for (;;) {
      more_.wait(lock, [this] { return stops_ || wanted_; });
      if (stops_) return;
      wanted_ = false;
      lock.unlock();
      tidy();
      lock.lock();
    }
  }

  std::unique_ptr<store_core> core_;
  std::uint64_t told_failures_ = 0;  // of flushes, to somebody who flushed; the core's lock is held
  std::mutex tidying_;
  std::mutex tidy_mutex_;  // the rest
  std::condition_variable more_;
  bool stops_ = false;
  bool wanted_ = true;
  std::thread tidier_;
};

}  // namespace kvstrata::nvme
