// A long random sequence of requests over a store, whichever: with rewritten histories, volatile tails, erasures, epochs,
// restarts, and provisional leases, of whose rows those that rest on a lost read are marked by the model. The oracle is what
// each row must say (stores_bed.hpp), and the accounts.
#pragma once

#include "cache/late_bed.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>

namespace kvstrata_test {

struct store_walk
{
  std::uint64_t seed = 1;
  int steps = 200;
  bool dies = false;  ///< a lane falls silent in the midst
};

/// Scene: a text_scene with a store, and how it begins anew.
template <class Scene>
class walk_over_store
{
  using cache_type = typename Scene::cache_type;

 public:
  walk_over_store(Scene& s, const store_walk& how)
      : s_(s), how_(how), random_(how.seed), compute_(s.device.create_stream("late"))
  {
  }

  void run()
  {
    for (int step = 0; step < how_.steps; ++step) {
      if (how_.dies && step == how_.steps / 2) s_.falls_silent();
      one_step();
      if (step % 7 == 0) look();
    }
    let_go_late();
    look();
    total_ += s_.cache->stats();
  }
  [[nodiscard]] const kvstrata::cache_stats& total() const { return total_; }
  [[nodiscard]] unsigned kept() const { return kept_; }
  [[nodiscard]] unsigned lost() const { return lost_; }

 private:
  static constexpr unsigned users = 9;

  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  void one_step()
  {
    const unsigned user = 1 + below(users);
    kvstrata::token_count& known = known_[user];
    switch (below(24)) {
      case 0:
        s_.erase(user);
        s_.texts[user].rewrite(0);
        known = 0;
        return;
      case 1: {  // the whole history is told in the request that comes with it: so that it can be compared
        if (user % 2 == 0) return;
        s_.texts[user].rewrite(below(known + 1));
        const kvstrata::token_count history = std::min(longest(user), known + below(8));
        if (history < known || history == 0) return;
        if (serve(user, history, 0)) known = history;
        else rewritten_[user] = true;
        return;
      }
      case 2: s_.cache->poll(); return;
      case 3: s_.device.advance_host(1e-6 * below(3000)); return;
      case 4:
        if (below(6) != 0) return;
        let_go_late();
        total_ += s_.cache->stats();
        s_.restart(static_cast<unsigned>(random_()));
        late_.reset();
        return;
      case 5:
        if (below(5) != 0) return;
        s_.epoch = kvstrata::epoch_id{to_number(s_.epoch) + 1};
        s_.cache->advance_epoch(s_.epoch);
        return;
      case 6: {
        const kvstrata::request r{.user = kvstrata::user_id{user},
                                  .history_tokens = std::max<kvstrata::token_count>(known, 1),
                                  .epoch = s_.epoch};
        if (!rewritten_[user]) static_cast<void>(s_.cache->prefetch(r));
        return;
      }
      case 7: {  // shorter, with a tail that is computed at every request
        if (known < 12 || rewritten_[user]) return;
        const kvstrata::token_count history = known - below(10);
        serve(user, history, 1 + below(8));
        return;
      }
      case 8:
      case 9: return begin_late_lease(6 + below(4));
      case 10:
      case 11: return go_on_late();
      default: {
        const kvstrata::token_count history = std::min(longest(user), known + below(12));
        if (history == 0) return;
        if (!serve(user, history, 0)) return;
        known = history;
        rewritten_[user] = false;
      }
    }
  }

  /// Those who have provisional leases leave room for the others' histories.
  [[nodiscard]] kvstrata::token_count longest(unsigned user) const
  {
    return user < 6 ? 64 : std::min<kvstrata::token_count>(32, (s_.sizes.slab - 16) * tiny_page);
  }

  void begin_late_lease(unsigned user)
  {
    if (late_ || rewritten_[user]) return go_on_late();
    const kvstrata::token_count history = std::min(longest(user), known_[user] + below(8));
    if (history == 0) return;
    late_ = begin_late(s_, {{user, history}}, compute_, user % 2 == 1);
    if (!*late_) late_.reset();
    else known_[user] = history;
  }

  /// It is committed or not, released, and decided when the store likes.
  void go_on_late()
  {
    if (!late_) return;
    if (late_->lease) {
      if (below(3) == 0) return;
      if (below(5) != 0) late_->lease->commit();
      late_->lease.reset();
    }
    const kvstrata::lease_outcome out = s_.cache->outcome(late_->tickets[0]);
    if (out == kvstrata::lease_outcome::pending) return s_.device.advance_host(1e-4 * below(8));
    s_.device.wait_sync(s_.device.record(compute_));
    if (out == kvstrata::lease_outcome::kept) REQUIRE_FALSE(late_->is_wrong(0));
    if (late_->tickets[0].number != 0) ++(out == kvstrata::lease_outcome::kept ? kept_ : lost_);
    late_.reset();
  }
  void let_go_late()
  {
    if (late_) late_->lease.reset();
  }

  /// Now and then nobody waits for what is on its way, and others come between.
  bool serve(unsigned user, kvstrata::token_count history, kvstrata::token_count tail)
  {
    if (late_ && late_->lease && late_->users[0] == user) return false;
    const bool patient = !how_.dies && below(3) != 0;
    if (s_.serve(user, history, user % 2 == 1, tail, patient)) return true;
    if (below(2) == 0) s_.device.advance_host(1e-4 * below(20));
    return false;
  }

  void look()
  {
    const kvstrata::cache_stats stats = s_.cache->stats();
    for (kvstrata::level_index i = 0; i < 2; ++i) {
      const kvstrata::tier_stats& tier = stats.levels[i];
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
      REQUIRE(tier.dropped_tokens <= tier.evicted_tokens);
    }
    REQUIRE(stats.stores[2].staged_tokens <= stats.stores[2].gets * s_.sizes.room / 2 * tiny_page);
    REQUIRE(s_.model.found().count() == 0);
  }

  Scene& s_;
  store_walk how_;
  std::mt19937_64 random_;
  std::map<unsigned, kvstrata::token_count> known_;
  std::map<unsigned, bool> rewritten_;
  kvstrata::stream_id compute_;
  std::optional<late_lease<cache_type>> late_;
  unsigned kept_ = 0, lost_ = 0;
  kvstrata::cache_stats total_;
};

}  // namespace kvstrata_test
