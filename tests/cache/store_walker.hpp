// A long random sequence of operations on a cache with a store below its memories, checked against naive_cache: what is
// served, from whichever level and however late, must be what one full pass gives. Provisional leases are among them: what
// they compute the naive cache takes over when the cache says that it is kept.
//
// A row's bytes tell its value, and not who wrote it: a store may give back a row that was computed again meanwhile.
#pragma once

#include "cache/late_bed.hpp"
#include "cache/naive_cache.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct naive_walk
{
  std::uint64_t seed = 1;
  int steps = 300;
  unsigned users = 7;
  kvstrata::token_count longest = 32;  ///< window
};

/// What walks came upon, or they show nothing.
struct naive_findings
{
  kvstrata::by_level<std::uint64_t> served{};
  std::uint64_t late = 0, kept = 0, lost = 0, early = 0, rewritten = 0, moved = 0;
  std::uint64_t inexact = 0, forgotten = 0;  ///< requests served inexactly; tokens that exact ones made useless
  std::uint64_t faults = 0;                  ///< calls that the store threw at: the cache's own calls never do
};

template <class Cache>
class store_walker
{
  using user_id = kvstrata::user_id;
  using token_count = kvstrata::token_count;
  using request = kvstrata::request;

 public:
  template <class Store>
  store_walker(Cache& cache, typename Cache::device_type& device, Store& store, const naive_walk& how)
      : cache_(cache), device_(device), how_(how), random_(how.seed), silence_([&store] { store.close(); })
  {
    for (const char* name : {"compute a", "compute b", "compute c"}) streams_.push_back(device.create_stream(name));
  }

  naive_findings run()
  {
    for (int step = 0; step < how_.steps; ++step) {
      CAPTURE(how_.seed, step);
      const unsigned what = below(100);
      if (what < 45) prepare();
      else if (what < 75) work_on_a_lease();
      else if (what < 82) prefetch();
      else if (what < 85) erase();
      else if (what < 86 && below(2) == 0) advance_epoch();
      else if (what < 90) cache_.poll();
      else device_.advance_host(1e-6 * below(2000));
      notice();
      if (step % 5 == 0) look();
    }
    CAPTURE(how_.seed);
    while (!open_.empty()) end(0);
    silence_();
    cache_.drain_sync();
    cache_.poll();
    notice();
    CHECK(pending_.empty());
    look();
    for (unsigned u = 0; u < how_.users; ++u) cache_.erase(user(u));
    const kvstrata::cache_stats s = cache_.stats();
    for (const kvstrata::store_figures& f : s.stores) found_.faults += f.errors;
    CHECK(s.users == 0);
    CHECK(s.leases == 0);
    for (const stream_id_type stream : streams_) device_.wait_sync(device_.record(stream));
    const auto violations = device_.violations();
    if (!violations.empty()) FAIL("an ordering is missing: " << to_string(violations.front()));
    cache_.close();
    return found_;
  }

 private:
  using stream_id_type = kvstrata::stream_id;

  struct turn
  {
    user_id user{};
    kvstrata::request_plan plan{};
    std::vector<kvstrata::token_interval> computed;
    naive_vouchers vouched;
    kvstrata::lease_ticket ticket{};
    bool forgotten = false;  ///< erased, or the epoch is over
    bool committed = false;
    bool learnt = false;  ///< the naive cache has it
  };
  struct work_of_lease
  {
    std::optional<typename Cache::lease> lease;
    std::vector<turn> turns;
    std::shared_ptr<late_work> work;
    stream_id_type stream{};
  };

  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  [[nodiscard]] static user_id user(unsigned number) { return user_id{500 + number}; }
  [[nodiscard]] static bool is_told(user_id user) { return to_number(user) % 2 == 1; }

  [[nodiscard]] bool is_busy(user_id user) const
  {
    const auto has = [user](const work_of_lease& l) {
      return std::any_of(l.turns.begin(), l.turns.end(),
                         [user](const turn& t) { return t.user == user && !t.forgotten; });
    };
    return std::any_of(open_.begin(), open_.end(), has) || std::any_of(pending_.begin(), pending_.end(), has);
  }

