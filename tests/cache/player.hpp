// A small play that takes every path of a cache, with a model that checks every byte that is served.
#pragma once

#include "cache/fuse.hpp"
#include "cache/story.hpp"
#include "cache/subject.hpp"
#include "cache/tiny_model.hpp"
#include "cache/turn.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace kvstrata_test {

using namespace kvstrata;

/// Serves users with a model that checks every byte that is served. Knows what may be served: what a lease wrote that
/// came as far as commit(). What is told of histories shows in fingerprints (`tells`), and then a request that is not
/// shorter than what may be vouched for must not be served what was computed from another history.
class player
{
 public:
  using kernel_runner = std::function<void(stream_id, layer_index, std::shared_ptr<const lease_work>)>;

  /// Batches take turns on the compute streams.
  player(any_cache& cache, std::vector<stream_id> compute, kernel_runner run)
      : cache_(cache), streams_(std::move(compute)), run_(std::move(run))
  {
  }

  [[nodiscard]] static request asks(turn t) { return {.user = user_id{t.user}, .history_tokens = t.history}; }

  /// From now on users have fingerprints: of prefixes, of stretches as well, or, every fourth, none.
  void tells() { tells_ = true; }
  [[nodiscard]] epoch_id epoch() const { return epoch_; }

  [[nodiscard]] result<std::unique_ptr<any_lease>> prepare(std::initializer_list<turn> turns)
  {
    compute_ = streams_[batches_++ % streams_.size()];
    errand next = errand_of(turns);
    auto lease = cache_.prepare(next.batch, compute_);
    if (!lease) return lease;
    const fuse::out_of_reach while_it_lives;
    const any_lease* const key = lease.value().get();
    next.work = work_of(*key, next);
    errands_.insert_or_assign(key, std::move(next));
    return lease;
  }

  void prefetch(turn t, const prefetch_limit& limit)
  {
    const errand ahead = errand_of({t});
    static_cast<void>(cache_.prefetch(ahead.batch[0], limit));
  }

  /// The compute stream of the latest batch.
  [[nodiscard]] stream_id compute() const { return compute_; }

