// What the cache promises, kept in maps and vectors: which rows were committed, what their bytes are, what each of them
// saw, and how many can only have vanished through a counted loss.
//
// Histories and append parts are sequences of rows. An append part stands on versions of the replace and read parts before it:
// where one of these has another, its rows are gone. Of replace and read parts see naive_versions.hpp.
//
// A row's value stands for what a model computes: it depends on the row's token and on all rows that it sees. So what is
// served must be what one full pass gives in which row i sees [w(i), i], w(i) being the first_token of the request that
// computed row i: whatever was lost, computed again, moved or rewritten meanwhile.
#pragma once

#include "cache/naive_versions.hpp"
#include "cache/story.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/sequence_name.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Every lease writes other bytes (its draft is part of them), so that a token which was never committed, or was
/// committed twice, cannot pass for the right one.
[[nodiscard]] constexpr std::uint64_t token_tag(kvstrata::user_id user, kvstrata::epoch_id epoch, std::uint64_t draft,
                                                kvstrata::token_count token) noexcept
{
  return mix({to_number(user), to_number(epoch), draft, token});
}

/// A sequence, or the history of a user.
struct naive_key : kvstrata::sequence_key
{
  naive_key(const kvstrata::sequence_key& key) : sequence_key(key) {}
  naive_key(kvstrata::user_id user) : sequence_key(kvstrata::key_of(user)) {}
};

class naive_cache
{
 public:
  using token_count = kvstrata::token_count;

  /// With a store below the memories what is not served now may come back: nothing is ever known to have vanished.
  explicit naive_cache(bool may_return = false) : may_return_(may_return) {}

  /// [first_token, result) is the longest history that anybody committed of the user's window.
  [[nodiscard]] token_count known(const naive_key& user) const
  {
    const auto found = users_.find(user);
    if (found == users_.end()) return 0;
    const auto& rows = found->second.rows;
    return rows.empty() || rows.rbegin()->second.is == row_state::passed ? found->second.first_token
                                                                         : rows.rbegin()->first + 1;
  }
  /// Where the user's last window begins.
  [[nodiscard]] token_count first_token(const naive_key& user) const
  {
    const auto found = users_.find(user);
    return found == users_.end() ? 0 : found->second.first_token;
  }
  [[nodiscard]] story& tale(const naive_key& user) { return users_[user].tale; }
  [[nodiscard]] naive_vouchers& vouched(const naive_key& user) { return users_[user].vouched; }

  /// Users of whose histories something was committed.
  [[nodiscard]] std::vector<kvstrata::user_id> users() const
  {
    std::vector<kvstrata::user_id> out;
    for (const auto& [key, all] : users_) {
      if (key.space == 0 && !all.rows.empty()) out.push_back(kvstrata::user_id{key.id});
    }
    return out;
  }

  /// All sequences of rows of which something was committed, and what they stand on.
  [[nodiscard]] std::vector<std::pair<kvstrata::sequence_key, naive_ground>> sequences() const
  {
    std::vector<std::pair<kvstrata::sequence_key, naive_ground>> out;
    for (const auto& [key, all] : users_) {
      if (!all.rows.empty()) out.emplace_back(key, all.stands_on);
    }
    return out;
  }

  /// The draft that a served token must show.
  [[nodiscard]] std::uint64_t draft_of(const naive_key& user, token_count token) const
  {
    return users_.at(user).rows.at(token).draft;
  }

  /// The values that the rows of a planned request have once its compute list is done: right where one is served.
  [[nodiscard]] std::vector<std::uint64_t> values(const kvstrata::request_plan& r,
                                                  std::span<const kvstrata::token_interval> computed)
  {
    return pass(users_[r.key()], r.first_token, r.history, computed);
  }

  /// Tokens of a user from `token` on that are there, as far as anybody knows.
  [[nodiscard]] std::uint64_t believed_from(const naive_key& user, token_count token) const
  {
    std::uint64_t out = 0;
    const auto& rows = users_.at(user).rows;
    for (auto at = rows.lower_bound(token); at != rows.end(); ++at) out += at->second.is == row_state::here ? 1U : 0U;
    return out;
  }

