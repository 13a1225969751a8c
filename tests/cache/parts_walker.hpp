// A long random sequence of requests with and without parts, on a cache of any policies. What is checked after every step is
// small enough to be seen through: of a part that is replaced or read, the version that was committed last, and its bytes; of one
// that is appended to, who wrote which row, what the rows stand on, and whether anything of that came through a lossy copy.
#pragma once

#include "cache/random_walk.hpp"
#include "cache/tiny_model.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/part.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

namespace walking_parts {

using namespace kvstrata;

struct by_key
{
  bool operator()(const sequence_key& a, const sequence_key& b) const
  {
    return std::pair(a.space, a.id) < std::pair(b.space, b.id);
  }
};

/// Versions of replace and read parts, in the order of the request.
using ground = std::vector<std::pair<sequence_key, std::uint64_t>>;

struct shared_truth
{
  bool committed = false;
  std::uint64_t version = 0;
  token_count tokens = 0;
  std::uint64_t draft = 0;
};

struct append_truth
{
  std::map<token_count, std::uint64_t> drafts;  ///< of committed rows
  ground stands_on;
  std::set<token_count> tainted{};  ///< of these, the ones that were computed on top of a lossy copy
};

/// A sequence of a lease.
struct row
{
  std::size_t request = 0, part = 0;
  sequence_key key;
  part_mode mode = part_mode::append;
  std::uint64_t version = 0;
  token_count tokens = 0;
  ground stands_on{};
  bool same = false;       ///< an earlier row of the lease has the sequence
  bool computed = false;   ///< of a shared one: it is written
  bool forgotten = false;  ///< erased, or the epoch is over
  bool exact = false;      ///< is wanted
  token_count tainted_from =
      all_exact;            ///< of an append part: what its lease computes from there on rests on a lossy copy
  std::uint64_t draft = 0;  ///< of a shared one: its bytes
};

struct open_lease
{
  std::unique_ptr<any_lease> lease;
  stream_id stream{};
  std::vector<row> rows;
  std::shared_ptr<lease_work> work;
  std::uint64_t draft = 0;
  layer_index next = 0;
  bool committed = false;
};

class walker
{
 public:
  walker(any_cache& cache, emulated_device& device, const facts& about, const walk& how)
      : cache_(cache), device_(device), about_(about), how_(how), model_(device, 2e-6), random_(how.seed + 77)
  {
    for (const char* name : {"compute a", "compute b"}) streams_.push_back(device_.create_stream(name));
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
      else pass_time();
      look();
      if (model_.found().count() != 0) FAIL(model_.found().first());
    }
    CAPTURE(about_.name, how_.seed);
    while (!open_.empty()) close_lease(open_.size() - 1);
    cache_.drain_sync();
    look();
    if (about_.loses_nothing) REQUIRE(cache_.stats().forgotten.superseded == superseded_);
    end();
  }

  [[nodiscard]] std::uint64_t superseded() const { return superseded_; }
  [[nodiscard]] std::uint64_t served() const { return served_; }
  [[nodiscard]] const parts_met& met() const { return met_; }