  [[nodiscard]] request request_for(user_id user)
  {
    const token_count before = naive_.first_token(user);
    request r{.user = user, .epoch = epoch_, .first_token = before};
    const unsigned what = below(24);
    if (to_number(user) % 3 == 0) {  // whose windows move
      if (what < 8) r.first_token = before + below(9);
    }
    found_.moved += r.first_token != before ? 1U : 0U;
    const token_count known = std::max(r.first_token, naive_.known(user));
    const token_count most = r.first_token + how_.longest;
    r.history_tokens = std::min(most, known + below(10));
    if (below(8) == 0) r.history_tokens = std::min(most, r.first_token + below(known + 1 - r.first_token));
    if (below(6) == 0) r.volatile_tail = below(5);
    r.if_rewritten = kvstrata::rewritten_history::start_anew;
    r.provisional = below(2) == 0;
    if (lossy) r.exact = below(4) == 0;
    if (!is_told(user)) return r;
    if (below(14) == 0) {
      naive_.tale(user).rewrite(below(r.history_tokens + 1));
      ++found_.rewritten;
    }
    // Long enough to be compared with all that may be known: else it could not be, and would read what was rewritten.
    r.history_tokens = std::max(r.history_tokens, std::min(naive_.vouched(user).prefix, most));
    if (r.history_tokens < naive_.vouched(user).prefix) r.history_tokens = 0;
    hashes_.push_back(naive_.tale(user).prefixes(1, r.history_tokens));
    r.fingerprint = {.stride = 1, .prefix_hashes = hashes_.back()};
    return r;
  }

  void prepare()
  {
    if (open_.size() + pending_.size() >= 2) return work_on_a_lease();
    hashes_.clear();
    std::vector<request> batch;
    for (unsigned n = 1 + below(2); n != 0; --n) {
      const user_id who = user(below(how_.users));
      if (is_busy(who) || std::any_of(batch.begin(), batch.end(), [who](const request& r) { return r.user == who; })) {
        continue;
      }
      const request r = request_for(who);
      if (r.history_tokens > r.first_token) batch.push_back(r);
    }
    if (batch.empty()) return;
    const stream_id_type stream = streams_[below(3)];
    const bool patient = below(3) != 0;
    for (int attempts = 0; attempts < 40; ++attempts) {
      std::optional<kvstrata::result<typename Cache::lease>> got;
      got.emplace(cache_.prepare(batch, stream));
      notice();
      if (got->has_value()) return begin(std::move(*got).value(), batch, stream);
      if (got->why().why != kvstrata::pressure::reason::arriving) return;
      ++found_.early;
      if (!patient) return;
      device_.wait_sync(arrival_of(got->why()));
    }
    FAIL("what a store has is on its way for ever");
  }

