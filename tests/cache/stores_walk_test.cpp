// Long random sequences of requests over a store that is late, reorders, loses, forgets and does not know; with rewritten
// histories, volatile tails, erasures, epochs, restarts, a second process, and lanes that never answer; and provisional
// leases, of whose rows those that rest on a lost read are marked by the model. The oracle is what
// each row must say (stores_bed.hpp), and the accounts.
#include "cache/late_bed.hpp"
#include "support/effort.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

struct store_walk
{
  std::uint64_t seed = 1;
  int steps = 200;
  bool dies = false;  ///< a lane falls silent in the midst
};

template <class Cache>
class walk_over_store
{
 public:
  walk_over_store(store_scene<Cache>& s, const store_walk& how)
      : s_(s), how_(how), random_(how.seed), compute_(s.device.create_stream("late"))
  {
  }

  void run()
  {
    for (int step = 0; step < how_.steps; ++step) {
      if (how_.dies && step == how_.steps / 2) s_.store.silence(1);
      one_step();
      if (step % 7 == 0) look();
    }
    let_go_late();
    look();
    total_ += s_.cache->stats();
  }
  [[nodiscard]] const cache_stats& total() const { return total_; }
  [[nodiscard]] unsigned kept() const { return kept_; }
  [[nodiscard]] unsigned lost() const { return lost_; }

 private:
  static constexpr unsigned users = 9;

  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  void one_step()
  {
    const unsigned user = 1 + below(users);
    token_count& known = known_[user];
    switch (below(24)) {
      case 0:
        s_.cache->erase(user_id{user});
        s_.texts[user].rewrite(0);
        known = 0;
        return;
      case 1: {  // the whole history is told in the request that comes with it: so that it can be compared
        if (user % 2 == 0) return;
        s_.texts[user].rewrite(below(known + 1));
        const token_count history = std::min(longest(user), known + below(8));
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
        s_.start();
        late_.reset();
        return;
      case 5:
        if (below(5) != 0) return;
        s_.epoch = epoch_id{to_number(s_.epoch) + 1};
        s_.cache->advance_epoch(s_.epoch);
        return;
      case 6: {
        const request r{.user = user_id{user}, .history_tokens = std::max<token_count>(known, 1), .epoch = s_.epoch};
        if (!rewritten_[user]) static_cast<void>(s_.cache->prefetch(r));
        return;
      }
      case 7: {  // shorter, with a tail that is computed at every request
        if (known < 12 || rewritten_[user]) return;
        const token_count history = known - below(10);
        serve(user, history, 1 + below(8));
        return;
      }
      case 8:
      case 9: return begin_late_lease(6 + below(4));
      case 10:
      case 11: return go_on_late();
      default: {
        const token_count history = std::min(longest(user), known + below(12));
        if (history == 0) return;
        if (!serve(user, history, 0)) return;
        known = history;
        rewritten_[user] = false;
      }
    }
  }

  /// Those who have provisional leases leave room for the others' histories.
  [[nodiscard]] token_count longest(unsigned user) const
  {
    return user < 6 ? 64 : std::min<token_count>(32, (s_.sizes.slab - 16) * tiny_page);
  }

  void begin_late_lease(unsigned user)
  {
    if (late_ || rewritten_[user]) return go_on_late();
    const token_count history = std::min(longest(user), known_[user] + below(8));
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
    const lease_outcome out = s_.cache->outcome(late_->tickets[0]);
    if (out == lease_outcome::pending) return s_.device.advance_host(1e-4 * below(8));
    s_.device.wait_sync(s_.device.record(compute_));
    if (out == lease_outcome::kept) REQUIRE_FALSE(late_->is_wrong(0));
    if (late_->tickets[0].number != 0) ++(out == lease_outcome::kept ? kept_ : lost_);
    late_.reset();
  }
  void let_go_late()
  {
    if (late_) late_->lease.reset();
  }

  /// Now and then nobody waits for what is on its way, and others come between.
  bool serve(unsigned user, token_count history, token_count tail)
  {
    if (late_ && late_->lease && late_->users[0] == user) return false;
    const bool patient = !how_.dies && below(3) != 0;
    if (s_.serve(user, history, user % 2 == 1, tail, patient)) return true;
    if (below(2) == 0) s_.device.advance_host(1e-4 * below(20));
    return false;
  }

  void look()
  {
    const cache_stats stats = s_.cache->stats();
    for (level_index i = 0; i < 2; ++i) {
      const tier_stats& tier = stats.levels[i];
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
      REQUIRE(tier.dropped_tokens <= tier.evicted_tokens);
    }
    REQUIRE(stats.stores[2].staged_tokens <= stats.stores[2].gets * s_.sizes.room / 2 * tiny_page);
    REQUIRE(s_.model.found().count() == 0);
  }

  store_scene<Cache>& s_;
  store_walk how_;
  std::mt19937_64 random_;
  std::map<unsigned, token_count> known_;
  std::map<unsigned, bool> rewritten_;
  stream_id compute_;
  std::optional<late_lease<Cache>> late_;
  unsigned kept_ = 0, lost_ = 0;
  cache_stats total_;
};

struct walked : store_figures
{
  unsigned kept = 0, lost = 0;  ///< provisional leases
};

template <class Cache>
walked walk_many(const memory_store_config& how, const store_sizes& sizes, std::uint64_t first_seed, bool dies = false)
{
  walked all;
  for (std::uint64_t seed = first_seed; seed < first_seed + 2 + 2 * effort; ++seed) {
    CAPTURE(seed);
    memory_store_config c = how;
    c.seed = seed;
    store_scene<Cache> s(c, sizes, seed);
    walk_over_store<Cache> walk(s, {.seed = seed, .steps = 150 + 100 * static_cast<int>(effort), .dies = dies});
    walk.run();
    all += walk.total().stores[2];
    all.kept += walk.kept();
    all.lost += walk.lost();
    if (dies) s.store.close();
    s.cache->close();
    CHECK(s.store.under_way() == 0);
  }
  return all;
}

}  // namespace