 private:
  [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  // --- requests ------------------------------------------------------------------------------------------------------

  [[nodiscard]] token_count longest() const
  {
    return std::min({how_.longest / 2, about_.longest, about_.device_pages() * tiny_page / 4});
  }

  [[nodiscard]] part shared_part(sequence_key key, part_mode mode)
  {
    part p{.key = key, .mode = mode};
    const auto before = chosen_.find(key);
    if (before != chosen_.end()) return before->second;
    const shared_truth& known = shared_[key];
    auto& newest = newest_[key];
    const bool another = mode == part_mode::replace && below(4) == 0;
    if (known.committed && !another) {
      p.version = known.version;
      p.tokens = known.tokens;
    } else {
      p.version = mode == part_mode::read ? 0 : (another || newest == 0 ? newest + 1 : newest);
      newest = std::max(newest, p.version);
      p.tokens = sizes_.try_emplace({key.space, key.id, p.version}, 1 + below(std::min(longest(), 17U))).first->second;
    }
    chosen_[key] = p;
    return p;
  }

  [[nodiscard]] part append_part(sequence_key key)
  {
    const auto& rows = append_[key].drafts;
    const token_count known = rows.empty() ? 0 : rows.rbegin()->first + 1;
    const unsigned what = below(10);
    token_count tokens = what == 0 ? below(known + 1) : what < 4 ? known : known + below(9);
    return {.key = key, .tokens = std::min(tokens, longest())};
  }

  /// Of a user: their history alone, or parts.
  [[nodiscard]] request request_for(unsigned user)
  {
    request r{.user = user_id{user}, .epoch = epoch_};
    if (about_.lossy) r.exact = below(4) == 0;
    if (below(3) == 0) {
      r.history_tokens = append_part({0, user}).tokens;
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

  /// The sequences of a batch, as they stand in its requests.
  [[nodiscard]] static std::vector<row> rows_of(const std::vector<request>& batch)
  {
    std::vector<row> out;
    std::set<sequence_key, by_key> seen;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const request& r = batch[i];
      if (r.parts.empty()) {
        out.push_back({.request = i, .key = key_of(r.user), .tokens = r.history_tokens, .exact = r.exact});
        continue;
      }
      ground so_far;
      for (std::size_t p = 0; p < r.parts.size(); ++p) {
        const part& mine = r.parts[p];
        row next{.request = i, .part = p, .key = mine.key, .mode = mine.mode, .version = mine.version};
        next.tokens = mine.tokens;
        next.exact = r.exact;
        if (is_shared(mine.mode)) {
          so_far.emplace_back(mine.key, mine.version);
          next.same = !seen.insert(mine.key).second;
        }
        if (mine.mode == part_mode::append) next.stands_on = so_far;
        out.push_back(next);
      }
    }
    return out;
  }

  [[nodiscard]] page_count pages_of_all(const std::vector<row>& rows) const
  {
    page_count all = 0;
    for (const row& r : rows) all += r.same ? 0 : about_.pages({0, r.tokens});
    return all;
  }

  /// Has an open lease that row's sequence to itself?
  [[nodiscard]] bool is_held(const row& wanted) const
  {
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        if (r.forgotten || r.mode == part_mode::scratch || r.key != wanted.key) continue;
        if (wanted.mode == part_mode::append) return true;
        if (r.computed && !l.committed && !serves(wanted)) return true;
      }
    }
    return false;
  }
  [[nodiscard]] bool serves(const row& wanted) const
  {
    const auto known = shared_.find(wanted.key);
    return known != shared_.end() && known->second.committed && known->second.version == wanted.version;
  }

  void prepare()
  {
    if (open_.size() >= how_.leases) return close_lease(below(static_cast<unsigned>(open_.size())));
    parts_.clear();
    chosen_.clear();
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
    if (asks_first) {
      const auto before = cache_.stats();
      const auto said = cache_.plan(batch);
      if (said) REQUIRE(said->size() == batch.size());
      REQUIRE(same(before, cache_.stats()));
    }
    const bool must_be_refused =
        std::any_of(rows.begin(), rows.end(), [&](const row& r) { return r.mode == part_mode::append && is_held(r); });
    const auto before = cache_.stats();
    const stream_id stream = streams_[below(2)];
    auto got = cache_.prepare(batch, stream);
    if (!got) {
      REQUIRE(same(before, cache_.stats()));
      const pressure& why = got.why();
      if (why.why == pressure::reason::held) {
        REQUIRE(!open_.empty());
        REQUIRE(why.pages_needed > why.pages_free + why.pages_evictable);
        REQUIRE(why.pages_free + why.pages_evictable + why.pages_held <= about_.device_pages());
      } else {
        REQUIRE(why.why == pressure::reason::user_held);
        REQUIRE(is_under_lease({why.space, why.user}));
      }
      return;
    }
    REQUIRE(!must_be_refused);
    open_lease fresh;
    fresh.lease = std::move(got).value();
    fresh.stream = stream;
    fresh.draft = ++drafts_;
    fresh.rows = std::move(rows);
    REQUIRE(fresh.lease->size() == batch.size());
    for (row& r : fresh.rows) see(fresh, r);
    for (row& r : fresh.rows) see_exactness(fresh, r);
    check_views(fresh, batch);
    fresh.work = work_of(fresh);
    open_.push_back(std::move(fresh));
    check_pages_are_apart();
  }

