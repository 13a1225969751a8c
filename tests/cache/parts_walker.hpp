// A long random sequence of requests with and without parts, on a cache on any device, checked against naive_cache after every
// step.
#pragma once

#include "cache/walk_bed.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/arrival.hpp>
#include <kvstrata/plan/part.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

namespace walking_parts {

using namespace kvstrata;

/// A sequence of a lease.
struct row
{
  std::size_t request = 0, part = 0;
  sequence_key key;
  part_mode mode = part_mode::append;
  std::uint64_t version = 0;
  token_count tokens = 0;
  token_count first_token = 0;  ///< of the window
  naive_ground stands_on{};
  bool same = false;         ///< an earlier row of the lease has the sequence
  bool computed = false;     ///< of a shared one: it is written
  bool own = false;          ///< likewise, while another lease writes it, and for this lease alone
  bool may_own = false;      ///< it asks for that, rather than to wait
  bool forgotten = false;    ///< erased, or the epoch is over
  bool exact = false;        ///< is wanted
  std::uint64_t draft = 0;   ///< of a shared one: its bytes
  naive_vouchers vouched{};  ///< by its fingerprint
};

template <kvstrata::device Device, class Model>
class walker : walking::walk_bed<Device, Model, row>
{
  using bed = walking::walk_bed<Device, Model, row>;
  using bed::about_, bed::cache_, bed::device_, bed::epoch_, bed::how_, bed::model_, bed::naive_, bed::open_,
      bed::streams_;
  using bed::begun, bed::below, bed::close_all_leases, bed::close_some_lease, bed::end_of_walk, bed::pass_time,
      bed::same, bed::work_on_a_lease;
  using typename bed::open_lease;

 public:
  walker(any_cache& cache, Device& device, const facts& about, const walk& how)
      : bed(cache, device, about, how, how.seed + 77)
  {
  }

  void run()
  {
    for (int step = 0; step < how_.steps; ++step) {
      CAPTURE(about_.name, how_.seed, step);
      const unsigned what = below(100);
      if (what < 42) prepare();
      else if (what < 82) work_on_a_lease();
      else if (what < 86) prefetch();
      else if (what < 88) erase();
      else if (what < 89) advance_epoch();
      else if (what < 91) cache_.clean(below(40));
      else if (what < 93 && open_.empty()) account();
      else pass_time();
      look();
      if (model_.found().count() != 0) FAIL(model_.found().first());
    }
    CAPTURE(about_.name, how_.seed);
    close_all_leases();
    cache_.drain_sync();
    look();
    account();
    if (about_.loses_nothing) REQUIRE(cache_.stats().forgotten.superseded == naive_.superseded());
    end();
  }

  [[nodiscard]] parts_met met() const
  {
    parts_met out = met_;
    out.refused_tainted = naive_.refused_tainted();
    return out;
  }

 private:
  // --- requests ------------------------------------------------------------------------------------------------------

  [[nodiscard]] token_count longest() const
  {
    return std::min({how_.longest / 2, about_.longest, about_.device_pages() * tiny_page / 4});
  }

  [[nodiscard]] part shared_part(sequence_key key, part_mode mode)
  {
    part p = chosen_part(key, mode);
    if (below(3) == 0) p.if_computed_elsewhere = computed_elsewhere::compute_own;
    return p;
  }
  [[nodiscard]] part chosen_part(sequence_key key, part_mode mode)
  {
    part p{.key = key, .mode = mode};
    const auto before = chosen_.find(key);
    if (before != chosen_.end()) return before->second;
    const naive_version* const known = naive_.versions().find(key);
    auto& newest = newest_[key];
    const bool another = mode == part_mode::replace && below(4) == 0;
    if (known != nullptr && !another) {
      p.version = known->number;
      p.tokens = known->tokens;
    } else {
      p.version = mode == part_mode::read ? 0 : (another || newest == 0 ? newest + 1 : newest);
      newest = std::max(newest, p.version);
      p.tokens = sizes_.try_emplace({key.space, key.id, p.version}, 1 + below(std::min(longest(), 17U))).first->second;
    }
    chosen_[key] = p;
    return p;
  }