  /// The calls of a lease's life, in order: wait and layer_done for each layer, commit. Does the first `calls` of them.
  void live(any_lease& lease, unsigned calls = ~0U) { live(lease, calls, compute_); }
  void live(any_lease& lease, unsigned calls, stream_id compute)
  {
    const errand& mine = errands_.at(&lease);
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      if (calls-- == 0) return;
      lease.wait(layer);
      if (calls-- == 0) return;
      run_(compute, layer, mine.work);
      lease.layer_done(layer);
    }
    if (calls-- == 0) return;
    note(lease, mine);
    lease.commit();
  }

  /// Where the device refuses a copy up, as pressure says: once more, and then without what is cached of the users.
  void serve(std::initializer_list<turn> turns)
  {
    auto lease = prepare(turns);
    for (int again = 0; !lease && lease.why().why == pressure::reason::copy_refused; ++again) {
      REQUIRE(again < 2);
      for (const turn t : turns) {
        if (again != 0) erase(t.user);
      }
      lease = prepare(turns);
    }
    REQUIRE(lease.has_value());
    live(**lease);
    (*lease)->release();
  }

  /// The same, unless there is pressure.
  void try_serve(std::initializer_list<turn> turns)
  {
    auto lease = prepare(turns);
    if (!lease) return;
    live(**lease);
    (*lease)->release();
  }

  void erase(unsigned user)
  {
    const fuse::out_of_reach while_it_lives;
    people_[user_id{user}].forget();
    cache_.erase(user_id{user});
  }

  void advance_epoch()
  {
    const fuse::out_of_reach while_it_lives;
    for (auto& [user, who] : people_) who.forget();
    epoch_ = epoch_id{to_number(epoch_) + 1};
    cache_.advance_epoch(epoch_);
  }

 private:
  struct row
  {
    std::uint64_t draft = 0;
    std::uint64_t prefix = 0;  ///< hash of what the history says up to the token
  };
  struct person
  {
    std::map<token_count, row> rows;
    story tale;
    token_count first_token = 0;
    token_count longest = 0;  ///< nothing behind it was ever vouched for
    unsigned lives = 0;

    void forget()
    {
      rows.clear();
      longest = 0;
      ++lives;
    }
  };
  /// A batch, and what there is to know of it later.
  struct errand
  {
    std::vector<request> batch;
    std::vector<std::vector<std::uint64_t>> prefixes;  ///< [request]
    std::vector<std::vector<std::uint64_t>> stretches;
    std::vector<unsigned> lives;
    std::uint64_t draft = 0;
    std::shared_ptr<const lease_work> work;
  };

  [[nodiscard]] errand errand_of(std::initializer_list<turn> turns)
  {
    const fuse::out_of_reach while_it_lives;
    errand out;
    out.draft = ++drafts_;
    for (const turn t : turns) {
      person& who = people_[user_id{t.user}];
      const bool has_prefixes = tells_ && t.user % 4 != 1;
      std::optional<story> before;
      if (has_prefixes && t.rewritten != turn::never) {
        if (t.once) before = who.tale;
        who.tale.rewrite(t.rewritten);
      }
      request r = asks(t);
      r.epoch = epoch_;
      r.first_token = who.first_token = std::min(who.first_token + t.moves_on, t.history);
      r.volatile_tail = t.tail;
      r.if_rewritten = rewritten_history::start_anew;
      out.prefixes.push_back(who.tale.prefixes(1, t.history));
      out.stretches.push_back(who.tale.stretches(3, window_of(r)));
      if (has_prefixes) r.fingerprint = {.stride = 1, .prefix_hashes = out.prefixes.back()};
      if (has_prefixes && t.user % 2 == 0) r.stretches = {.stride = 3, .hashes = out.stretches.back()};
      out.batch.push_back(r);
      out.lives.push_back(who.lives);
      if (before) who.tale = std::move(*before);
    }
    return out;
  }

  void note(const any_lease& lease, const errand& mine)
  {
    const fuse::out_of_reach while_it_lives;
    for (std::size_t i = 0; i < lease.size(); ++i) {
      const request_plan& r = lease.plan().requests[i];
      person& who = people_[r.user];
      if (mine.lives[i] != who.lives) continue;  // forgotten since
      who.longest = std::max(who.longest, r.lasting);
      for (const token_interval piece : lease.compute(i)) {
        for (token_count t = piece.begin; t < std::min(piece.end, r.lasting); ++t) {
          if (!r.recomputed.contains(t)) who.rows[t] = {mine.draft, mine.prefixes[i][t]};
        }
      }
    }
  }

  [[nodiscard]] std::shared_ptr<const lease_work> work_of(const any_lease& lease, const errand& mine)
  {
    auto work = std::make_shared<lease_work>();
    const page_table_view view = lease.view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    for (std::size_t i = 0; i < lease.size(); ++i) {
      const request_plan& r = lease.plan().requests[i];
      const person& who = people_[r.user];
      const bool compared = r.history >= who.longest;
      for (token_count t = r.first_token; t < r.history; ++t) {
        bool computed = false;
        for (const token_interval piece : lease.compute(i)) computed |= piece.contains(t);
        std::uint64_t shown = mine.draft;
        if (!computed || r.recomputed.contains(t)) {
          const auto known = who.rows.find(t);
          if (known == who.rows.end()) FAIL("token " << t << " of user " << to_number(r.user) << " is unknown");
          if ((compared || computed) && known->second.prefix != mine.prefixes[i][t]) {
            FAIL("token " << t << " of user " << to_number(r.user) << " is of another history");
          }
          shown = known->second.draft;
        }
        work->cells.push_back({.key = view.key(0, i, t),
                               .tag = token_tag(r.user, epoch_, shown, t),
                               .user = r.user,
                               .token = t,
                               .writes = computed});
      }
    }
    return work;
  }

  any_cache& cache_;
  std::vector<stream_id> streams_;
  stream_id compute_{};
  std::size_t batches_ = 0;
  kernel_runner run_;
  std::map<user_id, person> people_;
  std::map<const any_lease*, errand> errands_;  // of leases, some of which are gone
  std::uint64_t drafts_ = 0;
  epoch_id epoch_{};
  bool tells_ = false;
};

