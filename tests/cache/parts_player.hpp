// A small play of requests of parts that takes every path of a cache, with a model that checks every byte that is served.
#pragma once

#include "cache/fuse.hpp"
#include "cache/naive_versions.hpp"
#include "cache/player.hpp"

#include <kvstrata/plan/part.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Who asks, and for what.
struct asked_parts
{
  unsigned user = 0;
  std::vector<part> parts;
};

/// As `player`, of requests of parts. Knows what may be served: what a lease wrote that came as far as commit(), of a replace or
/// read part under the version that is asked for, whole; of an append part on top of the versions that are asked for. Spaces:
/// 0 histories, 1 replaced, 2 appended, 3 read.
class parts_player
{
 public:
  parts_player(any_cache& cache, const std::vector<stream_id>& compute, player::kernel_runner run)
      : cache_(cache), compute_(compute.front()), run_(std::move(run))
  {
  }

  [[nodiscard]] static part history(std::uint64_t id, token_count tokens) { return {.key = {0, id}, .tokens = tokens}; }
  /// Versions of an earlier play are older than all of this one.
  [[nodiscard]] part statics(std::uint64_t id, std::uint64_t version, token_count tokens) const
  {
    return {.key = {1, id}, .version = 10 * plays_ + version, .tokens = tokens, .mode = part_mode::replace};
  }
  [[nodiscard]] static part appends(std::uint64_t id, token_count tokens) { return {.key = {2, id}, .tokens = tokens}; }
  [[nodiscard]] static part reads(std::uint64_t id, token_count tokens)
  {
    return {.key = {3, id}, .tokens = tokens, .mode = part_mode::read};
  }
  /// The same part, for the lease alone where another one computes it.
  [[nodiscard]] static part own(part p)
  {
    p.if_computed_elsewhere = computed_elsewhere::compute_own;
    return p;
  }
  [[nodiscard]] static part scratch(token_count tokens) { return {.tokens = tokens, .mode = part_mode::scratch}; }

  void begin_play() { ++plays_; }

  [[nodiscard]] result<std::unique_ptr<any_lease>> prepare(const std::vector<asked_parts>& batch)
  {
    auto lease = cache_.prepare(requests_of(batch), compute_);
    if (!lease) return lease;
    const fuse::out_of_reach while_it_lives;
    errand mine{.rows = {}, .draft = ++drafts_, .work = nullptr};
    const any_lease* const key = lease.value().get();
    see(*key, batch, mine);
    errands_.insert_or_assign(key, std::move(mine));
    return lease;
  }

  void prefetch(const asked_parts& one, const prefetch_limit& limit = {})
  {
    const request r{.user = user_id{one.user}, .parts = one.parts};
    static_cast<void>(cache_.prefetch(r, limit));
  }