  /// A request begins, with this plan. What it makes useless is of no use from now on. `seen`: the user was looked at just
  /// now, so that what has vanished is known; `sure`: so is what their fingerprints vouch for, of which the cache keeps
  /// `most` stretches. `stands_on`: what is before it in its request, where it is an append part.
  void begin(const kvstrata::request& r, const kvstrata::request_plan& p, bool seen, bool sure, std::size_t most,
             const naive_ground& stands_on = {})
  {
    person& who = users_[key_of(r)];
    who.ground_gone = false;
    const kvstrata::tokens_forgotten& told = p.kept.forgotten;
    constexpr token_count all = ~token_count{0};
    if (who.stands_on != stands_on) return begin_anew(who, r, told, stands_on);
    if (told.superseded != 0) {
      FAIL("rows of " << name_of(key_of(r)) << " are said to be superseded, but they stand on the same");
    }
    token_count agreed_until = who.vouched.agreed_until(r);
    if (sure) check_proof(r, p, agreed_until == all, seen);
    if (agreed_until == all && p.kept.rewritten) agreed_until = 0;  // it cannot be compared, and so starts anew
    const auto take = [&](token_count from, std::uint64_t said, const char* why, bool exact) {
      std::uint64_t believed = 0;
      for (auto at = who.rows.lower_bound(from); at != who.rows.end(); at = who.rows.erase(at)) {
        believed += at->second.is == row_state::here ? 1U : 0U;
        refused_tainted_ += r.exact && at->second.tainted ? 1U : 0U;
      }
      settle(believed, said, why, exact, key_of(r));
    };
    std::uint64_t passed = 0;
    for (auto& [t, mine] : who.rows) {
      if (t >= r.first_token) break;
      passed += mine.is == row_state::here ? 1U : 0U;
      if (r.first_token > who.first_token) mine.is = row_state::passed;
    }
    settle(r.first_token > who.first_token ? passed : 0, told.passed, "passed", seen, key_of(r));
    const token_count lasting = r.history_tokens - std::min(r.volatile_tail, r.history_tokens - r.first_token);
    // What may return is told by its value: rows of the old tokens have another, and those before them are as good as ever.
    take(may_return_ ? all : agreed_until, told.rewritten, "rewritten", seen);
    take(r.first_token < who.first_token ? 0 : ~token_count{0}, told.widened, "widened", seen);
    take(r.volatile_tail != 0 ? lasting : ~token_count{0}, told.overwritten, "overwritten", seen);
    if (told.inexact != 0 && !r.exact) FAIL("inexact tokens are forgotten, and nobody wants exact ones");
    take(told.inexact != 0 ? p.kept.tokens.end : all, told.inexact, "inexact", seen);
    if (told.stranded != 0) {  // of what rests on a row that was computed in another window, and is gone
      const auto gone = who.rows.find(p.kept.tokens.empty() ? r.first_token : p.kept.tokens.end);
      if (gone == who.rows.end() || gone->second.window == r.first_token) FAIL("stranded behind no gap");
      take(gone->first, told.stranded, "stranded", false);
    }
    token_count end = agreed_until;
    if (r.first_token < who.first_token) end = 0;
    if (r.volatile_tail != 0) end = std::min(end, lasting);
    if (told.stranded == 0 && !r.exact && p.kept.tokens.end < std::min(end, known(key_of(r))) && end > r.first_token) {
      FAIL("nothing from " << p.kept.tokens.end << " on is kept, though all up to " << end << " may be");
    }
    who.first_token = r.first_token;
    if (told.stranded != 0 || r.exact) end = std::min(end, p.kept.tokens.end);
    who.vouched.cut(r, end, agreed_until != all || end <= r.first_token, most);
  }

