// Brings up what waiting requests will read, while others compute: prefetch from a request queue.
//
//   prefetcher<Cache> ahead(cache, {.budget_pages = 512});
//   const auto turn = ahead.launch(request);  // when it joins the server's queue
//   ahead.poll(now);                          // whenever the server's loop comes by
//   if (ahead.try_wait(turn, now)) {          // may it go?
//     auto lease = ahead.take_if({&turn, 1}, [&] { return cache.prepare({&request, 1}, stream); });
//   }                                         // under pressure it keeps its place, and what came for it
//   ahead.cancel(turn);                       // it left the queue: what came for nobody else is taken back
//
// The words and the stop rules are those of SGLang's HiCache, which prefetches from storage to host memory. Here it is
// from the levels below to the slab, and what is not in time costs no recomputation: prepare brings up the rest.
//
// A history comes in steps, the rear first, so that cancelling and running out of time drop what is not queued yet.
#pragma once

#include <kvstrata/ahead/prefetch_queue.hpp>
#include <kvstrata/ahead/prefetcher_config.hpp>
#include <kvstrata/core/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Works a queue of requests in the order of launching. A request waits for its turn to be prefetched: the next one is
/// begun when all of it is queued, or another lease holds its user. The pages that come are not held: the cache may
/// evict them, or be told to erase or forget the user, and all that is lost is time; figures and budget still count
/// them until the request is taken or cancelled, and every request must be one of the two. Makes no threads; all members
/// may be called from several, one lock serialises them, and the cache's is taken within it (so no tracker may call here).
/// Only wait_sync blocks, or an immediate transfer does. Several requests of one user have a turn each; a call that names
/// a user means all of theirs. The cache must outlive it; destroying it takes nothing back.
template <prefetches_users Cache>
class prefetcher
{
 public:
  using config = prefetcher_config;

  /// Throws config_error when a size is zero, or smaller than what the layout hands out at once.
  prefetcher(Cache& c, const config& sizes) : cache_(&c), queue_(c, checked(c, sizes)) {}
  prefetcher(const prefetcher&) = delete;
  prefetcher& operator=(const prefetcher&) = delete;

  /// The request joins the queue, at its end; nothing is queued on the device yet. The fingerprint is left to prepare;
  /// what the hint shows is copied. Throws usage_error for a deadline that is no number. O(visits of the hint).
  prefetch_ticket launch(const request& r, stop_rule stop)
  {
    require_time(stop);
    const std::lock_guard lock(mutex_);
    return queue_.launch(r, stop);
  }
  prefetch_ticket launch(const request& r) { return launch(r, queue_.sizes().stop); }

  /// A waiting request has become another of the same user (has grown, say): it keeps its place and what has come for it. False
  /// when it waits no more. Throws as launch does, and usage_error for another user. As launch otherwise.
  bool renew(const prefetch_ticket& ticket, const request& r, stop_rule stop)
  {
    require_time(stop);
    if (r.user != ticket.user) {
      throw usage_error("renew: the request is of user " + std::to_string(to_number(r.user)) + ", its ticket of user " +
                        std::to_string(to_number(ticket.user)));
    }
    queue_.require_known(r);
    const std::lock_guard lock(mutex_);
    prefetch_turn* const t = queue_.line().find(ticket);
    if (t != nullptr) t->ask(r, stop);
    return t != nullptr;
  }

  /// Queues the next steps, as far as budget and limits allow. `now`: seconds on any clock. A step that meets pressure
  /// is tried again at the next poll, as one that is too early for a store is; while leases hold too much of the device,
  /// nobody overtakes. A request that the cache throws at (anything but device_error), or that is of an older epoch, is not
  /// prefetched; its prepare will tell why. Throws usage_error for a time that is no number. O(requests that wait).
  void poll(double now)
  {
    require_time(now);
    const std::lock_guard lock(mutex_);
    queue_.queue_steps(now);
  }

  /// May the request go at `now`? True for those that do not wait here. Never blocks. Throws usage_error for a time that is
  /// no number. O(requests of the user).
  [[nodiscard]] bool try_wait(const prefetch_ticket& ticket, double now)
  {
    require_time(now);
    const std::lock_guard lock(mutex_);
    return queue_.lets_go(queue_.line().find(ticket), now);
  }
  /// The same of a user's newest request.
  [[nodiscard]] bool try_wait(user_id user, double now)
  {
    require_time(now);
    const std::lock_guard lock(mutex_);
    return queue_.lets_go(queue_.line().newest(user), now);
  }

  /// Blocks the host until everything has arrived that is not dropped, whatever the request's rule is; meanwhile the queue
  /// goes on, as if polled at the latest time of a poll whenever a step has arrived, and so do other threads' calls. False
  /// when it cannot come to pass by waiting: there is pressure, others hold the budget, or a prepare of theirs (take_if) is
  /// not decided. Requests that do not wait here, or are taken or cancelled meanwhile: true.
  [[nodiscard]] bool wait_sync(const prefetch_ticket& ticket)
  {
    return wait_for_sync([&] { return queue_.line().find(ticket); });
  }
  /// The same of a user's newest request.
  [[nodiscard]] bool wait_sync(user_id user)
  {
    return wait_for_sync([&] { return queue_.line().newest(user); });
  }