TEST_CASE("random requests over a store that is late and loses", "[cache][random]")
{
  const walked all = walk_many<back_cache>(
      {.lanes = 3, .in_flight = 4, .least_seconds = 1e-6, .most_seconds = 2e-3, .lost_in = 6, .unknown_in = 3}, {}, 1);
  CHECK(all.staged_tokens != 0);
  CHECK(all.lost_gets != 0);
  CHECK(all.lost_puts != 0);
  CHECK(all.contradicted != 0);
  CHECK(all.asked != 0);
  CHECK(all.foreign != 0);
  CHECK(all.kept != 0);
  CHECK(all.lost != 0);
}

TEST_CASE("random requests over a store that is written through, with little room", "[cache][random]")
{
  const walked all = walk_many<store_cache<token_write_through>>(
      {.lanes = 2, .in_flight = 3, .most_seconds = 1e-3, .lost_in = 20}, {.slab = 20, .arena = 24, .room = 14}, 100);
  CHECK(all.staged_tokens != 0);
  CHECK(all.refused_tokens != 0);
  CHECK(all.late_tokens != 0);
}

TEST_CASE("random requests over a store of which a lane dies", "[cache][random]")
{
  const walked all = walk_many<back_cache>({.lanes = 2, .in_flight = 3, .most_seconds = 1e-4}, {.room = 40}, 200, true);
  CHECK(all.staged_tokens != 0);
  CHECK(all.refused_tokens != 0);
}

TEST_CASE("two processes, one shelf, histories that only grow", "[cache][random]")
{
  for (std::uint64_t seed = 1; seed <= 2 * effort; ++seed) {
    const auto shelf = std::make_shared<record_shelf>(200 * tiny_page_bytes);
    const memory_store_config how{.lanes = 2, .seed = seed, .most_seconds = 1e-3, .lost_in = 12};
    store_scene<> a(how, {}, seed, shelf);
    store_scene<> b(how, {}, seed + 1, shelf);
    std::mt19937_64 random(seed);
    std::map<unsigned, token_count> known;
    for (int step = 0; step < 300; ++step) {
      store_scene<>& one = random() % 2 == 0 ? a : b;
      const auto user = static_cast<unsigned>(1 + random() % 8);
      token_count& mine = known[user];
      mine = std::min<token_count>(64, mine + static_cast<token_count>(random() % 9) + 1);
      one.serve(user, mine);
      if (random() % 5 == 0) one.device.advance_host(1e-3);
      if (random() % 40 == 0) one.start();
    }
    CHECK(a.figures().gets + b.figures().gets != 0);
  }
}