  /// Of most the window never moves; of every second one each request has a fingerprint.
  [[nodiscard]] part append_part(sequence_key key)
  {
    part p{.key = key, .first_token = naive_.first_token(key)};
    if (key.id % 3 == 0) {
      const unsigned what = below(20);
      if (what == 0) p.first_token = below(p.first_token + 1);
      else if (what > 14) p.first_token += below(7);
    }
    const token_count most = std::min(p.first_token - p.first_token % tiny_page + longest(), about_.longest);
    p.first_token = std::min(p.first_token, most);
    const token_count known = std::clamp(naive_.known(key), p.first_token, most);
    const unsigned what = below(10);
    p.tokens = what == 0 ? p.first_token + below(known + 1 - p.first_token) : what < 4 ? known : known + below(9);
    p.tokens = std::min(p.tokens, most);
    if (key.id % 2 != 0) return p;
    const token_count told = naive_.vouched(key).prefix;
    if (told != 0 && told <= p.tokens && below(8) == 0) {
      rewritten_.try_emplace(key, naive_.tale(key));
      naive_.tale(key).rewrite(0);  // whatever of it the cache has forgotten, it sees that
    }
    hashes_.push_back(naive_.tale(key).prefixes(1, p.tokens));
    p.fingerprint = {.stride = 1, .prefix_hashes = hashes_.back()};
    return p;
  }

  void start_batch()
  {
    parts_.clear();
    hashes_.clear();
    chosen_.clear();
    rewritten_.clear();
  }
  /// Nothing came of it: the histories are what they were.
  void take_back()
  {
    for (auto& [key, tale] : rewritten_) naive_.tale(key) = std::move(tale);
    rewritten_.clear();
  }

  /// Of a user: their history alone, or parts.
  [[nodiscard]] request request_for(unsigned user)
  {
    request r{.user = user_id{user}, .epoch = epoch_, .if_rewritten = rewritten_history::start_anew};
    if (about_.lossy) r.exact = below(4) == 0;
    if (below(3) == 0) {
      const part all = append_part({0, user});
      r.history_tokens = all.tokens;
      r.first_token = all.first_token;
      r.fingerprint = all.fingerprint;
      return r;
    }
    std::vector<part> parts;
    if (below(3) == 0) parts.push_back(shared_part({3, below(2)}, part_mode::read));
    if (below(4) != 0) parts.push_back(shared_part({1, below(5) == 0 ? 1000 : user}, part_mode::replace));
    if (below(4) != 0) parts.push_back(append_part({2, user}));
    if (below(4) == 0) parts.push_back(append_part({4, user}));
    if (parts.empty() || below(2) == 0) parts.push_back({.tokens = below(9), .mode = part_mode::scratch});
    parts_.push_back(std::move(parts));
    r.parts = parts_.back();
    return r;
  }

  /// A row's part as a request of its own.
  [[nodiscard]] static request asked(const std::vector<request>& batch, const row& r)
  {
    request out = batch[r.request];
    if (out.parts.empty()) return out;
    const part& mine = out.parts[r.part];
    out.user = user_id{mine.key.id};
    out.history_tokens = mine.tokens;
    out.first_token = mine.first_token;
    out.fingerprint = mine.fingerprint;
    out.parts = {&mine, 1};
    return out;
  }

  /// The sequences of a batch, as they stand in its requests.
  [[nodiscard]] static std::vector<row> rows_of(const std::vector<request>& batch)
  {
    std::vector<row> out;
    std::set<sequence_key, naive_key_order> seen;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      naive_ground so_far;
      for (std::size_t p = 0; p < std::max<std::size_t>(batch[i].parts.size(), 1); ++p) {
        row next{.request = i, .part = p, .key = {}};
        const request mine = asked(batch, next);
        next.key = key_of(mine);
        next.mode = mode_of(mine);
        next.version = version_of(mine);
        next.tokens = mine.history_tokens;
        next.first_token = mine.first_token;
        next.exact = mine.exact;
        if (is_shared(next.mode)) {
          so_far.emplace_back(next.key, next.version);
          next.same = !seen.insert(next.key).second;
          next.may_own = mine.parts.front().if_computed_elsewhere == computed_elsewhere::compute_own;
        }
        if (next.mode == part_mode::append) next.stands_on = so_far;
        out.push_back(next);
      }
    }
    return out;
  }

