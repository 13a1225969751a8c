// A long random sequence of operations on a cache on any device, checked against naive_cache after every step.
#pragma once

#include "cache/walk_bed.hpp"
#include "support/device_bed.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

namespace walking {

/// A request that is under a lease.
struct turn
{
  user_id user{};
  token_interval window;
  token_count known = 0;   ///< what was committed of the user when the lease began
  bool forgotten = false;  ///< erased, or the epoch is over
  naive_vouchers vouched;  ///< by its fingerprints
};

template <kvstrata::device Device, class Model>
class walker : walk_bed<Device, Model, turn>
{
  using bed = walk_bed<Device, Model, turn>;
  using bed::about_, bed::cache_, bed::device_, bed::drafts_, bed::epoch_, bed::how_, bed::model_, bed::naive_,
      bed::open_, bed::streams_;
  using bed::begun, bed::below, bed::close_all_leases, bed::close_some_lease, bed::dropped_below, bed::end_of_walk,
      bed::evicted_below, bed::is_in_window, bed::pass_time, bed::resident_tokens, bed::same, bed::snapshot,
      bed::work_on_a_lease;
  using typename bed::open_lease;

 public:
  walker(any_cache& cache, Device& device, const facts& about, const walk& how)
      : bed(cache, device, about, how, how.seed)
  {
  }

  void run()
  {
    for (int step = 0; step < how_.steps; ++step) {
      CAPTURE(about_.name, how_.seed, step);
      const unsigned what = below(1000);
      if (what < 340) prepare();
      else if (what < 760) work_on_a_lease();
      else if (what < 840) prefetch();
      else if (what < 850) undo_prefetch();
      else if (what < 853) clean();
      else if (what < 860) erase();
      else if (what < 863) advance_epoch();
      else if (what < 880) oversize();
      else if (what < 910) misuse();
      else if (what < 930 && open_.empty()) account();
      else pass_time();
      if (step % how_.look_every == 0) look();
      if (model_.found().count() != 0) FAIL(model_.found().first());
    }
    CAPTURE(about_.name, how_.seed);
    close_all_leases();
    account();
    for (unsigned round = 0; cache_.stats().waiting_writes != 0; ++round) {  // every turn lets at least one begin
      if (round > how_.users && about_.coded()) break;  // but of those for whom pages that are kept raw leave no frame
      REQUIRE(round <= how_.users);
      cache_.drain_sync();
      cache_.clean(0);
    }
    cache_.drain_sync();
    look();
    for (const user_id user : naive_.users()) REQUIRE(cache_.arrived(user));
    cache_stats s = cache_.stats();
    for (const tier_stats& tier : all_tiers(s)) REQUIRE(tier.in_flight_bytes == 0);
    REQUIRE(s.window.free_bytes == s.window.capacity_bytes);
    for (const user_id user : naive_.users()) cache_.erase(user);
    s = cache_.stats();
    REQUIRE(s.users == 0);
    REQUIRE(s.dirty_tokens == 0);
    REQUIRE(resident_tokens(s) == 0);
    if (epoch_ == epoch_id{}) {  // else something of an older epoch may still lie where nobody needed room
      for (const tier_stats& tier : all_tiers(s)) REQUIRE(tier.resident_bytes == 0);
    }
    end_of_walk();
  }

 private:
  [[nodiscard]] user_id some_user() { return user_id{1000 + below(how_.users)}; }
  [[nodiscard]] token_count longest() const { return std::min(how_.longest, about_.longest); }

  [[nodiscard]] bool is_held(user_id user) const
  {
    for (const open_lease& l : open_) {
      for (const turn& t : l.rows) {
        if (t.user == user && !t.forgotten) return true;
      }
    }
    return false;
  }

  // --- prepare -----------------------------------------------------------------------------------------------------

  /// Windows stay, move on, and now and then go back.
  [[nodiscard]] token_count some_first_token(user_id user)
  {
    const token_count before = naive_.first_token(user);
    const unsigned what = below(20);
    if (what == 0) return below(before + 1);
    if (what < 14 || to_number(user) % 3 == 0) return before;
    return before + below(what == 14 ? 40 : 7);
  }

  [[nodiscard]] token_count some_history(user_id user, token_count first)
  {
    const token_count most = first - first % tiny_page + longest();
    const token_count known = std::clamp(naive_.known(user), first, std::max(first, most));
    const unsigned what = below(20);
    if (what == 0) return first;
    if (what < 3) return first + below(known + 1 - first);
    if (what < 7) return known;
    return std::min(most, known + below(20));
  }

  [[nodiscard]] request request_for(user_id user)
  {
    request r{.user = user, .epoch = epoch_, .first_token = some_first_token(user)};
    r.history_tokens = std::min(some_history(user, r.first_token), about_.longest);
    r.first_token = std::min(r.first_token, r.history_tokens);
    if (below(5) == 0) r.volatile_tail = below(4);
    if (below(8) == 0) r.if_rewritten = rewritten_history::start_anew;
    if (about_.lossy) r.exact = below(4) == 0;
    const unsigned who = static_cast<unsigned>(to_number(user));
    const bool as_ever = below(8) != 0;  // at the strides that this user's requests have
    const token_count stride = as_ever ? 1 + who % 5 : 1 + below(5);
    const token_count stretch = as_ever ? 3 + who % 4 : 3 + below(4);
    add_fingerprints(r, below(2) == 0 ? stride : 0, below(2) == 0 ? stretch : 0);
    return r;
  }

