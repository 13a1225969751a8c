// Brings up what waiting requests will read, while others compute: prefetch from a request queue.
//
//   prefetcher<Cache> ahead(cache, {.budget_pages = 512});
//   ahead.launch(request);                 // when it joins the server's queue
//   ahead.poll(now);                       // whenever the server's loop comes by
//   if (ahead.try_wait(user, now)) {       // may it go?
//     ahead.take(user);                    // its turn: cache.prepare follows
//   }
//   ahead.cancel(user);                    // it left the queue: what came for it is taken back
//
// The words and the stop rules are those of SGLang's HiCache, which prefetches from storage to host memory. Here it is
// from the levels below to the slab, and what is not in time costs no recomputation: prepare brings up the rest.
//
// A history comes in steps, the rear first, so that cancelling and running out of time drop what is not queued yet.
#pragma once

#include <kvstrata/ahead/prefetch_line.hpp>
#include <kvstrata/ahead/prefetcher_config.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace kvstrata {

/// Works a queue of requests in the order of launching. A request waits for its turn to be prefetched: the next one is
/// begun when all of it is queued, or another lease holds its user. The pages that come are not held: the cache may
/// evict them, or be told to erase or forget the user, and all that is lost is time; figures and budget still count
/// them until the request is taken or cancelled, and every request must be one of the two. Makes no threads and is not
/// synchronised: one thread at a time uses it, others may use the cache. Only wait_sync blocks, or an immediate
/// transfer does. The cache must outlive it; destroying it takes nothing back.
template <prefetches_users Cache>
class prefetcher
{
  using turn = prefetch_turn;

 public:
  using config = prefetcher_config;

  /// Throws config_error when a size is zero, or smaller than what the layout hands out at once.
  prefetcher(Cache& c, const config& sizes) : cache_(&c), config_(sizes)
  {
    require_at_least("prefetcher.budget_pages", sizes.budget_pages);
    require_at_least("prefetcher.step_pages", sizes.step_pages);
    if (sizes.in_flight_steps == 0) {
      throw config_error("prefetcher.in_flight_steps", 0, "nothing would ever be queued; it must be at least 1");
    }
    require_time(sizes.stop);
  }
  prefetcher(const prefetcher&) = delete;
  prefetcher& operator=(const prefetcher&) = delete;

  /// The request joins the queue; nothing is queued on the device yet. A user who waits already keeps their place and
  /// what has come; the newer request and rule count from now on, and false is returned. The fingerprint is left to
  /// prepare; what the hint shows is copied. Throws usage_error for a deadline that is no number. O(1), and O(visits) of
  /// the hint.
  bool launch(const request& r, stop_rule stop)
  {
    require_time(stop);
    if (turn* const there = line_.find(r.user)) {
      there->ask(r);
      there->stop = stop;
      there->open = true;
      there->left = 0;
      return false;
    }
    line_.join(turn(r, stop));
    ++figures_.launched;
    return true;
  }
  bool launch(const request& r) { return launch(r, config_.stop); }

  /// Queues the next steps, as far as budget and limits allow. `now`: seconds on any clock. A step that meets pressure
  /// is tried again at the next poll, as one that is too early for a store is; while leases hold too much of the device,
  /// nobody overtakes. A request that the cache throws at (anything but device_error), or that is of an older epoch, is not
  /// prefetched; its prepare will tell why. Throws usage_error for a time that is no number. O(requests that wait).
  void poll(double now)
  {
    require_time(now);
    now_ = now;
    for (turn& t : line_) note_arrival(t);
    page_count ahead = 0;  // held by requests that go first
    bool may_queue = true;
    for (turn& t : line_) {
      if (t.stop.is_over(now)) close(t);
      while (may_queue && t.open && under_way_ < config_.in_flight_steps) {
        const verdict came = step(t, ahead);
        if (came == verdict::next_user) break;
        may_queue = came != verdict::stop_here;
      }
      ahead += t.pages;
    }
  }

  /// May the user's request go at `now`? True for users who do not wait here. Never blocks. Throws usage_error for a time
  /// that is no number. O(1).
  [[nodiscard]] bool try_wait(user_id user, double now)
  {
    require_time(now);
    turn* const t = line_.find(user);
    if (t == nullptr) return true;
    note_arrival(*t);
    return t->stop.lets_go(is_complete(*t), now);
  }

  /// Blocks the host until everything has arrived that is not dropped, whatever the user's rule is; meanwhile the queue
  /// goes on, as if polled at the time of the last poll whenever a step has arrived. False when it cannot come to pass
  /// by waiting: there is pressure, or others hold the budget. Users who do not wait here: true.
  [[nodiscard]] bool wait_sync(user_id user)
  {
    for (;;) {
      poll(now_);
      const turn* const t = line_.find(user);
      if (t == nullptr || is_complete(*t)) return true;
      if (under_way_ == 0) {
        if (cache_->arrived(user)) return false;
        cache_->wait_arrived_sync(user);  // a store has them: they come to the last memory first
        continue;
      }
      const auto moving = std::find_if(line_.begin(), line_.end(), [](const turn& x) { return x.under_way != 0; });
      cache_->wait_arrived_sync(moving->what.user);
    }
  }