  /// Calls prepare(), which returns a result, and takes the batch when that has a value. Where it has none, because of
  /// pressure, or throws, all is as if it had not been called: the requests keep their places, what came for them, and its
  /// part of the budget; they are to be tried again, or cancelled. While prepare() runs nobody behind them overtakes; other
  /// threads' calls here go on, and who cancels one of them meanwhile takes nothing back that its lease has. Tickets of
  /// requests that do not wait here are passed over. Returns what prepare() returns. O(batch) here.
  template <class Prepare>
  [[nodiscard]] auto take_if(std::span<const prefetch_ticket> batch, Prepare&& prepare)
  {
    departure going(*this, batch);
    auto came = prepare();
    going.goes = static_cast<bool>(came);
    return came;
  }

  /// The request goes to prepare now, whatever becomes of it: forgets it, drops what is not queued yet and gives its budget
  /// back. To be called before prepare, which takes what is still on its way as it comes. Returns the tokens that have
  /// arrived: 0 for requests that do not wait here. O(requests of the user).
  std::uint64_t take(const prefetch_ticket& ticket)
  {
    const std::lock_guard lock(mutex_);
    return queue_.take(ticket);
  }
  /// The same of all that the user has here.
  std::uint64_t take(user_id user)
  {
    const std::lock_guard lock(mutex_);
    return queue_.take(user);
  }

  /// The request will not come: forgets it and drops what is not queued yet. Where another request of the user waits, that
  /// has what came; else the cache takes it back, as far as nobody has read it (cache::undo_prefetch says when it cannot), and
  /// its budget is given back. Returns the tokens that left the device. O(requests of the user) here.
  std::uint64_t cancel(const prefetch_ticket& ticket)
  {
    const std::lock_guard lock(mutex_);
    return queue_.cancel(ticket);
  }
  /// The same of all that the user has here.
  std::uint64_t cancel(user_id user)
  {
    const std::lock_guard lock(mutex_);
    return queue_.cancel(user);
  }

  /// What it has done, and what waits at this moment, as one.
  [[nodiscard]] prefetcher_stats stats() const
  {
    const std::lock_guard lock(mutex_);
    return queue_.stats();
  }
  [[nodiscard]] prefetch_figures figures() const { return stats(); }
  /// Requests that wait.
  [[nodiscard]] std::size_t waiting() const { return static_cast<std::size_t>(stats().waiting); }
  /// Pages brought up for them: at most the budget.
  [[nodiscard]] page_count held_pages() const { return static_cast<page_count>(stats().held_pages); }

 private:
  static void require_time(stop_rule stop)
  {
    if (std::isnan(stop.deadline())) throw usage_error("the deadline of a prefetch is not a number");
  }

  static void require_time(double now)
  {
    if (std::isnan(now)) throw usage_error("the time that a prefetcher is told is not a number");
  }

  static const prefetcher_config& checked(Cache& c, const config& sizes)
  {
    page_count least = 1;
    if constexpr (requires { c.layout().granule_pages(); }) least = c.layout().granule_pages();
    require_at_least("prefetcher.budget_pages", sizes.budget_pages, least);
    require_at_least("prefetcher.step_pages", sizes.step_pages, least);
    if (sizes.in_flight_steps == 0) {
      throw config_error("prefetcher.in_flight_steps", 0, "nothing would ever be queued; it must be at least 1");
    }
    require_time(sizes.stop);
    return sizes;
  }

  static void require_at_least(const char* field, page_count pages, page_count least)
  {
    if (pages >= least) return;
    throw config_error(field, pages, "the layout hands out " + std::to_string(least) + " pages at a time");
  }

  /// `find()`: the turn that is waited for, or null.
  template <class Find>
  bool wait_for_sync(Find&& find)
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      queue_.queue_steps();
      const prefetch_turn* const t = find();
      if (t == nullptr || queue_.is_complete(*t)) return true;
      const prefetch_turn* whom = t;
      if (const prefetch_turn* const moving = queue_.moving()) {
        whom = moving;
      } else if (queue_.has_arrived(t->what)) {
        return false;
      }  // else a store has them: they come to the last memory first
      const std::vector<part> parts = whom->parts;  // it may leave meanwhile
      const request what{.user = whom->what.user, .parts = parts};
      lock.unlock();
      if constexpr (prefetches_parts<Cache>) {
        if (!parts.empty()) cache_->wait_arrived_sync(what);
        else cache_->wait_arrived_sync(what.user);
      } else {
        cache_->wait_arrived_sync(what.user);
      }
      lock.lock();
    }
  }

  /// From before a batch's prepare until it is known what became of it.
  class departure
  {
   public:
    departure(prefetcher& p, std::span<const prefetch_ticket> batch) : of_(&p), batch_(batch)
    {
      const std::lock_guard lock(of_->mutex_);
      of_->queue_.depart(batch_);
    }
    departure(const departure&) = delete;
    departure& operator=(const departure&) = delete;
    ~departure()
    {
      const std::lock_guard lock(of_->mutex_);
      of_->queue_.end_departure(batch_, goes);
    }
    bool goes = false;

   private:
    prefetcher* of_;
    std::span<const prefetch_ticket> batch_;
  };

  Cache* cache_;
  mutable std::mutex mutex_;
  prefetch_queue<Cache> queue_;
};

}  // namespace kvstrata