  /// Of the user's history as it is, at these strides; 0: none.
  void add_fingerprints(request& r, token_count stride, token_count stretch)
  {
    story& tale = naive_.tale(r.user);
    if (stride != 0) {
      hashes_.push_back(tale.prefixes(stride, r.history_tokens));
      r.fingerprint = {.stride = stride, .prefix_hashes = hashes_.back()};
    }
    if (stretch != 0) {
      hashes_.push_back(tale.stretches(stretch, window_of(r)));
      r.stretches = {.stride = stretch, .hashes = hashes_.back()};
    }
  }

  /// The user's history was rewritten somewhere, and the request's fingerprints show it: the request has that in mind,
  /// once it has been refused. Not where some of it would go unseen.
  void rewrite(request& r)
  {
    const naive_vouchers& known = naive_.vouched(r.user);
    const token_count from = below(r.history_tokens + 1);
    story& tale = naive_.tale(r.user);
    const story before = tale;
    tale.rewrite(from);
    add_fingerprints(r, r.fingerprint.stride, known.stride != 0 ? known.stride : r.stretches.stride);
    if (known.agreed_until(r) > from) {
      tale = before;
      return add_fingerprints(r, r.fingerprint.stride, r.stretches.stride);
    }
    r.if_rewritten = rewritten_history::refuse;
    const auto now = snapshot();
    REQUIRE_THROWS_AS(cache_.plan({&r, 1}), history_error);
    REQUIRE_THROWS_AS(cache_.prepare({&r, 1}, streams_[0]), history_error);
    REQUIRE(same(now, snapshot()));
    r.if_rewritten = rewritten_history::start_anew;
  }

  /// A request of quite another history, about which its fingerprint says nothing: nothing that is known can be compared.
  /// Returns what it tells, or nothing when the request is not such a one.
  [[nodiscard]] std::optional<story> go_astray(request& r)
  {
    const naive_vouchers& known = naive_.vouched(r.user);
    if (known.prefix > r.first_token && below(4) != 0) {
      r.history_tokens = std::min(r.history_tokens, r.first_token + below(known.prefix - r.first_token));
      r.fingerprint.stride = 1 + below(5);
    }
    add_fingerprints(r, r.fingerprint.stride, r.stretches.stride);
    if (!known.unproven(r)) return std::nullopt;
    story& tale = naive_.tale(r.user);
    story other = tale;
    other.rewrite(below(r.history_tokens + 1));
    std::swap(tale, other);
    add_fingerprints(r, r.fingerprint.stride, r.stretches.stride);
    std::swap(tale, other);
    if (known.agreed_until(r) == ~token_count{0}) return other;
    add_fingerprints(r, r.fingerprint.stride, r.stretches.stride);  // its stretches would contradict
    return std::nullopt;
  }

  void prepare() override
  {
    if (open_.size() >= how_.leases) return close_some_lease();
    hashes_.clear();
    std::vector<request> batch;
    std::set<user_id> chosen, seen;
    std::map<user_id, story> before_rewriting, astray;
    page_count wanted = 0;
    for (unsigned n = 1 + below(1 + below(4)); n != 0; --n) {
      const user_id user = some_user();
      if (!chosen.insert(user).second) continue;
      request r = request_for(user);
      if (wanted + about_.pages(window_of(r)) > about_.device_pages()) continue;
      wanted += about_.pages(window_of(r));
      const std::optional<look_result> there = is_held(user) ? std::nullopt : see_all_of(user);
      if (there && there->useless == 0) seen.insert(user);
      if (there && there->total() == 0) {  // an entry with nothing in it is forgotten
        naive_.vouched(user) = {};
        unsure_.erase(user);
      } else if (there && unsure_.count(user) == 0 && below(6) == 0) {
        before_rewriting.emplace(user, naive_.tale(user));
        rewrite(r);
      } else if (there && unsure_.count(user) == 0 && below(6) == 0) {
        if (auto other = go_astray(r)) astray.emplace(user, std::move(*other));
      }
      batch.push_back(r);
    }
    const bool asks_first = below(4) == 0;
    std::optional<batch_plan> said;
    if (asks_first) {
      const auto before = snapshot();
      if (auto plan = cache_.plan(batch)) said = *plan;
      REQUIRE(same(before, snapshot()));
    }
    const auto before = snapshot();
    const stream_id stream = streams_[below(2)];
    auto got = cache_.prepare(batch, stream);
    const bool must_be_refused =
        std::any_of(batch.begin(), batch.end(), [&](const request& r) { return is_held(r.user); });
    if (!got) {
      ++pressure_;
      REQUIRE(same(before, snapshot()));
      for (const auto& [user, tale] : before_rewriting) naive_.tale(user) = tale;
      check_pressure(got.why(), must_be_refused);
      REQUIRE((!asks_first || !said));
      return;
    }
    REQUIRE(!must_be_refused);
    for (const request& r : batch) {  // whether the cache has forgotten them in between is not known
      if (seen.count(r.user) == 0 && naive_.known(r.user) != 0) unsure_.insert(r.user);
    }
    open_lease fresh = begun(std::move(got).value(), stream);
    const batch_plan& plan = fresh.lease->plan();
    if (asks_first) {
      REQUIRE(said.has_value());
      REQUIRE(said->compute == plan.compute);
      REQUIRE(said->victims.size() == plan.victims.size());
      REQUIRE(said->pages_needed == plan.pages_needed);
      REQUIRE(said->pages_forgotten == plan.pages_forgotten);
    }
    for (const request_plan& r : plan.requests) {
      const auto other = astray.find(r.user);  // who adds nothing leaves the rows what they were
      if (other != astray.end() && r.kept.rewritten) naive_.tale(r.user) = other->second;
    }
    note_prepared(*fresh.lease, batch, seen);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const kept_tokens& kept = plan.requests[i].kept;
      if (asks_first) REQUIRE(said->requests[i].kept.forgotten == kept.forgotten);
      fresh.rows.push_back({batch[i].user, window_of(batch[i]), naive_.known(batch[i].user), false,
                            kept.unproven ? naive_vouchers{} : naive_vouchers::of(batch[i], about_.kept_stretches)});
    }
    check_view(*fresh.lease, batch);
    fresh.work = work_of(fresh);
    open_.push_back(std::move(fresh));
    check_pages_are_apart();
  }