  /// A plan for [first_token, history) of a user: its pieces must partition it, what is served must be what was committed,
  /// has not vanished, and is what a full pass gives, and so must what is computed again although it is there; what else
  /// was committed, and is not served though it would be kept, has vanished.
  void see(const kvstrata::batch_plan& plan, std::size_t request)
  {
    const kvstrata::request_plan& r = plan.requests[request];
    const std::span<const kvstrata::token_interval> compute = plan.compute_of(r);
    std::vector<int> times(r.history, 0);
    const auto count = [&](kvstrata::token_interval piece, int how) {
      if (piece.empty()) return;
      if (piece.begin < r.first_token) FAIL("a piece of the plan begins at " << piece.begin << ", before the window");
      if (piece.end > r.history) FAIL("a piece of the plan ends at " << piece.end << ", behind " << r.history);
      for (auto t = piece.begin; t < piece.end; ++t) {
        if (times[t] != 0) FAIL("token " << t << " is in two pieces of the plan");
        times[t] = how;
      }
    };
    std::vector<kvstrata::token_interval> left, in_slab;
    token_count fetched = 0;
    for (const kvstrata::piece& p : plan.pieces_of(r)) {
      if (p.is_computed()) left.push_back(p.tokens);
      else count(p.tokens, 1);
      if (p.source == 0) in_slab.push_back(p.tokens);
      if (p.is_fetched()) fetched += p.tokens.size();
    }
    for (const kvstrata::piece& p : plan.pieces_of(r)) {
      if (!p.is_computed()) check_one_interval(plan.pieces_of(r), p.source, r.recomputed);
    }
    if (!std::ranges::equal(left, compute)) FAIL("the compute list is not the computed pieces");
    if (fetched != r.fetched) FAIL("the plan says that " << r.fetched << " tokens are fetched, its pieces " << fetched);
    if (in_slab.size() > 1) FAIL("a slab that has one interval serves two pieces");
    if ((in_slab.empty() ? kvstrata::token_interval{} : in_slab[0]) != r.in_slab) FAIL("in_slab is not a piece");
    token_count last = 0;
    for (const kvstrata::token_interval piece : compute) {
      if (piece.empty() || (piece.begin < last)) FAIL("the compute list is not ascending or has an empty piece");
      last = piece.end;
      count(piece, 2);
    }
    const kvstrata::token_interval again = r.recomputed;
    for (auto t = again.begin; t < again.end; ++t) {
      if (t >= r.history || times[t] != 2) FAIL("token " << t << " is computed again, but not on the compute list");
      times[t] = 3;
    }
    person& who = users_[r.key()];
    const std::vector<std::uint64_t> right = pass(who, r.first_token, r.history, compute);
    const std::string name = " of " + name_of(r.key());
    for (token_count t = r.first_token; t < r.history; ++t) {
      const auto known = who.rows.find(t);
      if (times[t] == 0) FAIL("token " << t << name << " is in no piece of the plan");
      if (times[t] != 2) {
        if (known == who.rows.end()) FAIL("token " << t << name << " was never committed");
        if (known->second.is != row_state::here) FAIL("token " << t << name << " had vanished already");
        if (times[t] == 1 && known->second.tainted && t < r.inexact_from)
          FAIL("token " << t << name << " rests on a lossy copy");
        if (known->second.value != right[t]) {
          FAIL("token " << t << name << " is served, but a pass gives another row: it was computed in a window from "
                        << known->second.window << " on, the request's begins at " << r.first_token);
        }
      } else if (!may_return_ && known != who.rows.end() && known->second.is == row_state::here &&
                 r.kept.tokens.contains(t)) {
        known->second.is = row_state::lost;
        ++vanished_;
      }
    }
  }

  /// What is computed again gives the same bytes: it keeps its draft. Tokens from `lasting` on are not kept.
  void commit(const kvstrata::request_plan& r, std::span<const kvstrata::token_interval> computed, std::uint64_t draft)
  {
    person& who = users_[r.key()];
    const std::vector<std::uint64_t> values = pass(who, r.first_token, r.history, computed);
    for (const kvstrata::token_interval piece : computed) {
      for (auto t = piece.begin; t < std::min(piece.end, r.lasting); ++t) {
        row& mine = who.rows[t];
        if (!r.recomputed.contains(t)) mine = {draft, values[t], r.first_token, row_state::here};
        else if (mine.value != values[t]) FAIL("token " << t << " was computed again, and not as it was");
        mine.tainted = t >= r.inexact_from;
      }
    }
    if (who.ground_gone) stand_on(who, who.stands_on);
  }

