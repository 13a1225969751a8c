// What a prefetcher does under its lock: works the line off, in steps, within budget and limits.
#pragma once

#include <kvstrata/ahead/prefetch_line.hpp>
#include <kvstrata/ahead/prefetcher_config.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised. Times are numbers.
template <prefetches_users Cache>
class prefetch_queue
{
  using turn = prefetch_turn;

 public:
  prefetch_queue(Cache& c, const prefetcher_config& sizes) : cache_(&c), config_(sizes) {}

  [[nodiscard]] prefetch_line& line() noexcept { return line_; }
  [[nodiscard]] const prefetcher_config& sizes() const noexcept { return config_; }

  prefetch_ticket launch(const request& r, stop_rule stop)
  {
    require_known(r);
    line_.join(turn(r, stop, numbers_ + 1));
    ++figures_.launched;
    return {r.user, ++numbers_};
  }

  /// As far as all allows at `now`.
  void queue_steps(double now)
  {
    now_ = (std::max)(now, now_);  // threads may come with their times out of order
    queue_steps();
  }
  void queue_steps()
  {
    for (turn& t : line_) note_arrival(t);
    page_count ahead = 0;  // held by requests that go first
    bool may_queue = true;
    for (turn& t : line_) {
      if (t.stop.is_over(now_)) close(t);
      if (t.going != 0 && t.open) may_queue = false;  // it may come back
      while (may_queue && t.open && under_way_ < config_.in_flight_steps) {
        const verdict came = step(t, ahead);
        if (came == verdict::next_user) break;
        may_queue = came != verdict::stop_here;
      }
      ahead += t.pages;
    }
  }

  /// Has all come that is queued, and is nothing more? What was queued for older requests of the user is a part of it.
  [[nodiscard]] bool is_complete(const turn& t)
  {
    bool under_way = false;
    line_.each_of(t.what.user, [&](const turn& x) { under_way |= x.number <= t.number && x.under_way != 0; });
    return !t.open && !under_way;
  }
  [[nodiscard]] bool lets_go(turn* t, double now)
  {
    if (t == nullptr) return true;
    line_.each_of(t->what.user, [this](turn& x) { note_arrival(x); });
    return t->stop.lets_go(is_complete(*t), now);
  }
  /// A turn of which a step is under way, and that no prepare is about to take over; null when there is none.
  [[nodiscard]] const turn* moving()
  {
    const auto at =
        std::find_if(line_.begin(), line_.end(), [](const turn& x) { return x.under_way != 0 && x.going == 0; });
    return at == line_.end() ? nullptr : &*at;
  }

  std::uint64_t take(const prefetch_ticket& ticket)
  {
    turn* const t = line_.find(ticket);
    if (t == nullptr) return 0;
    note_arrival(*t);
    return leave_taken(*t);
  }
  std::uint64_t take(user_id user)
  {
    line_.each_of(user, [this](turn& t) { note_arrival(t); });
    std::uint64_t saved = 0;
    while (turn* const t = line_.find(user)) saved += leave_taken(*t);
    return saved;
  }
  std::uint64_t cancel(const prefetch_ticket& ticket)
  {
    turn* const t = line_.find(ticket);
    return t == nullptr ? 0 : leave_cancelled(*t);
  }
  std::uint64_t cancel(user_id user)
  {
    std::uint64_t gone = 0;
    while (turn* const t = line_.find(user)) gone += leave_cancelled(*t);
    return gone;
  }

  /// A batch is being prepared. What has arrived is noted, because a lease takes over what has not.
  void depart(std::span<const prefetch_ticket> batch)
  {
    for (const prefetch_ticket& ticket : batch) {
      if (turn* const t = line_.find(ticket)) note_arrival(*t);  // what may throw comes first
    }
    for (const prefetch_ticket& ticket : batch) {
      if (turn* const t = line_.find(ticket)) ++t->going;
    }
  }
  /// It is taken if it `goes`, and waits on otherwise.
  void end_departure(std::span<const prefetch_ticket> batch, bool goes) noexcept
  {
    for (const prefetch_ticket& ticket : batch) {
      turn* const t = line_.find(ticket);
      if (t == nullptr) continue;
      --t->going;
      if (goes) leave_taken(*t);
      else ++figures_.kept;
    }
  }

  [[nodiscard]] prefetcher_stats stats() const noexcept
  {
    return {figures_, line_.size(), held_, config_.budget_pages, under_way_};
  }

  [[nodiscard]] bool has_arrived(const request& r)
  {
    if constexpr (prefetches_parts<Cache>) {
      if (!r.parts.empty()) return cache_->arrived(r);
    }
    return cache_->arrived(r.user);
  }
  /// Throws usage_error for parts where the cache knows of none.
  static void require_known(const request& r)
  {
    if (prefetches_parts<Cache> || r.parts.empty()) return;
    throw usage_error("prefetcher: the request of user " + std::to_string(to_number(r.user)) +
                      " has parts, and this cache brings up histories alone");
  }

 private:
  [[nodiscard]] token_count undo(const request& r)
  {
    if constexpr (prefetches_parts<Cache>) {
      if (!r.parts.empty()) return cache_->undo_prefetch(r);
    }
    return cache_->undo_prefetch(r.user);
  }

  enum class verdict : std::uint8_t { go_on, next_user, stop_here };

  void note_arrival(turn& t)
  {
    if (t.under_way == 0 || t.going != 0 || !has_arrived(t.what)) return;
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

  std::uint64_t leave_taken(turn& t) noexcept
  {
    const std::uint64_t saved = t.arrived;
    figures_.saved_tokens += saved;
    figures_.late_tokens += t.queued - saved;
    ++figures_.taken;
    forget(t);
    return saved;
  }

  std::uint64_t leave_cancelled(turn& t)
  {
    std::uint64_t gone = 0;
    if (turn* const heir = line_.find(t.what.user, t.number)) {
      heir->inherit(t);
      t.pages = 0;
      t.under_way = 0;
    } else if (t.queued != 0) {
      gone = undo(t.what);
    }
    figures_.rolled_back_tokens += gone;
    ++figures_.cancelled;
    forget(t);
    return gone;
  }

  void forget(turn& t) noexcept
  {
    close(t);
    held_ -= t.pages;
    under_way_ -= t.under_way;
    line_.leave(t);
  }

  Cache* cache_;
  prefetcher_config config_;
  prefetch_line line_;
  std::uint64_t numbers_ = 0;    // given so far
  page_count held_ = 0;          // by all turns
  std::uint32_t under_way_ = 0;  // steps of all turns
  double now_ = -std::numeric_limits<double>::infinity();
  prefetch_figures figures_;
};

}  // namespace kvstrata