  /// `seen`: who was looked at just before.
  void note_prepared(const any_lease& lease, const std::vector<request>& batch, const std::set<user_id>& seen)
  {
    const batch_plan& plan = lease.plan();
    ++batches_;
    REQUIRE(lease.size() == batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const request_plan& r = plan.requests[i];
      REQUIRE(r.user == batch[i].user);
      REQUIRE(r.history == batch[i].history_tokens);
      REQUIRE(r.first_token == batch[i].first_token);
      REQUIRE(r.lasting == lasting_tokens(batch[i]).end);
      if (batch[i].exact || !about_.lossy) REQUIRE(r.inexact_from == all_exact);
      naive_.begin(batch[i], r, seen.count(r.user) != 0, unsure_.count(r.user) == 0, about_.kept_stretches);
      naive_.see(plan, i);
      REQUIRE(std::ranges::equal(lease.compute(i), plan.compute_of(i)));
      const token_sources sources = lease.sources(i);
      REQUIRE(sources.from[0] + sources.fetched() + sources.computed == window_of(batch[i]).size());
      expected_.requests += 1;
      for (level_index level = 0; level < most_levels; ++level) {
        expected_.served_tokens[level] += sources.from[level];
        if (level >= about_.levels) REQUIRE(sources.from[level] == 0);
      }
      expected_.computed_tokens += sources.computed;
      expected_.recomputed_tokens += r.recomputed.size();
      expected_.rewritten_tokens += r.kept.forgotten.rewritten;
      expected_.widened_tokens += r.kept.forgotten.widened;
      expected_.passed_tokens += r.kept.forgotten.passed;
      expected_.overwritten_tokens += r.kept.forgotten.overwritten;
      expected_.stranded_tokens += r.kept.forgotten.stranded;
      expected_.inexact_tokens += r.kept.forgotten.inexact;
      if (!about_.cuts) REQUIRE(r.recomputed.empty());
      level_index fetched_from = 0;
      page_count fetched_until = 0;  // no page comes from two levels, or the copies would race
      for (const piece& p : plan.pieces_of(r)) {
        if (!p.is_fetched()) continue;
        page_interval pages = pages_of(p.tokens, tiny_page);
        if (pages.begin < fetched_until) {  // its midst is in the slab, and comes once more with its ends
          if (p.source != fetched_from) FAIL("page " << pages.begin << " is fetched from two levels");
          pages.begin = fetched_until;
        }
        fetched_until = pages.end;
        fetched_from = p.source;
        expected_.onload_bytes[p.source] += about_.frame_bytes[p.source] * pages.size();
      }
    }
  }

  void check_pressure(const pressure& why, bool must_be_refused)
  {
    REQUIRE(!to_string(why).empty());
    if (why.why == pressure::reason::user_held) {
      REQUIRE(must_be_refused);
      REQUIRE(is_held(user_id{why.user}));
      return;
    }
    REQUIRE(!must_be_refused);
    REQUIRE(!open_.empty());  // or nobody could ever relieve it
    bed::check_held(why);
    std::uint64_t seen = 0;
    for (const open_lease& l : open_) seen += l.lease->view().page_ids.size();
    REQUIRE(why.pages_held >= seen);
  }