  /// The calls of a lease's life, in order, as player::live().
  void live(any_lease& lease, unsigned calls = ~0U)
  {
    const errand& mine = errands_.at(&lease);
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      if (calls-- == 0) return;
      lease.wait(layer);
      if (calls-- == 0) return;
      run_(compute_, layer, mine.work);
      lease.layer_done(layer);
    }
    if (calls-- == 0) return;
    note(mine);
    lease.commit();
  }

  /// Where the device refuses a copy up: once more, and then without what is cached of it.
  void serve(const std::vector<asked_parts>& batch)
  {
    auto lease = prepare(batch);
    for (int again = 0; !lease && lease.why().why == pressure::reason::copy_refused; ++again) {
      REQUIRE(again < 2);
      if (again != 0) forget(batch);
      lease = prepare(batch);
    }
    if (!lease) FAIL(to_string(lease.why()));
    live(**lease);
    (*lease)->release();
  }

  void erase(const sequence_key& key)
  {
    const fuse::out_of_reach while_it_lives;
    std::erase_if(rows_, [&key](const auto& one) { return one.first.first == key; });
    std::erase_if(versions_, [&key](const auto& one) { return one.first.first == key; });
    cache_.erase(key);
  }

 private:
  [[nodiscard]] static std::vector<request> requests_of(const std::vector<asked_parts>& batch)
  {
    const fuse::out_of_reach while_it_lives;
    std::vector<request> out;
    for (const asked_parts& one : batch) out.push_back({.user = user_id{one.user}, .parts = one.parts});
    return out;
  }

  struct row
  {
    std::uint64_t draft = 0;
    naive_ground stands_on;
  };
  struct numbered_key_order
  {
    bool operator()(const std::pair<sequence_key, std::uint64_t>& a,
                    const std::pair<sequence_key, std::uint64_t>& b) const
    {
      return std::tuple(a.first.space, a.first.id, a.second) < std::tuple(b.first.space, b.first.id, b.second);
    }
  };
  /// A part of a lease, of which it computes some.
  struct written
  {
    part of;
    naive_ground stands_on;
    interval_list compute;
    bool own = false;  ///< nobody else gets it
  };
  struct errand
  {
    std::vector<written> rows;
    std::uint64_t draft = 0;
    std::shared_ptr<const lease_work> work;
  };

  void forget(const std::vector<asked_parts>& batch)
  {
    for (const asked_parts& one : batch) {
      for (const part& p : one.parts) {
        if (p.mode != part_mode::scratch) erase(p.key);
      }
    }
  }

  void see(const any_lease& lease, const std::vector<asked_parts>& batch, errand& mine)
  {
    auto work = std::make_shared<lease_work>();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      naive_ground ground;
      for (std::size_t p = 0; p < batch[i].parts.size(); ++p) {
        const part& of = batch[i].parts[p];
        const auto compute = lease.compute(i, p);
        if (is_shared(of.mode)) ground.emplace_back(of.key, of.version);
        const bool is_written_before =
            is_shared(of.mode) && compute.empty() &&
            std::any_of(mine.rows.begin(), mine.rows.end(), [&of](const written& w) { return w.of.key == of.key; });
        const page_table_view view = lease.view(p);
        work->value_offset = view.value_offset();
        work->layer_stride = view.where.layer_stride;
        if (!is_written_before) add_cells(*work, view, i, of, ground, compute, mine.draft);
        if (!compute.empty() && of.mode != part_mode::scratch) {
          const batch_plan& plan = lease.plan();
          mine.rows.push_back(
              {of, ground, interval_list(compute.begin(), compute.end()), plan.requests[plan.row(i, p)].own});
        }
      }
    }
    mine.work = work;
  }

  void add_cells(lease_work& work, const page_table_view& view, std::size_t request, const part& of,
                 const naive_ground& ground, std::span<const token_interval> compute, std::uint64_t draft) const
  {
    const token_count computed = total(interval_list(compute.begin(), compute.end()));
    if (is_shared(of.mode) && computed != 0 && computed != of.tokens) FAIL(name_of(of.key) << " is served in part");
    if (of.mode == part_mode::scratch) REQUIRE(computed == of.tokens);
    for (token_count t = 0; t < of.tokens; ++t) {
      const bool writes =
          std::any_of(compute.begin(), compute.end(), [t](token_interval piece) { return piece.contains(t); });
      work.cells.push_back({.key = view.key(0, request, t),
                            .tag = mix({of.key.space, of.key.id, writes ? draft : draft_of(of, ground, t), t}),
                            .user = user_id{of.key.id},
                            .token = t,
                            .writes = writes});
    }
  }

  /// Who wrote a token that is served.
  [[nodiscard]] std::uint64_t draft_of(const part& of, const naive_ground& ground, token_count t) const
  {
    if (is_shared(of.mode)) {
      const auto known = versions_.find({of.key, of.version});
      if (known == versions_.end()) FAIL("version " << of.version << " of " << name_of(of.key) << " is unknown");
      return known->second;
    }
    const auto known = rows_.find({of.key, t});
    if (known == rows_.end()) FAIL("token " << t << " of " << name_of(of.key) << " is unknown");
    if (known->second.stands_on != ground)
      FAIL("token " << t << " of " << name_of(of.key) << " stands on other versions");
    return known->second.draft;
  }

  void note(const errand& mine)
  {
    const fuse::out_of_reach while_it_lives;
    for (const written& w : mine.rows) {
      if (w.own) continue;
      if (is_shared(w.of.mode)) {
        versions_[{w.of.key, w.of.version}] = mine.draft;
        continue;
      }
      for (const token_interval piece : w.compute) {
        for (token_count t = piece.begin; t < piece.end; ++t) rows_[{w.of.key, t}] = {mine.draft, w.stands_on};
      }
    }
  }

  any_cache& cache_;
  stream_id compute_;
  player::kernel_runner run_;
  std::map<std::pair<sequence_key, std::uint64_t>, row, numbered_key_order> rows_;  // tokens of append parts
  std::map<std::pair<sequence_key, std::uint64_t>, std::uint64_t, numbered_key_order> versions_;  // who wrote them
  std::map<const any_lease*, errand> errands_;  // of leases, some of which are gone
  std::uint64_t drafts_ = 0;
  std::uint64_t plays_ = 0;
};