  void begin(typename Cache::lease lease, const std::vector<request>& batch, stream_id_type stream)
  {
    work_of_lease fresh;
    fresh.stream = stream;
    fresh.work = std::make_shared<late_work>();
    fresh.work->read_wrong = std::make_unique<std::atomic<bool>[]>(batch.size());
    const kvstrata::page_table_view view = lease.view();
    fresh.work->value_offset = view.value_offset();
    fresh.work->layer_stride = view.where.layer_stride;
    const kvstrata::batch_plan& plan = lease.plan();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const kvstrata::request_plan& r = plan.requests[i];
      if (batch[i].exact || !lossy) REQUIRE(r.inexact_from == kvstrata::all_exact);
      found_.inexact += r.inexact_from < r.history ? 1U : 0U;
      found_.forgotten += r.kept.forgotten.inexact;
      naive_.begin(batch[i], r, false, false, 1);
      naive_.see(plan, i);
      const auto computed = plan.compute_of(i);
      const std::vector<std::uint64_t> values = naive_.values(r, computed);
      for (token_count t = r.first_token; t < r.history; ++t) {
        const bool writes = std::any_of(computed.begin(), computed.end(),
                                        [t](kvstrata::token_interval piece) { return piece.contains(t); });
        const std::uint64_t draft = t < r.lasting ? 0 : ++drafts_;
        fresh.work->cells.push_back({.key = view.key(0, i, t),
                                     .tag = mix({to_number(r.user), to_number(epoch_), values[t], t, draft}),
                                     .user = r.user,
                                     .token = t,
                                     .writes = writes,
                                     .exact = t < r.inexact_from});
        fresh.work->request.push_back(i);
      }
      turn mine;
      mine.user = r.user;
      mine.plan = r;
      mine.computed.assign(computed.begin(), computed.end());
      if (!r.kept.unproven) mine.vouched = naive_vouchers::of(batch[i], 1);
      mine.ticket = lease.ticket(i);
      found_.late += mine.ticket.number != 0 ? 1U : 0U;
      const kvstrata::token_sources sources = lease.sources(i);
      for (kvstrata::level_index l = 0; l < kvstrata::most_levels; ++l) found_.served[l] += sources.from[l];
      CHECK((sources.from[levels - 1] != 0) == (mine.ticket.number != 0));
      fresh.turns.push_back(std::move(mine));
    }
    for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
      lease.wait(layer);
      std::vector<kvstrata::emulated_device::memory_range> reads, writes;
      for (const std::size_t half : {std::size_t{0}, fresh.work->value_offset}) {
        for (const cell& c : fresh.work->cells) {
          (c.writes ? writes : reads).push_back({c.key + layer * fresh.work->layer_stride + half, tiny.key_bytes()});
        }
      }
      device_.launch(stream, {.label = "layer", .seconds = 1e-6, .reads = reads, .writes = writes},
                     [work = fresh.work, layer] { work->run(layer); });
      lease.layer_done(layer);
    }
    fresh.lease.emplace(std::move(lease));
    open_.push_back(std::move(fresh));
  }

  void work_on_a_lease()
  {
    if (open_.empty()) return;
    const std::size_t which = below(static_cast<unsigned>(open_.size()));
    if (below(4) == 0) commit(which);
    else end(which);
  }

  void commit(std::size_t which)
  {
    work_of_lease& l = open_[which];
    if (l.turns[0].committed) return;
    notice();
    l.lease->commit();
    for (turn& t : l.turns) t.committed = true;
    notice();
  }

  void end(std::size_t which)
  {
    if (below(8) != 0) commit(which);
    work_of_lease mine = std::move(open_[which]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(which));
    mine.lease->release();
    mine.lease.reset();
    pending_.push_back(std::move(mine));
    notice();
  }

  /// What the cache has decided the naive cache learns.
  void notice()
  {
    for (work_of_lease& l : open_) learn(l);
    for (auto l = pending_.begin(); l != pending_.end();) {
      if (!learn(*l)) {
        ++l;
        continue;
      }
      device_.wait_sync(device_.record(l->stream));
      for (std::size_t i = 0; i < l->turns.size(); ++i) {
        const bool kept = cache_.outcome(l->turns[i].ticket) == kvstrata::lease_outcome::kept;
        if (kept && l->work->read_wrong[i]) FAIL("user " << to_number(l->turns[i].user) << " was served other bytes");
        if (l->turns[i].ticket.number != 0) ++(kept ? found_.kept : found_.lost);
      }
      l = pending_.erase(l);
    }
  }
  /// Is all of a lease decided?
  bool learn(work_of_lease& l)
  {
    bool all = true;
    for (turn& t : l.turns) {
      const kvstrata::lease_outcome out = cache_.outcome(t.ticket);
      all &= out != kvstrata::lease_outcome::pending;
      if (t.learnt || t.forgotten || !t.committed || out != kvstrata::lease_outcome::kept) continue;
      t.learnt = true;
      naive_.commit(t.plan, t.computed, ++drafts_);
      naive_.vouched(t.user).learn(t.vouched);
    }
    return all;
  }

  void prefetch()
  {
    const user_id who = user(below(how_.users));
    if (is_busy(who)) return;
    hashes_.clear();
    const request r = request_for(who);
    if (r.history_tokens <= r.first_token) return;
    try {
      static_cast<void>(cache_.prefetch(r, {}));
    } catch (const kvstrata::history_error&) {
    }
  }

  void erase()
  {
    const user_id who = user(below(how_.users));
    cache_.erase(who);
    forget(who);
  }
  void advance_epoch()
  {
    epoch_ = kvstrata::epoch_id{to_number(epoch_) + 1};
    cache_.advance_epoch(epoch_);
    for (unsigned u = 0; u < how_.users; ++u) forget(user(u));
  }
  void forget(user_id who)
  {
    notice();
    naive_.forget(who, false);
    for (auto* all : {&open_, &pending_}) {
      for (work_of_lease& l : *all) {
        for (turn& t : l.turns) t.forgotten = t.forgotten || t.user == who;
      }
    }
  }

  void look()
  {
    const kvstrata::cache_stats s = cache_.stats();
    for (kvstrata::level_index i = 0; i + 1 < levels; ++i) {
      const kvstrata::tier_stats& tier = s.levels[i];
      REQUIRE(tier.free_bytes + tier.resident_bytes + tier.in_flight_bytes == tier.capacity_bytes);
      REQUIRE(tier.dropped_tokens <= tier.evicted_tokens);
      REQUIRE(tier.resident_tokens * tiny.token_bytes() / 2 <= tier.resident_bytes);  // of codes, more than half
    }
    REQUIRE(s.leases == open_.size());
  }

  static constexpr bool lossy = kvstrata::tracks_exactness<typename Cache::config::tiers_type>;
  static constexpr kvstrata::level_index levels =
      static_cast<kvstrata::level_index>(std::tuple_size_v<decltype(Cache::config::tiers)>);

  Cache& cache_;
  typename Cache::device_type& device_;
  naive_walk how_;
  std::mt19937_64 random_;
  std::function<void()> silence_;
  std::vector<stream_id_type> streams_;
  naive_cache naive_{true};
  std::deque<std::vector<std::uint64_t>> hashes_;
  std::vector<work_of_lease> open_, pending_;  // released, and not decided
  kvstrata::epoch_id epoch_{};
  std::uint64_t drafts_ = 0;
  naive_findings found_;
};

}  // namespace kvstrata_test