  void check_view(const any_lease& lease, const std::vector<request>& batch)
  {
    const page_table_view view = lease.view();
    REQUIRE(view.size() == batch.size());
    REQUIRE(view.indptr.size() == batch.size() + 1);
    REQUIRE(view.indptr.front() == 0);
    REQUIRE(static_cast<std::size_t>(view.indptr.back()) == view.page_ids.size());
    REQUIRE(view.shape == tiny);
    REQUIRE(view.page_tokens == tiny_page);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const token_interval all = window_of(batch[i]);
      REQUIRE(view.pages(i).size() == pages_of(all, tiny_page).size());
      REQUIRE(view.last_page_len[i] == static_cast<std::int32_t>(all.empty() ? 0 : (all.end - 1) % tiny_page + 1));
      REQUIRE(view.tokens(i) == all.end);
      REQUIRE(view.first_token(i) == all.begin);
      REQUIRE(view.first_token_offset(i) == all.begin % tiny_page);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const request_plan& r = lease.plan().requests[i];
      token_count token = r.first_token / tiny_page * tiny_page;
      for (const page_id id : view.pages(i)) {
        REQUIRE(static_cast<std::int32_t>(id) >= 0);
        REQUIRE(to_number(id) < about_.slab_pages + about_.window_pages);
        if (is_in_window(id)) {  // a whole page that is onloaded
          const token_interval all{token, token + tiny_page};
          const auto pieces = lease.plan().pieces_of(r);
          REQUIRE(
              std::ranges::any_of(pieces, [&](const piece& p) { return p.is_fetched() && p.tokens.contains(all); }));
          expected_.relocated_bytes += tiny_page_bytes;
        }
        token += tiny_page;
      }
    }
  }

  void check_pages_are_apart()
  {
    std::set<page_id> all;
    for (const open_lease& l : open_) {
      for (const page_id id : l.lease->view().page_ids) {
        if (!all.insert(id).second) FAIL("page " << to_number(id) << " is in two places");
      }
    }
  }

  [[nodiscard]] std::shared_ptr<lease_work> work_of(const open_lease& l) const
  {
    auto work = std::make_shared<lease_work>();
    const page_table_view view = l.lease->view();
    work->value_offset = view.value_offset();
    work->layer_stride = view.where.layer_stride;
    for (std::size_t i = 0; i < l.rows.size(); ++i) {
      const turn& who = l.rows[i];
      const auto compute = l.lease->compute(i);
      const token_interval again = l.lease->plan().requests[i].recomputed;
      for (token_count t = who.window.begin; t < who.window.end; ++t) {
        const bool writes =
            std::any_of(compute.begin(), compute.end(), [t](token_interval piece) { return piece.contains(t); });
        const std::uint64_t draft = writes && !again.contains(t) ? l.draft : naive_.draft_of(who.user, t);
        work->cells.push_back({.key = view.key(0, i, t),
                               .tag = token_tag(who.user, epoch_, draft, t),
                               .user = who.user,
                               .token = t,
                               .writes = writes,
                               .exact = t < l.lease->plan().requests[i].inexact_from});
      }
    }
    return work;
  }

  void learn(open_lease& l) override
  {
    for (std::size_t i = 0; i < l.rows.size(); ++i) {
      if (l.rows[i].forgotten) continue;
      const request_plan& r = l.lease->plan().requests[i];
      naive_.commit(r, l.lease->compute(i), l.draft);
      naive_.vouched(r.user).learn(l.rows[i].vouched);
      for (const token_interval piece : l.lease->compute(i)) {
        expected_.committed_tokens += intersect(piece, {r.first_token, r.lasting}).size();
      }
    }
  }

  // --- the other calls ---------------------------------------------------------------------------------------------

  void prefetch()
  {
    hashes_.clear();
    const user_id user = some_user();
    const request r = request_for(user);
    prefetch_limit limit;
    if (below(2) == 0) limit.pages = below(8);
    if (below(2) == 0) limit.displaced_pages = below(5);
    const auto said = is_held(user) ? std::nullopt : plan_of(r);
    const auto before = snapshot();
    auto moved = cache_.prefetch(r, limit);
    if (!moved) {
      ++pressure_;
      REQUIRE(same(before, snapshot(), before.waiting_writes == 0));
      if (moved.why().why == pressure::reason::user_held) REQUIRE(is_held(user));
      else REQUIRE(!open_.empty());
      return;
    }
    if (about_.levels == 1) REQUIRE(moved->tokens == 0);
    REQUIRE(moved->pages <= limit.pages);
    if (moved->tokens == 0) {
      REQUIRE(moved->displaced_tokens == 0);
      REQUIRE(same(before, snapshot(), before.waiting_writes == 0));
      return;
    }
    REQUIRE(!is_held(user));
    const cache_stats after = snapshot();
    const std::uint64_t displaced = after.levels[0].evicted_tokens - before.levels[0].evicted_tokens;
    REQUIRE(displaced == moved->displaced_tokens);
    REQUIRE(moved->pages <= limit.pages);
    REQUIRE(moved->displaced_pages <= limit.displaced_pages);
    REQUIRE(displaced <= std::uint64_t{limit.displaced_pages} * tiny_page);
    const auto counted = cache_.counted();
    REQUIRE(sum_of(counted.onload_bytes) > sum_of(expected_.onload_bytes));
    expected_.onload_bytes = counted.onload_bytes;
    expected_.prefetched_tokens += moved->tokens;
    expected_.displaced_tokens += moved->displaced_tokens;
    if (said) {
      const request_plan& was = said->requests[0];
      // With more than one level below, what is there may lie apart: a slab that has one interval cannot take it.
      REQUIRE(was.fetched + was.recomputed.size() >= moved->tokens + moved->left);
      if (about_.levels == 2) REQUIRE(was.fetched + was.recomputed.size() == moved->tokens + moved->left);
    }
    if (const auto now = plan_of(r)) {
      // Writes that waited begin behind the prefetch, and may make room below at this user's expense.
      const bool lost_below = evicted_below(after) != evicted_below(before);
      const token_count rest = now->requests[0].fetched + now->requests[0].recomputed.size();
      if (about_.levels == 2) REQUIRE((rest == moved->left || (lost_below && rest < moved->left)));
      else REQUIRE((rest >= moved->left || lost_below));
      // A request that cannot be compared is served what is there, and costs its user all of it where a row is missing.
      if (said && !(lost_below && said->requests[0].kept.unproven)) {
        REQUIRE(now->requests[0].in_slab.size() == said->requests[0].in_slab.size() + moved->tokens);
      }
    }
    if (below(4) != 0) return;
    // An earlier one may not have been read either; the levels below may have lost what that one brought.
    const token_count gone = cache_.undo_prefetch(user);
    REQUIRE((gone >= moved->tokens || gone == 0));
    if (evicted_below(before) == 0) REQUIRE(gone != 0);
    expected_.undone_tokens += gone;
    const cache_stats undone = snapshot();
    REQUIRE(same_below(undone, after));
    REQUIRE(undone.levels[0].resident_tokens + gone == after.levels[0].resident_tokens);
    REQUIRE(cache_.undo_prefetch(user) == 0);
  }

  /// Whatever is taken back, it was nowhere but twice.
  void undo_prefetch()
  {
    const user_id user = some_user();
    const auto before = snapshot();
    const token_count gone = cache_.undo_prefetch(user);
    const auto after = snapshot();
    if (is_held(user) || about_.levels == 1) REQUIRE(gone == 0);
    REQUIRE(after.levels[0].resident_tokens + gone == before.levels[0].resident_tokens);
    REQUIRE(after.levels[0].evicted_tokens == before.levels[0].evicted_tokens);
    REQUIRE(same_below(after, before));
    REQUIRE(after.dirty_tokens == before.dirty_tokens);
    expected_.undone_tokens += gone;
  }

  void clean()
  {
    const auto before = snapshot();
    const std::uint64_t budget = below(2) == 0 ? ~std::uint64_t{0} : below(40);
    const bool nothing_waits = before.waiting_writes == 0;
    const std::uint64_t cleaned = cache_.clean(budget);
    const auto after = snapshot();
    if (!nothing_waits) return;  // what waited may have been written, too
    // What a level below evicted for it while only the slab has it is dirty again.
    const std::uint64_t lost = evicted_below(after) - evicted_below(before);
    const std::uint64_t dropped = dropped_below(after) - dropped_below(before);
    if (about_.levels == 2) REQUIRE(after.dirty_tokens + cleaned == before.dirty_tokens + lost - dropped);
    REQUIRE(after.dirty_tokens + cleaned >= before.dirty_tokens);  // a level further down may have had some of it
    REQUIRE(after.dirty_tokens <= before.dirty_tokens + lost - dropped);
    REQUIRE(after.levels[0].resident_tokens == before.levels[0].resident_tokens);
    if (about_.levels == 1 || budget == 0) REQUIRE(cleaned == 0);
  }

  void erase()
  {
    const user_id user = some_user();
    const bool held = is_held(user);
    const bool seen = held ? !held_shorter(user) : knows_all_of(user);
    const bool erased = cache_.erase(user);
    if (held) REQUIRE(erased);
    naive_.forget(user, seen);
    for (open_lease& l : open_) {
      for (turn& t : l.rows) {
        if (t.user == user) t.forgotten = true;
      }
    }
    REQUIRE(!cache_.erase(user));
    const request r{.user = user, .history_tokens = 1, .epoch = epoch_};
    if (const auto plan = cache_.plan({&r, 1})) REQUIRE(plan.value().requests[0].computed() == 1);
  }

  void advance_epoch()
  {
    for (const user_id user : naive_.users()) {
      const bool seen = is_held(user) ? !held_shorter(user) : knows_all_of(user);
      naive_.forget(user, seen);
    }
    epoch_ = epoch_id{to_number(epoch_) + 1};
    cache_.advance_epoch(epoch_);
    for (open_lease& l : open_) {
      for (turn& t : l.rows) t.forgotten = true;
    }
    const auto s = cache_.stats();
    REQUIRE(s.users == 0);
    REQUIRE(resident_tokens(s) == 0);
  }

  void oversize()
  {
    std::vector<request> batch;
    page_count wanted = 0;
    for (unsigned n = 0; wanted <= about_.device_pages(); ++n) {
      const token_count history = 1 + below(std::min(about_.longest, about_.device_pages() * tiny_page));
      wanted += about_.pages({0, history});
      batch.push_back({.user = user_id{1000 + n}, .history_tokens = history, .epoch = epoch_});
    }
    const auto before = snapshot();
    REQUIRE_THROWS_AS(cache_.prepare(batch, streams_[0]), capacity_error);
    REQUIRE_THROWS_AS(cache_.plan(batch), capacity_error);
    REQUIRE(same(before, snapshot()));
  }

  void misuse()
  {
    const auto before = snapshot();
    const user_id user = some_user();
    const request fine{.user = user, .history_tokens = 3, .epoch = epoch_};
    request old = fine;
    old.epoch = epoch_id{to_number(epoch_) - 1};
    request hashless = fine;
    hashless.fingerprint.stride = 1;
    request short_of = fine;
    short_of.stretches.stride = 1;
    request behind = fine;
    behind.first_token = 4;
    const request twice[] = {fine, fine};
    REQUIRE_THROWS_AS(cache_.prepare(twice, streams_[0]), usage_error);
    REQUIRE_THROWS_AS(cache_.prepare({&hashless, 1}, streams_[0]), usage_error);
    REQUIRE_THROWS_AS(cache_.prepare({&short_of, 1}, streams_[0]), usage_error);
    REQUIRE_THROWS_AS(cache_.prepare({&behind, 1}, streams_[0]), usage_error);
    const auto late = epoch_ == epoch_id{} ? pressure::reason::early_epoch : pressure::reason::stale_epoch;  // it wraps
    REQUIRE(cache_.prepare({&old, 1}, streams_[0]).why().why == late);
    REQUIRE(cache_.prefetch(old, {}).why().why == late);
    REQUIRE(cache_.plan({&old, 1}).why().why == late);
    pressure_ += 2;
    REQUIRE_THROWS_AS(cache_.advance_epoch(epoch_), usage_error);
    if (!open_.empty()) {
      const open_lease& l = open_[below(static_cast<unsigned>(open_.size()))];
      REQUIRE_THROWS_AS(cache_.close(), usage_error);
      REQUIRE_THROWS_AS(l.lease->wait(tiny.layers), usage_error);
      REQUIRE_THROWS_AS(l.lease->layer_done(tiny.layers), usage_error);
      if (l.next != tiny.layers && !l.lease->plan().compute.empty() && !l.committed) {
        REQUIRE_THROWS_AS(l.lease->commit(), usage_error);
      }
    }
    REQUIRE(same(before, snapshot(), before.waiting_writes == 0));
  }

  // --- books -------------------------------------------------------------------------------------------------------

  [[nodiscard]] std::optional<batch_plan> plan_of(const request& r)
  {
    auto plan = cache_.plan({&r, 1});
    if (!plan) return std::nullopt;
    return std::move(plan).value();
  }

  /// Does a lease hold this user with less than was known of them? Then a part of what it computes may not be kept.
  [[nodiscard]] bool held_shorter(user_id user) const
  {
    for (const open_lease& l : open_) {
      for (const turn& t : l.rows) {
        if (t.user == user && !t.forgotten) return t.window.end < t.known;
      }
    }
    return false;
  }

  [[nodiscard]] static bool same_below(const cache_stats& a, const cache_stats& b)
  {
    for (level_index i = 1; i < a.depth; ++i) {
      if (a.levels[i].resident_tokens != b.levels[i].resident_tokens) return false;
    }
    return true;
  }

  struct look_result
  {
    by_level<std::uint64_t> from{};  ///< [level] served from there
    std::uint64_t again = 0;         ///< a level below the slab has them, but they are computed
    std::uint64_t useless = 0;       ///< stranded
    std::uint64_t doubtful = 0;  ///< of what is known: behind a gap, where nothing can be seen, and some have vanished
    std::uint64_t users = 0;     ///< of whom anything is there

    void add(const look_result& other)
    {
      for (level_index i = 0; i < most_levels; ++i) from[i] += other.from[i];
      again += other.again;
    }
    [[nodiscard]] std::uint64_t total() const { return sum_of(from) + again + useless; }
  };

  /// All that is known of a user.
  [[nodiscard]] request all_of(user_id user) const
  {
    const token_count first = naive_.first_token(user);
    return {.user = user, .history_tokens = std::max(first, naive_.known(user)), .epoch = epoch_, .first_token = first};
  }

  /// Lets the naive cache see all that is known of a user who is not held; nothing when there is no room to plan it.
  [[nodiscard]] std::optional<look_result> see_all_of(user_id user)
  {
    const auto plan = plan_of(all_of(user));
    if (!plan) return std::nullopt;
    const request_plan& r = plan->requests[0];
    naive_.see(*plan, 0);
    REQUIRE(r.kept.forgotten.total() == r.kept.forgotten.stranded);
    look_result out{.again = r.recomputed.size(), .useless = r.kept.forgotten.stranded};
    const token_sources sources = sources_of(plan->pieces_of(0));
    for (level_index i = 0; i < most_levels; ++i) out.from[i] = sources.from[i];
    if (out.useless != 0) {
      out.doubtful =
          naive_.believed_from(user, r.kept.tokens.empty() ? r.first_token : r.kept.tokens.end) - out.useless;
    }
    return out;
  }
  /// The same of everybody, when the device has nothing.
  [[nodiscard]] look_result see_pushed_down()
  {
    look_result all;
    for (const user_id user : naive_.users()) {
      const auto there = see_all_of(user);
      REQUIRE(there.has_value());
      all.add(*there);
      all.useless += there->useless;
      all.doubtful += there->doubtful;
    }
    return all;
  }
  /// Is it known now what the cache has of a user who is not held?
  [[nodiscard]] bool knows_all_of(user_id user)
  {
    const auto there = see_all_of(user);
    return there && there->useless == 0;
  }

  /// All that the tiers have of all users, when no lease is open.
  [[nodiscard]] look_result see_everybody()
  {
    look_result all;
    for (const user_id user : naive_.users()) {
      auto there = see_all_of(user);
      REQUIRE(there.has_value());
      if (there->useless != 0) {  // a lease lets the cache forget it
        const std::vector<request> batch{all_of(user)};
        auto lease = cache_.prepare(batch, streams_[0]);
        REQUIRE(lease.has_value());
        note_prepared(**lease, batch, {});
        check_view(**lease, batch);
        (*lease)->release();
      }
    }
    for (const user_id user : naive_.users()) {
      const auto there = see_all_of(user);
      REQUIRE(there.has_value());
      REQUIRE(there->useless == 0);
      all.add(*there);
      all.users += there->total() == 0 ? 0U : 1U;
    }
    return all;
  }

  /// With no lease open: what the tiers say they hold is what plans find there, and every vanished token was counted.
  void account()
  {
    const look_result all_there = see_everybody();
    cache_stats s = cache_.stats();
    REQUIRE(s.levels[0].resident_tokens == all_there.from[0]);
    REQUIRE(s.users == all_there.users);
    check_losses(s, true);

    // One lease over the whole device pushes everybody down; being dropped it leaves nothing.
    const token_count tokens = about_.device_pages() * tiny_page;
    std::vector<request> all;
    for (token_count left = tokens; left != 0; left -= all.back().history_tokens) {
      all.push_back(
          {.user = user_id{7 + all.size()}, .history_tokens = std::min(left, about_.longest), .epoch = epoch_});
    }
    const auto said = cache_.plan(all);
    REQUIRE(said.has_value());
    std::uint64_t dirty = 0;
    for (const victim_plan& v : said->victims) dirty += v.dirty_tokens;
    REQUIRE(s.dirty_tokens == dirty);
    auto flusher = cache_.prepare(all, streams_[0]);
    REQUIRE(flusher.has_value());
    const auto pages = (*flusher)->view().page_ids;
    REQUIRE(std::set<page_id>(pages.begin(), pages.end()).size() == about_.device_pages());
    ++batches_;
    expected_.requests += all.size();
    expected_.computed_tokens += tokens;
    (*flusher)->release();
    const look_result left = see_pushed_down();
    s = cache_.stats();
    REQUIRE(left.from[0] == 0);
    REQUIRE(s.levels[0].resident_tokens == 0);
    REQUIRE(s.levels[0].resident_bytes == 0);
    REQUIRE(s.dirty_tokens == 0);
    if (about_.levels == 2) REQUIRE(s.levels[1].resident_tokens == left.from[1] + left.again + left.useless);
    for (level_index i = 1; i < about_.levels; ++i) REQUIRE(s.levels[i].resident_tokens >= left.from[i]);
    // Nothing lies above level 1, but the end of a page may come from a level that has more of it.
    const std::uint64_t shared = about_.levels > 2 ? how_.users * (tiny_page - 1) : 0;
    REQUIRE(s.levels[1].resident_tokens <= left.from[1] + left.again + left.useless + shared);
    REQUIRE(resident_tokens(s) >= left.total());
    check_losses(s, true, left.doubtful);
  }

  void check_losses(const cache_stats& s, bool all_seen, std::uint64_t doubtful = 0)
  {
    bed::check_losses(s);
    if (!all_seen) return;
    const std::uint64_t dropped = s.levels[0].dropped_tokens + dropped_below(s);
    REQUIRE(dropped <= naive_.vanished() + naive_.uncertain() + doubtful);
  }

  void look()
  {
    const cache_stats s = cache_.stats();
    bed::check_tiers(s);
    std::uint64_t viewed = 0;
    std::uint64_t landed = 0;
    for (const open_lease& l : open_) {
      viewed += l.lease->view().page_ids.size();
      for (const page_id id : l.lease->view().page_ids) landed += is_in_window(id) ? 1U : 0U;
    }
    REQUIRE(s.levels[0].resident_bytes >= viewed * tiny_page_bytes);
    REQUIRE(s.window.resident_bytes == landed * tiny_page_bytes);
    check_losses(s, false);

    const counters::snapshot counted = cache_.counted();
    REQUIRE(counted.batches == batches_);
    REQUIRE(counted.requests == expected_.requests);
    REQUIRE(counted.levels == about_.levels);
    REQUIRE(counted.served_tokens == expected_.served_tokens);
    REQUIRE(counted.computed_tokens == expected_.computed_tokens);
    REQUIRE(counted.recomputed_tokens == expected_.recomputed_tokens);
    REQUIRE(counted.committed_tokens == expected_.committed_tokens);
    const tokens_forgotten forgotten{counted.rewritten_tokens,   counted.widened_tokens,  counted.passed_tokens,
                                     counted.overwritten_tokens, counted.stranded_tokens, counted.inexact_tokens};
    REQUIRE(forgotten == tokens_forgotten{expected_.rewritten_tokens, expected_.widened_tokens, expected_.passed_tokens,
                                          expected_.overwritten_tokens, expected_.stranded_tokens,
                                          expected_.inexact_tokens});
    REQUIRE(s.forgotten == forgotten);
    REQUIRE(counted.prefetched_tokens == expected_.prefetched_tokens);
    REQUIRE(counted.displaced_tokens == expected_.displaced_tokens);
    REQUIRE(counted.undone_tokens == expected_.undone_tokens);
    REQUIRE(counted.saved_tokens + counted.undone_tokens <= counted.prefetched_tokens);
    REQUIRE(counted.relocated_bytes == expected_.relocated_bytes);
    REQUIRE(counted.onload_bytes == expected_.onload_bytes);
    REQUIRE(counted.pressure == pressure_);
    for (level_index i = 0; i < most_levels; ++i) {
      REQUIRE(counted.evicted_tokens[i] == s.levels[i].evicted_tokens);
      REQUIRE(counted.dropped_tokens[i] == s.levels[i].dropped_tokens);
      REQUIRE(counted.unread_tokens[i] <= counted.evicted_tokens[i]);
    }

    if constexpr (counts_calls<Device>) check_traffic(counted);
    if (about_.coded()) return;
    check_copies(about_.onload_engine(), counted.onload_copies, counted.onload_pieces, sum_of(counted.onload_bytes));
    check_copies(about_.levels > 2 ? "several" : about_.offload_engine(), counted.offload_copies,
                 counted.offload_pieces, sum_of(counted.offload_bytes));
  }

  /// What the tracker was told is what the device was asked for, but for the model's own.
  void check_traffic(const counters::snapshot& counted) const
  {
    device_counters moved = device_.stats();
    model_.leave_out(moved);
    const bool stages_up = about_.onload_engine() == "staged";
    const bool stages_down = about_.offload_engine() == "staged";
    REQUIRE(moved.to_device.bytes == sum_of(counted.onload_bytes));
    REQUIRE(moved.from_device.bytes + moved.on_host.bytes == sum_of(counted.offload_bytes));
    if (about_.levels <= 2) REQUIRE(moved.on_host.copies == 0);
    if (!about_.coded())
      REQUIRE(moved.on_device.bytes == counted.relocated_bytes + (stages_up ? moved.to_device.bytes : 0) +
                                           (stages_down ? moved.from_device.bytes : 0));
    REQUIRE(moved.to_device.copies + moved.from_device.copies + moved.on_host.copies + moved.kernels ==
            counted.onload_copies + counted.offload_copies + counted.relocated_copies);
    REQUIRE(moved.to_device.pieces + moved.from_device.pieces + moved.on_host.pieces + moved.on_device.pieces ==
            counted.onload_pieces + counted.offload_pieces + counted.relocated_pieces);
  }

  /// As many calls and descriptors as the engine may need for so many bytes.
  static void check_copies(const std::string& engine, std::uint64_t copies, std::uint64_t pieces, std::uint64_t bytes)
  {
    const std::uint64_t page_pieces = bytes / tiny_piece;
    REQUIRE(page_pieces * tiny_piece == bytes);
    if (engine == "per_page") {
      REQUIRE(copies == page_pieces);
      REQUIRE(pieces == page_pieces);
    } else if (engine == "staged") {
      REQUIRE(pieces <= 2 * page_pieces);
    } else if (engine == "several") {  // from the slab by the engine, between memories as it is
      REQUIRE(pieces <= 2 * page_pieces);
    } else if (engine == "batched") {
      REQUIRE(copies * 3 >= pieces);
      REQUIRE(copies <= pieces);
      REQUIRE(pieces <= page_pieces);
    } else {
      REQUIRE(copies <= pieces);
      REQUIRE(pieces <= page_pieces);
    }
  }

  std::deque<std::vector<std::uint64_t>> hashes_;
  std::set<user_id> unsure_;  ///< what their fingerprints vouch for
  std::uint64_t batches_ = 0;
  std::uint64_t pressure_ = 0;
  counters::snapshot expected_;
};

}  // namespace walking

using walking::walker;

}  // namespace kvstrata_test