/// Something of everything: versions that come, go down, are read while the next is written, and go; what stands on them; what
/// several read; scratch; prefetch and its undoing; a version that is not committed. Of sequences of at most six pages, three at a
/// time.
inline void play(parts_player& p, any_cache& cache)
{
  using asks = std::vector<asked_parts>;
  p.begin_play();
  p.serve(asks{{1, {p.statics(1, 1, 18), p.appends(1, 9), p.scratch(5)}}});
  p.serve(asks{{2, {p.statics(2, 1, 13), p.appends(2, 11)}}, {7, {p.history(7, 8)}}});
  p.serve(asks{{3, {p.reads(1, 12), p.appends(3, 6)}}, {4, {p.reads(1, 12), p.appends(4, 7)}}});
  p.serve(asks{{1, {p.statics(1, 1, 18), p.appends(1, 12), p.scratch(3)}}});
  p.serve(asks{{5, {p.reads(2, 24), p.appends(5, 20)}}});
  p.prefetch({1, {p.statics(1, 1, 18), p.appends(1, 12)}}, {.pages = 3});
  p.serve(asks{{2, {p.statics(2, 1, 13), p.appends(2, 14)}}});
  cache.clean(~std::uint64_t{0});
  p.serve(asks{{7, {p.history(7, 20), p.scratch(7)}}});
  p.prefetch({1, {p.statics(1, 1, 18)}});
  cache.undo_prefetch(sequence_key{1, 1});
  p.prefetch({1, {p.statics(1, 1, 18), p.appends(1, 12)}});
  {
    // Where a failure has lost the version, or refuses it a copy up, nobody reads it meanwhile.
    auto reader = p.prepare(asks{{6, {p.statics(1, 1, 18)}}});
    if (reader && !(*reader)->compute(0).empty()) {
      p.live(**reader);
      (*reader)->release();
      reader = p.prepare(asks{{6, {p.statics(1, 1, 18)}}});
    }
    p.serve(asks{{1, {p.statics(1, 2, 10), p.appends(1, 13)}}});
    if (reader) p.live(**reader);
  }
  p.serve(asks{{1, {p.statics(1, 2, 10), p.appends(1, 14)}}});
  {
    auto first = p.prepare(asks{{5, {p.reads(3, 9)}}});
    auto own = p.prepare(asks{{3, {p.own(p.reads(3, 9)), p.appends(9, 5)}}, {4, {p.own(p.reads(3, 9))}}});
    static_cast<void>(p.prepare(asks{{6, {p.reads(3, 9)}}}));  // is told to wait
    if (own) p.live(**own);
    if (first) p.live(**first);
  }
  p.serve(asks{{3, {p.reads(3, 9), p.appends(9, 7)}}});
  if (auto dropped = p.prepare(asks{{2, {p.statics(2, 2, 4), p.appends(2, 14)}}})) p.live(**dropped, 3);
  p.serve(asks{{5, {p.reads(2, 24), p.appends(5, 21)}}, {3, {p.appends(6, 9)}}});
  p.serve(asks{{2, {p.statics(2, 1, 13), p.appends(2, 15)}}});
  p.erase({3, 1});
  p.serve(asks{{3, {p.reads(1, 12), p.appends(3, 8)}}, {4, {p.reads(1, 12), p.appends(4, 7)}}});
  cache.clean(10);
  p.serve(asks{{8, {p.statics(8, 1, 24), p.appends(8, 24), p.scratch(8)}}});
  p.serve(asks{{1, {p.statics(1, 2, 10), p.appends(1, 14)}}});
  cache.drain_sync();
  cache.clean(~std::uint64_t{0});
  p.serve(asks{{2, {p.statics(2, 3, 9), p.appends(2, 15)}}});
  p.serve(asks{{5, {p.reads(2, 24), p.appends(5, 22)}}});
  cache.drain_sync();
}

/// As check_given_back(), of the play above.
inline void check_parts_given_back(any_cache& cache)
{
  for (int round = 0; cache.stats().waiting_writes != 0; ++round) {
    REQUIRE(round < 10);
    cache.drain_sync();
    cache.clean(0);
  }
  cache.drain_sync();
  check_sums(cache.stats());
  for (std::uint32_t space = 0; space < 4; ++space) {
    for (std::uint64_t id = 1; id < 10; ++id) cache.erase(sequence_key{space, id});
  }
  const cache_stats s = cache.stats();
  CHECK(s.users == 0);
  CHECK(s.dirty_tokens == 0);
  for (const tier_stats& tier : all_tiers(s)) {
    CHECK(tier.resident_tokens == 0);
    CHECK(tier.resident_bytes == tier.stale_bytes);  // what of older versions and epochs nobody needed the room of
  }
  cache.close();
}

}  // namespace kvstrata_test