/// Something of everything: hits, write-through, write-back, delayed writes, prefetch and its undoing, the cleaner.
inline void play(player& p, any_cache& cache)
{
  const auto prefetch = [&](turn t, const prefetch_limit& limit = {}) {
    static_cast<void>(cache.prefetch(player::asks(t), limit));
  };
  p.serve({{1, 24}, {2, 20}});
  p.serve({{3, 23}});
  p.serve({{2, 22}, {1, 24}});
  p.serve({{4, 24}, {5, 21}});
  prefetch({1, 24}, {.pages = 2});
  p.serve({{1, 24}});
  p.serve({{3, 24}, {4, 24}});
  p.serve({{5, 24}});
  prefetch({2, 22});
  cache.undo_prefetch(user_id{2});
  prefetch({2, 22});
  p.serve({{2, 23}});
  cache.clean(~std::uint64_t{0});
  p.serve({{6, 17}});
  p.serve({{6, 19}, {1, 24}});
  cache.clean(10);
  p.erase(4);
  p.serve({{3, 24}, {4, 9}});
  p.serve({{5, 24}, {6, 19}});
  cache.drain_sync();
  cache.clean(~std::uint64_t{0});
  p.serve({{1, 24}, {2, 24}});
  cache.drain_sync();
}

inline constexpr unsigned walkers = 8;

/// Steps in an order drawn from the seed, with two leases at a time now and then; windows that move, tails, epochs, and
/// histories that are rewritten, or told otherwise once. `attempt(step)` makes each.
template <class Attempt>
void wander(player& p, any_cache& cache, unsigned seed, int steps, Attempt&& attempt)
{
  std::minstd_rand random(seed + 1);
  const auto draw = [&random](unsigned below) { return static_cast<unsigned>(random() >> 4U) % below; };
  const auto some_turn = [&draw](unsigned user) {
    turn t{user, 1 + draw(24)};
    if (draw(8) == 0) t.moves_on = draw(7);
    if (draw(4) == 0) t.tail = draw(4);
    if (draw(4) == 0) t.rewritten = draw(t.history);
    t.once = draw(2) == 0;
    return t;
  };
  p.tells();
  for (int step = 0; step < steps; ++step) {
    const unsigned what = draw(16);
    const turn a = some_turn(1 + draw(walkers));
    const turn b = some_turn(1 + (a.user + draw(walkers - 1)) % walkers);
    const unsigned some = 1 + draw(6);
    const unsigned between = draw(6);
    attempt([&] {
      if (what < 6) p.try_serve({a});
      else if (what < 10) p.try_serve({a, b});
      else if (what < 12) {
        auto first = p.prepare({a});
        if (!first) return;
        const stream_id compute = p.compute();
        p.try_serve({b});
        if (between == 0) p.erase(a.user);
        else if (between == 1) p.advance_epoch();
        p.live(**first, some == 1 ? 3 : ~0U, compute);
      } else if (what == 12) p.prefetch(a, {.pages = some});
      else if (what == 13) cache.undo_prefetch(user_id{a.user});
      else if (what == 14) cache.clean(some * 4);
      else if (between == 0) p.advance_epoch();
      else p.erase(a.user);
    });
  }
}

inline void check_sums(const cache_stats& s)
{
  for (const tier_stats& tier : all_tiers(s)) {
    CHECK(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
    CHECK(tier.resident_bytes <= tier.capacity_bytes);  // no frame has two owners
    CHECK(tier.stale_bytes <= tier.resident_bytes);
    CHECK(tier.dropped_tokens <= tier.evicted_tokens);
    CHECK(tier.resident_tokens * tiny.token_bytes() / 2 <= tier.resident_bytes);  // of codes, more than half
  }
  CHECK(s.leases == 0);
  CHECK(s.dirty_tokens <= s.levels[0].resident_tokens);
  CHECK(s.window.resident_bytes == 0);
}

/// Nothing is held, and all that is cached can be given back. `at_once`: what is of an older epoch only when somebody
/// needs the room.
inline void check_given_back(any_cache& cache, bool at_once = true)
{
  for (int round = 0; cache.stats().waiting_writes != 0; ++round) {
    REQUIRE(round < 10);
    cache.drain_sync();
    cache.clean(0);
  }
  cache.drain_sync();
  check_sums(cache.stats());
  for (unsigned user = 1; user <= walkers; ++user) cache.erase(user_id{user});
  const cache_stats s = cache.stats();
  CHECK(s.users == 0);
  CHECK(s.dirty_tokens == 0);
  for (const tier_stats& tier : all_tiers(s)) {
    CHECK(tier.resident_tokens == 0);
    if (at_once) CHECK(tier.resident_bytes == 0);
  }
  cache.close();
}

}  // namespace kvstrata_test