  /// Replace and read parts.
  [[nodiscard]] const naive_versions& versions() const noexcept { return versions_; }
  /// As naive_versions::see(). What has vanished is counted.
  naive_versions::outcome see_version(const kvstrata::sequence_key& key, std::uint64_t number, token_count tokens,
                                      token_count computed, bool exact)
  {
    const auto out = versions_.see(key, number, tokens, computed, exact);
    if (out == naive_versions::outcome::vanished) vanished_ += tokens;
    return out;
  }
  /// What was there is superseded, and so is all that stands on another version. (Rows may stand on one that was never committed:
  /// their lease computed it for itself.)
  void commit_version(const kvstrata::sequence_key& key, const naive_version& now)
  {
    if (const naive_version* const before = versions_.find(key)) superseded_ += before->tokens;
    versions_.commit(key, now);
    for (auto& [of, who] : users_) {
      if (!naive_versions::stands_on_another(who.stands_on, key, now.number)) continue;
      stand_on(who, who.stands_on);
      who.ground_gone = true;
    }
  }

  /// `seen`: a plan for all that is known of the user was seen just now, so what has vanished of it is known.
  void forget(const naive_key& user, bool seen)
  {
    if (!seen) {
      for (const auto& [t, mine] : users_[user].rows) uncertain_ += mine.is == row_state::here ? 1U : 0U;
    }
    users_.erase(user);
    versions_.forget(user);
  }
  /// An epoch is over.
  void forget_all()
  {
    while (!users_.empty()) forget(users_.begin()->first, false);
    versions_.forget_all();
  }

  /// Has the user rows that were computed in a window that began earlier? They may be made useless (stranded) by a request
  /// that asks for nothing new.
  [[nodiscard]] bool has_earlier_rows(const naive_key& user) const
  {
    const auto known = users_.find(user);
    if (known == users_.end()) return false;
    const auto& rows = known->second.rows;
    return std::any_of(rows.begin(), rows.end(),
                       [&](const auto& r) { return r.second.window != known->second.first_token; });
  }

  /// Committed tokens that vanished, counted each time. The cache must have counted as many as dropped, and may have
  /// counted `uncertain()` more: of users who were forgotten before anybody looked.
  [[nodiscard]] std::uint64_t vanished() const noexcept { return vanished_; }
  [[nodiscard]] std::uint64_t uncertain() const noexcept { return uncertain_; }
  /// At most so many tokens the cache may have counted as superseded.
  [[nodiscard]] std::uint64_t superseded() const noexcept { return superseded_; }
  /// Rows that had been computed on top of a lossy copy, and went for a request that wants exact ones.
  [[nodiscard]] std::uint64_t refused_tainted() const noexcept { return refused_tainted_; }

 private:
  /// A request whose fingerprint says nothing of the cached history gets what is there, but adds no row to it: where it has
  /// to, all else goes.
  void check_proof(const kvstrata::request& r, const kvstrata::request_plan& p, bool agrees, bool seen) const
  {
    const std::string name = " of " + name_of(key_of(r));
    const person& who = users_.at(key_of(r));
    const bool unproven = agrees && who.vouched.unproven(r);
    if (!unproven) {
      if (p.kept.rewritten == agrees) FAIL("the history" << name << (agrees ? " agrees" : " contradicts"));
      if (p.kept.unproven) FAIL("the history" << name << " was compared");
      return;
    }
    if (p.kept.rewritten == p.kept.unproven) FAIL("the history" << name << " cannot be compared");
    if (p.kept.rewritten && !p.kept.tokens.empty()) FAIL("the unknown history" << name << " keeps rows");
    if (!p.kept.rewritten && !p.recomputed.empty()) FAIL("rows" << name << " are computed again as others, maybe");
    if (!seen) return;
    bool adds = false;
    for (token_count t = r.first_token; t < p.lasting; ++t) {
      const auto known = who.rows.find(t);
      adds |= r.first_token < who.first_token || known == who.rows.end() || known->second.is != row_state::here;
    }
    if (r.exact && p.kept.rewritten) return;  // what is not exact goes, and is added anew
    if (adds != p.kept.rewritten) FAIL("the unknown history" << name << (adds ? " adds rows" : " adds no row"));
  }