  [[nodiscard]] page_count pages_of_all(const std::vector<row>& rows) const
  {
    page_count all = 0;
    for (const row& r : rows) all += r.same ? 0 : about_.pages({r.first_token, r.tokens});
    return all;
  }

  /// Has an open lease that append part to itself?
  [[nodiscard]] bool is_held(const row& wanted) const
  {
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        if (!r.forgotten && r.mode == part_mode::append && r.key == wanted.key) return true;
      }
    }
    return false;
  }
  /// Does an open lease compute that shared one, for all?
  [[nodiscard]] bool is_written(const sequence_key& key) const
  {
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        if (is_shared(r.mode) && r.key == key && r.computed && !r.own && !r.forgotten && !l.committed) return true;
      }
    }
    return false;
  }
  [[nodiscard]] bool is_turned_away(const row& wanted) const
  {
    if (wanted.mode == part_mode::append) return is_held(wanted);
    return is_shared(wanted.mode) && !wanted.may_own && is_written(wanted.key) && !serves(wanted);
  }
  [[nodiscard]] bool serves(const row& wanted) const
  {
    const naive_version* const known = naive_.versions().find(wanted.key);
    return known != nullptr && known->number == wanted.version;
  }

  void prepare() override
  {
    if (open_.size() >= how_.leases) return close_some_lease();
    start_batch();
    std::vector<request> batch;
    std::set<unsigned> users;
    for (unsigned n = 1 + below(3); n != 0; --n) {
      const unsigned user = 1 + below(how_.users);
      if (!users.insert(user).second) continue;
      batch.push_back(request_for(user));
      if (pages_of_all(rows_of(batch)) > about_.device_pages()) batch.pop_back();
    }
    std::vector<row> rows = rows_of(batch);
    const bool asks_first = below(4) == 0;
    std::optional<batch_plan> said;
    if (asks_first) {
      const auto before = cache_.stats();
      if (auto plan = cache_.plan(batch)) said = *plan;
      REQUIRE(same(before, cache_.stats()));
    }
    const bool must_be_refused = std::any_of(rows.begin(), rows.end(), [&](const row& r) { return is_turned_away(r); });
    const auto before = cache_.stats();
    const stream_id stream = streams_[below(2)];
    auto got = cache_.prepare(batch, stream);
    if (!got) {
      REQUIRE(same(before, cache_.stats()));
      REQUIRE(!said);
      take_back();
      const pressure& why = got.why();
      if (why.why == pressure::reason::held) {
        REQUIRE(!open_.empty());
        bed::check_held(why);
      } else {
        const auto told = std::find_if(rows.begin(), rows.end(), [&](const row& r) {
          return r.key == sequence_key{why.space, why.user} && (r.mode == part_mode::append || !r.may_own);
        });
        REQUIRE(told != rows.end());
        if (comes_by_commit(why)) {
          ++met_.told_to_wait;
          REQUIRE((is_shared(told->mode) && is_written(told->key)));
        } else {
          REQUIRE((why.why == pressure::reason::user_held && is_held(*told)));
        }
      }
      return;
    }
    REQUIRE(!must_be_refused);
    REQUIRE(asks_first == said.has_value());
    open_lease fresh = begun(std::move(got).value(), stream);
    if (said) {
      REQUIRE(said->size() == batch.size());
      REQUIRE(said->compute == fresh.lease->plan().compute);
      REQUIRE(said->pages_needed == fresh.lease->plan().pages_needed);
    }
    fresh.rows = std::move(rows);
    REQUIRE(fresh.lease->size() == batch.size());
    for (row& r : fresh.rows) see(fresh, r, asked(batch, r));
    for (row& r : fresh.rows) see_exactness(fresh, r);
    check_views(fresh, batch);
    fresh.work = work_of(fresh);
    open_.push_back(std::move(fresh));
    check_pages_are_apart();
  }

  /// What is served is what was committed, and stands on what it is asked for with.
  void see(const open_lease& l, row& r, const request& asked)
  {
    const token_sources from = l.lease->sources(r.request, r.part);
    const auto compute = l.lease->compute(r.request, r.part);
    token_count computed = 0;
    for (const token_interval piece : compute) computed += piece.size();
    REQUIRE(from.computed == computed);
    REQUIRE(from.from[0] + from.fetched() + from.computed == r.tokens - r.first_token);
    if (r.mode == part_mode::scratch) {
      REQUIRE(computed == r.tokens);
    } else if (is_shared(r.mode)) {
      r.computed = computed != 0;
      r.own = plan_of(l, r).own;
      if (r.same) {
        if (r.computed) FAIL(name_of(r.key) << " is computed twice in one batch");
        const row& first = *std::find_if(l.rows.begin(), l.rows.end(),
                                         [&](const row& other) { return other.key == r.key && is_shared(other.mode); });
        r.draft = first.draft;
        REQUIRE(r.own == first.own);
        if (r.own) REQUIRE(r.may_own);
        return;
      }
      REQUIRE(r.own == (r.computed && is_written(r.key)));
      if (r.own) REQUIRE(r.may_own);
      met_.own_copies += r.own ? 1U : 0U;
      const auto what = naive_.see_version(r.key, r.version, r.tokens, computed, any_exact(l, r.key));
      if (what == naive_versions::outcome::not_enough) ++met_.made_exact;
      r.draft = r.computed ? l.draft : naive_.versions().find(r.key)->draft;
    } else {
      const request_plan& p = plan_of(l, r);
      naive_.begin(asked, p, false, false, about_.kept_stretches, r.stands_on);
      naive_.see(l.lease->plan(), l.lease->plan().row(r.request, r.part));
      if (!p.kept.unproven) r.vouched = naive_vouchers::of(asked, about_.kept_stretches);
    }
  }

  [[nodiscard]] static const request_plan& plan_of(const open_lease& l, const row& r)
  {
    return l.lease->plan().requests[l.lease->plan().row(r.request, r.part)];
  }
  [[nodiscard]] static bool any_exact(const open_lease& l, const sequence_key& key)
  {
    return std::any_of(l.rows.begin(), l.rows.end(), [&](const row& r) { return r.key == key && r.exact; });
  }

  /// Whoever wants exact tokens gets no others, and what is computed on top of others is none.
  void see_exactness(const open_lease& l, const row& r)
  {
    const request_plan& p = plan_of(l, r);
    if ((r.exact || !about_.lossy) && p.inexact_from < r.tokens)
      FAIL(name_of(r.key) << " is inexact from token " << p.inexact_from << " on, and asked for as exact");
    if (is_shared(r.mode)) met_.inexact_shared += p.inexact_from < r.tokens ? 1U : 0U;
    if (r.mode != part_mode::append) return;
    const bool on_inexact = std::any_of(l.rows.begin(), l.rows.end(), [&](const row& other) {
      return other.request == r.request && other.part < r.part && is_shared(other.mode) &&
             plan_of(l, other).inexact_from < other.tokens;
    });
    const auto compute = l.lease->compute(r.request, r.part);
    if (!on_inexact || compute.empty()) return;
    if (p.inexact_from > compute.front().begin)
      FAIL("token " << compute.front().begin << " of " << name_of(r.key)
                    << " is computed on a lossy copy, and called exact");
    for (const token_interval piece : compute) met_.tainted_rows += piece.size();
  }

  void check_views(const open_lease& l, const std::vector<request>& batch)
  {
    std::size_t most = 1;
    for (const request& r : batch) most = std::max(most, r.parts.size());
    for (std::size_t part = 0; part < most; ++part) {
      const page_table_view view = l.lease->view(part);
      REQUIRE(view.size() == batch.size());
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const auto at =
            std::find_if(l.rows.begin(), l.rows.end(), [&](const row& r) { return r.request == i && r.part == part; });
        const token_interval all = at == l.rows.end() ? token_interval{} : token_interval{at->first_token, at->tokens};
        REQUIRE(view.pages(i).size() == pages_of(all, tiny_page).size());
        REQUIRE(view.tokens(i) == all.end);
        REQUIRE(view.first_token(i) == all.begin);
        for (const page_id id : view.pages(i)) REQUIRE(to_number(id) < about_.slab_pages + about_.window_pages);
      }
    }
    REQUIRE_THROWS_AS(l.lease->view(most), usage_error);
  }

  /// A page is of one sequence, and of one version of it; those of the window are their lease's.
  void check_pages_are_apart()
  {
    using owner = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t, std::size_t>;
    std::map<page_id, owner> owners;
    std::size_t number = 0;
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        ++number;
        const page_table_view view = l.lease->view(r.part);
        const owner mine = is_shared(r.mode) ? owner{r.key.space, r.key.id, r.draft, 0} : owner{9, 9, 9, number};
        for (const page_id id : view.pages(r.request)) {
          const auto [at, fresh] = owners.emplace(id, mine);
          if (!fresh && at->second != mine) FAIL("page " << to_number(id) << " is of two sequences");
        }
      }
    }
  }

  [[nodiscard]] std::shared_ptr<lease_work> work_of(const open_lease& l)
  {
    auto work = std::make_shared<lease_work>();
    for (const row& r : l.rows) {
      const page_table_view view = l.lease->view(r.part);
      work->value_offset = view.value_offset();
      work->layer_stride = view.where.layer_stride;
      const auto compute = l.lease->compute(r.request, r.part);
      const request_plan& p = plan_of(l, r);
      if (r.same && r.draft == l.draft) continue;  // written by the row before it, in the same kernel
      for (token_count t = r.first_token; t < r.tokens; ++t) {
        const bool writes =
            std::any_of(compute.begin(), compute.end(), [t](token_interval piece) { return piece.contains(t); });
        std::uint64_t draft = l.draft;
        if (is_shared(r.mode)) draft = r.draft;
        else if (r.mode == part_mode::append && (!writes || p.recomputed.contains(t)))
          draft = naive_.draft_of(r.key, t);
        work->cells.push_back({.key = view.key(0, r.request, t),
                               .tag = mix({r.key.space, r.key.id, to_number(epoch_), draft, r.part, t}),
                               .user = alias_of(r.key),
                               .token = t,
                               .writes = writes,
                               .exact = t < p.inexact_from});
        if (r.mode != part_mode::scratch)
          work->cells.back().tag = mix({r.key.space, r.key.id, to_number(epoch_), draft, t});
      }
    }
    return work;
  }

  /// First what others stand on.
  void learn(open_lease& l) override
  {
    for (const row& r : l.rows) {
      if (r.computed && !r.own && !r.forgotten) naive_.commit_version(r.key, {r.version, r.tokens, l.draft});
    }
    for (const row& r : l.rows) {
      if (r.forgotten || r.mode != part_mode::append) continue;
      naive_.commit(plan_of(l, r), l.lease->compute(r.request, r.part), l.draft);
      naive_.vouched(r.key).learn(r.vouched);
    }
  }

  // --- the other calls ------------------------------------------------------------------------------------------------

  void prefetch()
  {
    start_batch();
    const request r = request_for(1 + below(how_.users));
    take_back();
    if (pages_of_all(rows_of({r})) > about_.device_pages()) return;
    prefetch_limit limit;
    if (below(2) == 0) limit.pages = below(8);
    const auto before = cache_.stats();
    const auto moved = cache_.prefetch(r, limit);
    if (!moved) {
      REQUIRE(!open_.empty());
      REQUIRE(same(before, cache_.stats(), before.waiting_writes == 0));
      return;
    }
    REQUIRE(moved->pages <= limit.pages);
    if (below(3) == 0 && !r.parts.empty()) cache_.undo_prefetch(r.parts.front().key);
  }

  void erase()
  {
    sequence_key key{below(2) == 0 ? 1U : 2U, 1 + below(how_.users)};
    if (below(4) == 0) key = {3, below(2)};
    cache_.erase(key);
    forget(key);
    REQUIRE(!cache_.erase(key));
  }
  void forget(const sequence_key& key)
  {
    naive_.forget(key, false);
    newest_.erase(key);
    for (auto at = sizes_.begin(); at != sizes_.end();) {
      const auto& [space, id, version] = at->first;
      at = sequence_key{space, id} == key ? sizes_.erase(at) : std::next(at);
    }
    for (open_lease& l : open_) {
      for (row& r : l.rows) r.forgotten = r.forgotten || r.key == key;
    }
  }

  void advance_epoch()
  {
    epoch_ = epoch_id{to_number(epoch_) + 1};
    cache_.advance_epoch(epoch_);
    naive_.forget_all();
    for (open_lease& l : open_) {
      for (row& r : l.rows) r.forgotten = true;
    }
    REQUIRE(cache_.stats().users == 0);
  }

  // --- books ----------------------------------------------------------------------------------------------------------

  void look()
  {
    const cache_stats s = cache_.stats();
    bed::check_tiers(s);
    std::set<page_id> viewed;
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        for (const page_id id : l.lease->view(r.part).pages(r.request)) {
          if (to_number(id) < about_.slab_pages) viewed.insert(id);
        }
      }
    }
    REQUIRE(s.levels[0].resident_bytes >= viewed.size() * tiny_page_bytes);
    REQUIRE(s.forgotten.superseded <= naive_.superseded());
    REQUIRE(cache_.counted().superseded_tokens == s.forgotten.superseded);
    bed::check_losses(s);
  }

  struct found
  {
    std::uint64_t in_slab = 0;
    std::uint64_t useless = 0;    ///< rests on rows that are gone
    std::uint64_t sequences = 0;  ///< of which anything is there
    bool all_seen = true;

    void add(const batch_plan& plan, std::size_t row)
    {
      const request_plan& p = plan.requests[row];
      in_slab += p.in_slab.size();
      useless += p.kept.forgotten.total();
      if (p.computed() != p.history - p.first_token || p.kept.forgotten.total() != 0) ++sequences;
    }
  };

  /// With no lease open: what the slab says that it holds is what plans find there.
  void account()
  {
    found all;
    const auto see = [&](std::vector<part> parts) {
      const request r{.user = user_id{1}, .epoch = epoch_, .parts = parts};
      const auto plan = cache_.plan({&r, 1});
      if (plan) all.add(*plan, plan->row(0, parts.size() - 1));
      else all.all_seen = false;
    };
    for (const auto& [key, known] : naive_.versions().all()) see({version_part(key, known.number)});
    for (const auto& [key, ground] : naive_.sequences()) {
      std::vector<part> parts;
      for (const auto& [on, number] : ground) parts.push_back(version_part(on, number));
      const token_count first = naive_.first_token(key);
      parts.push_back({.key = key, .tokens = std::max(first, naive_.known(key)), .first_token = first});
      see(std::move(parts));
    }
    const cache_stats s = cache_.stats();
    if (!all.all_seen) return;
    REQUIRE(s.levels[0].resident_tokens >= all.in_slab);
    REQUIRE(s.levels[0].resident_tokens <= all.in_slab + all.useless);
    REQUIRE(s.users == all.sequences);
  }
  [[nodiscard]] part version_part(const sequence_key& key, std::uint64_t number) const
  {
    const auto known = sizes_.find({key.space, key.id, number});
    return {.key = key,
            .version = number,
            .tokens = known == sizes_.end() ? 1 : known->second,  // erased: of any size
            .mode = key.space == 3 ? part_mode::read : part_mode::replace};
  }

  void end()
  {
    for (unsigned round = 0; cache_.stats().waiting_writes != 0; ++round) {
      if (round > 8 * how_.users && about_.coded()) break;  // those for whom pages that are kept raw leave no frame
      REQUIRE(round <= 8 * how_.users);
      cache_.drain_sync();
      cache_.clean(0);
    }
    cache_.drain_sync();
    for (std::uint32_t space = 0; space < 5; ++space) {
      for (unsigned id = 0; id <= how_.users; ++id) cache_.erase(sequence_key{space, id});
      cache_.erase(sequence_key{space, 1000});
    }
    const cache_stats s = cache_.stats();
    REQUIRE(s.users == 0);
    REQUIRE(s.dirty_tokens == 0);
    for (const tier_stats& tier : all_tiers(s)) {
      REQUIRE(tier.resident_tokens == 0);
      REQUIRE(tier.resident_bytes == tier.stale_bytes);  // what of older epochs and versions nobody needed the room of
    }
    end_of_walk();
  }

  std::deque<std::vector<part>> parts_;            // of the batch that is being made
  std::deque<std::vector<std::uint64_t>> hashes_;  // likewise
  std::map<sequence_key, part, naive_key_order> chosen_;
  std::map<sequence_key, story, naive_key_order> rewritten_;  // what they were before
  std::map<sequence_key, std::uint64_t, naive_key_order> newest_;
  std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>, token_count> sizes_;
  parts_met met_;
};

}  // namespace walking_parts

}  // namespace kvstrata_test