  [[nodiscard]] bool is_under_lease(const sequence_key& key) const
  {
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        if (r.key == key && !r.forgotten && r.mode != part_mode::scratch) return true;
      }
    }
    return false;
  }

  /// What is served is what was committed, and stands on what it is asked for with.
  void see(open_lease& l, row& r)
  {
    const auto compute = l.lease->compute(r.request, r.part);
    token_count computed = 0;
    for (const token_interval piece : compute) computed += piece.size();
    const token_sources from = l.lease->sources(r.request, r.part);
    REQUIRE(from.computed == computed);
    REQUIRE(from.from[0] + from.fetched() + from.computed == r.tokens);
    const std::string name = name_of(r.key);
    if (r.mode != part_mode::scratch) served_ += r.tokens - computed;
    if (r.mode == part_mode::scratch) {
      REQUIRE(computed == r.tokens);
    } else if (is_shared(r.mode)) {
      if (computed != 0 && computed != r.tokens) FAIL(name << " is served in part");
      r.computed = computed != 0;
      const row* first = nullptr;
      for (const row& other : l.rows) {
        if (&other != &r && other.key == r.key && other.mode == r.mode && first == nullptr) first = &other;
      }
      if (r.same) {
        if (r.computed) FAIL(name << " is computed twice in one batch");
        r.draft = first->draft;
        return;
      }
      shared_truth& known = shared_[r.key];
      if (!r.computed && !(known.committed && known.version == r.version && known.tokens == r.tokens))
        FAIL(name << " is served as version " << r.version << ", which was not committed last");
      if (r.computed && known.committed && known.version == r.version) {
        if (any_exact(l, r.key)) {  // it has vanished, or it is there and was not good enough
          ++met_.made_exact;
        } else {
          vanished_ += known.tokens;
          known.committed = false;
        }
      }
      r.draft = r.computed ? l.draft : known.draft;
    } else {
      append_truth& known = append_[r.key];
      if (known.stands_on != r.stands_on) {
        superseded_ += known.drafts.size();
        known.drafts.clear();
        known.tainted.clear();
        known.stands_on = r.stands_on;
      }
      for (token_count t = 0; t < r.tokens; ++t) {
        const bool now = std::any_of(compute.begin(), compute.end(), [t](token_interval p) { return p.contains(t); });
        if (!now && known.drafts.count(t) == 0)
          FAIL("token " << t << " of " << name << " is served, and nobody committed it on this ground");
        if (!now || plan_of(l, r).recomputed.contains(t)) continue;
        met_.refused_tainted += r.exact && known.drafts.count(t) != 0 && known.tainted.count(t) != 0 ? 1U : 0U;
        const std::uint64_t gone = known.drafts.erase(t);
        if (!r.exact) vanished_ += gone;  // or it was not good enough
        known.tainted.erase(t);
      }
      if (!r.exact || !plan_of(l, r).kept.forgets) return;
      for (auto at = known.drafts.lower_bound(plan_of(l, r).kept.tokens.end); at != known.drafts.end();) {
        known.tainted.erase(at->first);  // behind what the request asks for
        at = known.drafts.erase(at);
      }
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
  void see_exactness(open_lease& l, row& r)
  {
    const request_plan& p = plan_of(l, r);
    const std::string name = name_of(r.key);
    if ((r.exact || !about_.lossy) && p.inexact_from < r.tokens)
      FAIL(name << " is inexact from token " << p.inexact_from << " on, and asked for as exact");
    if (r.mode == part_mode::scratch) return;
    if (is_shared(r.mode)) {
      if (p.inexact_from < r.tokens) ++met_.inexact_shared;
      return;
    }
    const bool on_inexact = std::any_of(l.rows.begin(), l.rows.end(), [&](const row& other) {
      return other.request == r.request && other.part < r.part && is_shared(other.mode) &&
             plan_of(l, other).inexact_from < other.tokens;
    });
    const auto compute = l.lease->compute(r.request, r.part);
    bool behind = on_inexact;
    for (token_count t = 0; t < r.tokens; ++t) {
      const bool now = std::any_of(compute.begin(), compute.end(), [t](token_interval c) { return c.contains(t); });
      if (!now) {
        const bool tainted = append_[r.key].tainted.count(t) != 0;
        if (tainted && t < p.inexact_from) FAIL("token " << t << " of " << name << " rests on a lossy copy");
        behind = behind || t >= p.inexact_from;
      } else if (behind) {
        if (t < p.inexact_from)
          FAIL("token " << t << " of " << name << " is computed on a lossy copy, and called exact");
        if (r.tainted_from == all_exact) r.tainted_from = t;
        if (on_inexact) ++met_.tainted_rows;
      }
    }
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
        const token_count tokens = at == l.rows.end() ? 0 : at->tokens;
        REQUIRE(view.pages(i).size() == pages_of({0, tokens}, tiny_page).size());
        REQUIRE(view.tokens(i) == tokens);
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
      const request_plan& p = l.lease->plan().requests[l.lease->plan().row(r.request, r.part)];
      if (r.same && r.draft == l.draft) continue;  // written by the row before it, in the same kernel
      for (token_count t = 0; t < r.tokens; ++t) {
        const bool writes =
            std::any_of(compute.begin(), compute.end(), [t](token_interval piece) { return piece.contains(t); });
        std::uint64_t draft = l.draft;
        if (is_shared(r.mode)) draft = r.draft;
        else if (r.mode == part_mode::append && (!writes || p.recomputed.contains(t)))
          draft = append_[r.key].drafts.at(t);
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

  // --- what becomes of a lease ----------------------------------------------------------------------------------------

  void work_on_a_lease()
  {
    if (open_.empty()) return prepare();
    const std::size_t which = below(static_cast<unsigned>(open_.size()));
    const unsigned what = below(20);
    if (what == 0) return drop(which);
    if (what < 9) return layer(which);
    close_lease(which);
  }

  void layer(std::size_t which)
  {
    open_lease& l = open_[which];
    if (l.next == tiny.layers) return commit(which);
    l.lease->wait(l.next);
    model_.launch(l.stream, l.next, l.work);
    l.lease->layer_done(l.next++);
  }

  void commit(std::size_t which)
  {
    open_lease& l = open_[which];
    if (l.committed) {
      REQUIRE_THROWS_AS(l.lease->commit(), usage_error);
      return;
    }
    l.lease->commit();
    l.committed = true;
    for (const row& r : l.rows) {  // first those that others stand on
      if (r.forgotten || !r.computed) continue;
      shared_truth& known = shared_[r.key];
      if (known.committed) superseded_ += known.tokens;
      known = {true, r.version, r.tokens, l.draft};
      for (auto& [key, theirs] : append_) supersede(key, theirs, l);
    }
    for (const row& r : l.rows) {
      if (r.forgotten || r.mode != part_mode::append) continue;
      append_truth& known = append_[r.key];
      const request_plan& p = l.lease->plan().requests[l.lease->plan().row(r.request, r.part)];
      for (const token_interval piece : l.lease->compute(r.request, r.part)) {
        for (token_count t = piece.begin; t < piece.end; ++t) {
          if (!p.recomputed.contains(t)) known.drafts[t] = l.draft;
          if (t >= r.tainted_from) known.tainted.insert(t);
          else known.tainted.erase(t);
        }
      }
      supersede(r.key, known, l);
    }
  }

  /// Rows that stand on what is not there any more are gone, and so are those that a lease still adds.
  void supersede(const sequence_key&, append_truth& rows, const open_lease&)
  {
    for (const auto& [key, version] : rows.stands_on) {
      const shared_truth& now = shared_[key];
      if (!now.committed || now.version == version) continue;
      superseded_ += rows.drafts.size();
      rows.drafts.clear();
      rows.tainted.clear();
      return;
    }
  }

  void close_lease(std::size_t which)
  {
    while (open_[which].next != tiny.layers) layer(which);
    if (!open_[which].committed && below(8) != 0) commit(which);
    drop(which);
  }

  void drop(std::size_t which)
  {
    if (below(2) == 0) open_[which].lease->release();
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  // --- the other calls ------------------------------------------------------------------------------------------------

  void prefetch()
  {
    parts_.clear();
    chosen_.clear();
    const request r = request_for(1 + below(how_.users));
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
    shared_.erase(key);
    append_.erase(key);
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
    for (auto& [key, known] : shared_) known = {};
    append_.clear();
    for (open_lease& l : open_) {
      for (row& r : l.rows) r.forgotten = true;
    }
    REQUIRE(cache_.stats().users == 0);
  }

  void pass_time()
  {
    const bool is_virtual = device_.config().time == time_mode::virtual_time;
    if (is_virtual && below(4) == 0) device_.delay_next_copy(1e-6 * below(50), below(6));
    if (is_virtual && below(4) != 0) return device_.advance_host(1e-6 * below(40));
    if (below(3) == 0) cache_.drain_sync();
    else device_.wait_sync(device_.record(streams_[below(2)]));
  }

  // --- books ----------------------------------------------------------------------------------------------------------

  [[nodiscard]] static std::uint64_t dropped(const cache_stats& s)
  {
    std::uint64_t sum = 0;
    for (level_index i = 0; i < s.depth; ++i) sum += s.levels[i].dropped_tokens;
    return sum;
  }

  void look()
  {
    const cache_stats s = cache_.stats();
    const std::vector<tier_stats> tiers = all_tiers(s);
    for (std::size_t i = 0; i < tiers.size(); ++i) {
      REQUIRE(tiers[i].free_bytes + tiers[i].resident_bytes + tiers[i].in_flight_bytes == tiers[i].capacity_bytes);
      REQUIRE(tiers[i].stale_bytes <= tiers[i].resident_bytes);
      REQUIRE(tiers[i].resident_tokens * (i < about_.levels ? about_.frame_bytes[i] : tiny_page_bytes) <=
              tiers[i].resident_bytes * tiny_page);
    }
    REQUIRE(s.leases == open_.size());
    REQUIRE(s.dirty_tokens <= s.levels[0].resident_tokens);
    std::set<page_id> viewed;
    for (const open_lease& l : open_) {
      for (const row& r : l.rows) {
        for (const page_id id : l.lease->view(r.part).pages(r.request)) {
          if (to_number(id) < about_.slab_pages) viewed.insert(id);
        }
      }
    }
    REQUIRE(s.levels[0].resident_bytes >= viewed.size() * tiny_page_bytes);
    REQUIRE(s.forgotten.superseded <= superseded_);
    REQUIRE(cache_.counted().superseded_tokens == s.forgotten.superseded);
    if (vanished_ > dropped(s)) FAIL(vanished_ << " tokens have vanished, but " << dropped(s) << " were dropped");
    if (about_.loses_nothing) REQUIRE(dropped(s) == 0);
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
    for (const stream_id stream : streams_) device_.wait_sync(device_.record(stream));
    const auto violations = device_.violations();
    if (!violations.empty())
      FAIL(violations.size() << " orderings are missing, the first: " << to_string(violations[0]));
    if (model_.found().count() != 0) FAIL("wrong reads, the first: " << model_.found().first());
    cache_.close();
  }

  [[nodiscard]] static bool same(const cache_stats& a, const cache_stats& b, bool nothing_waited = true)
  {
    if (a.leases != b.leases || a.forgotten != b.forgotten) return false;
    for (level_index i = 0; i < (nothing_waited ? a.depth : 1U); ++i) {
      if (a.levels[i].resident_tokens != b.levels[i].resident_tokens) return false;
      if (a.levels[i].evicted_tokens != b.levels[i].evicted_tokens) return false;
      if (a.levels[i].resident_bytes != b.levels[i].resident_bytes) return false;
    }
    return !nothing_waited || a.users == b.users;
  }

  any_cache& cache_;
  emulated_device& device_;
  facts about_;
  walk how_;
  tiny_model model_;
  std::mt19937_64 random_;
  std::vector<stream_id> streams_;
  epoch_id epoch_{};
  std::deque<std::vector<part>> parts_;  // of the batch that is being made
  std::map<sequence_key, part, by_key> chosen_;
  std::map<sequence_key, shared_truth, by_key> shared_;
  std::map<sequence_key, append_truth, by_key> append_;
  std::map<sequence_key, std::uint64_t, by_key> newest_;
  std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>, token_count> sizes_;
  std::vector<open_lease> open_;
  std::uint64_t drafts_ = 0;
  parts_met met_;
  std::uint64_t vanished_ = 0;
  std::uint64_t superseded_ = 0;  // at most so many tokens were there to be
  std::uint64_t served_ = 0;
};

}  // namespace walking_parts

}  // namespace kvstrata_test