  /// What a level serves is part of one interval of it: between two of its pieces there is nothing that no level above it
  /// has, but what is computed again.
  static void check_one_interval(std::span<const kvstrata::piece> pieces, kvstrata::level_index level,
                                 kvstrata::token_interval again)
  {
    kvstrata::token_interval hull;
    for (const kvstrata::piece& p : pieces) {
      if (p.source == level) hull = kvstrata::hull(hull, p.tokens);
    }
    for (const kvstrata::piece& p : pieces) {
      if (p.source <= level || intersect(p.tokens, hull).empty() || again.contains(p.tokens)) continue;
      FAIL("level " << level << " serves on both sides of token " << p.tokens.begin << ", which it has not");
    }
  }

  enum class row_state : std::uint8_t { here, lost, passed };
  struct row
  {
    std::uint64_t draft = 0;
    std::uint64_t value = 0;
    token_count window = 0;  ///< first token of the request that computed it
    row_state is = row_state::here;
    bool tainted = false;  ///< computed on top of what came through a lossy copy
  };
  struct person
  {
    std::map<token_count, row> rows;
    token_count first_token = 0;
    story tale;
    naive_vouchers vouched;
    naive_ground stands_on;
    bool ground_gone = false;  ///< since its last request began: what is committed goes with the lease
  };

  /// `believed` tokens of the user were there, as far as anybody knew, and `said` of them were forgotten: the others had
  /// vanished before.
  void settle(std::uint64_t believed, std::uint64_t said, const char* why, bool exact, const naive_key& user)
  {
    if (may_return_) return;  // what is forgotten may have come back before
    if (said > believed || (exact && said != believed)) {
      FAIL(said << " tokens of " << name_of(user) << " are said to be " << why << ", but " << believed << " are");
    }
    vanished_ += believed - said;
  }

  /// The values of a full pass, when the tokens on `computed` are computed in the window [first_token, history). Those of
  /// rows that nobody ever computed are 0: nobody saw them.
  static std::vector<std::uint64_t> pass(person& who, token_count first_token, token_count history,
                                         std::span<const kvstrata::token_interval> computed)
  {
    const token_count end = who.rows.empty() ? history : std::max(history, who.rows.rbegin()->first + 1);
    std::vector<std::uint64_t> values(end, 0);
    std::vector<std::uint64_t> sums(end + 1, 0);  // of the values before
    for (token_count t = 0; t < end; ++t) {
      const auto known = who.rows.find(t);
      const bool now = std::any_of(computed.begin(), computed.end(),
                                   [t](kvstrata::token_interval piece) { return piece.contains(t); });
      if (now || known != who.rows.end()) {
        const token_count window = now ? first_token : known->second.window;
        values[t] = mix({who.tale.content(t), window, sums[t] - sums[window]});
      }
      sums[t + 1] = sums[t] + (values[t] == 0 ? 0 : mix({values[t], t}));
    }
    return values;
  }

  /// A request of an append part on other ground than what is there.
  void begin_anew(person& who, const kvstrata::request& r, const kvstrata::tokens_forgotten& told,
                  const naive_ground& ground)
  {
    const std::uint64_t believed = stand_on(who, ground);
    if (told.total() > believed) {
      FAIL(told.total() << " tokens of " << name_of(key_of(r)) << " are said to be forgotten, but " << believed
                        << " are there");
    }
    superseded_ -= told.total() - told.superseded;  // a cache counts a token once
    uncertain_ += believed - told.total();          // it may have known before
    who.first_token = r.first_token;
  }
  /// All that the user has rests on other versions, or is about to. Returns how many tokens were there, as far as anybody
  /// knows.
  std::uint64_t stand_on(person& who, const naive_ground& ground)
  {
    std::uint64_t there = 0;
    for (const auto& [t, mine] : who.rows) there += mine.is == row_state::here ? 1U : 0U;
    superseded_ += there;
    who.rows.clear();
    who.vouched = {};
    if (&ground != &who.stands_on) who.stands_on = ground;
    return there;
  }

  bool may_return_ = false;
  naive_versions versions_;
  std::map<kvstrata::sequence_key, person, naive_key_order> users_;
  std::uint64_t vanished_ = 0;
  std::uint64_t uncertain_ = 0;
  std::uint64_t superseded_ = 0;
  std::uint64_t refused_tainted_ = 0;
};

}  // namespace kvstrata_test