  /// The user's request goes to prepare now: forgets it, drops what is not queued yet and gives its budget back. To be
  /// called before prepare, which takes what is still on its way as it comes. Returns the tokens that have arrived: 0
  /// for users who do not wait here. O(1).
  std::uint64_t take(user_id user)
  {
    turn* const t = line_.find(user);
    if (t == nullptr) return 0;
    note_arrival(*t);
    const std::uint64_t saved = t->arrived;
    figures_.saved_tokens += saved;
    figures_.late_tokens += t->queued - saved;
    ++figures_.taken;
    forget(*t);
    return saved;
  }

  /// The user's request will not come: forgets it, drops what is not queued yet, gives its budget back, and has the
  /// cache take back what came (cache::undo_prefetch says when it cannot). Returns the tokens that left the device.
  /// O(1) here.
  std::uint64_t cancel(user_id user)
  {
    turn* const t = line_.find(user);
    if (t == nullptr) return 0;
    const std::uint64_t gone = t->queued == 0 ? 0 : cache_->undo_prefetch(user);
    figures_.rolled_back_tokens += gone;
    ++figures_.cancelled;
    forget(*t);
    return gone;
  }

  [[nodiscard]] const prefetch_figures& figures() const noexcept { return figures_; }
  /// Requests that wait.
  [[nodiscard]] std::size_t waiting() const noexcept { return line_.size(); }
  /// Pages brought up for them: at most the budget.
  [[nodiscard]] page_count held_pages() const noexcept { return held_; }

 private:
  enum class verdict : std::uint8_t { go_on, next_user, stop_here };

  static void require_time(stop_rule stop)
  {
    if (stop.deadline() != stop.deadline()) throw usage_error("the deadline of a prefetch is not a number");
  }

  static void require_time(double now)
  {
    if (now != now) throw usage_error("the time that a prefetcher is told is not a number");
  }

  void require_at_least(const char* field, page_count pages) const
  {
    page_count least = 1;
    if constexpr (requires { cache_->layout().granule_pages(); }) least = cache_->layout().granule_pages();
    if (pages >= least) return;
    throw config_error(field, pages, "the layout hands out " + std::to_string(least) + " pages at a time");
  }

  [[nodiscard]] static bool is_complete(const turn& t) noexcept { return !t.open && t.under_way == 0; }

  void note_arrival(turn& t)
  {
    if (t.under_way == 0 || !cache_->arrived(t.what.user)) return;
    under_way_ -= t.under_way;
    t.under_way = 0;
    t.arrived = t.queued;
  }

  /// Nothing more is queued for the request.
  void close(turn& t) noexcept
  {
    if (t.open) figures_.dropped_tokens += t.left;
    t.open = false;
  }

  /// Queues one step. `ahead`: what those who go first have of the budget; it comes back when they are taken.
  verdict step(turn& t, page_count ahead)
  {
    const page_count room = config_.budget_pages - (std::min)(held_, config_.budget_pages);
    const prefetch_limit limit{(std::min)(room, config_.step_pages), config_.displaced_pages - t.displaced};
    const bool waits_for_budget = room < config_.step_pages && ahead != 0;
    if (room == 0) {
      if (!waits_for_budget) close(t);
      return waits_for_budget ? verdict::stop_here : verdict::go_on;
    }
    try {
      const auto out = cache_->prefetch(t.what, limit);
      if (out) return note_step(t, *out, waits_for_budget);
      if (out.why().why == pressure::reason::stale_epoch) return turn_down(t);
      ++figures_.refused;
      return out.why().why == pressure::reason::held ? verdict::stop_here : verdict::next_user;
    } catch (const device_error&) {
      throw;
    } catch (const error&) {
      return turn_down(t);
    }
  }

  verdict turn_down(turn& t) noexcept
  {
    ++figures_.turned_down;
    close(t);
    return verdict::go_on;
  }

  verdict note_step(turn& t, const prefetch_outcome& out, bool waits_for_budget)
  {
    t.left = out.left;
    if (out.tokens == 0) {
      if (out.left != 0 && waits_for_budget) return verdict::stop_here;
      close(t);  // all is there, or there is no room within the limits
      return verdict::go_on;
    }
    t.queued += out.tokens;
    t.pages += out.pages;
    held_ += out.pages;
    t.displaced += (std::min)(out.displaced_pages, config_.displaced_pages - t.displaced);  // more when whole users go
    ++t.under_way;
    ++under_way_;
    ++figures_.steps;
    figures_.queued_tokens += out.tokens;
    figures_.displaced_tokens += out.displaced_tokens;
    if (out.left == 0) close(t);
    return verdict::go_on;
  }

  void forget(turn& t) noexcept
  {
    close(t);
    held_ -= t.pages;
    under_way_ -= t.under_way;
    line_.leave(t);
  }

  Cache* cache_;
  config config_;
  prefetch_line line_;
  page_count held_ = 0;          // by all turns
  std::uint32_t under_way_ = 0;  // steps of all turns
  double now_ = -std::numeric_limits<double>::infinity();
  prefetch_figures figures_;
};

}  // namespace kvstrata
