// What the cache promises, kept in maps and vectors: which rows were committed, what their bytes are, what each of them
// saw, and how many can only have vanished through a counted loss.
//
// A row's value stands for what a model computes: it depends on the row's token and on all rows that it sees. So what is
// served must be what one full pass gives in which row i sees [w(i), i], w(i) being the first_token of the request that
// computed row i: whatever was lost, computed again, moved or rewritten meanwhile.
#pragma once

#include "cache/story.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/cache/request.hpp>
#include <kvstrata/core/interval.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace kvstrata_test {

/// Every lease writes other bytes (its draft is part of them), so that a token which was never committed, or was
/// committed twice, cannot pass for the right one.
[[nodiscard]] constexpr std::uint64_t token_tag(kvstrata::user_id user, kvstrata::epoch_id epoch, std::uint64_t draft,
                                                kvstrata::token_count token) noexcept
{
  return mix({to_number(user), to_number(epoch), draft, token});
}

class naive_cache
{
 public:
  using token_count = kvstrata::token_count;

  /// [first_token, result) is the longest history that anybody committed of the user's window.
  [[nodiscard]] token_count known(kvstrata::user_id user) const
  {
    const auto found = users_.find(user);
    if (found == users_.end()) return 0;
    const auto& rows = found->second.rows;
    return rows.empty() || rows.rbegin()->second.is == row_state::passed ? found->second.first_token
                                                                         : rows.rbegin()->first + 1;
  }
  /// Where the user's last window begins.
  [[nodiscard]] token_count first_token(kvstrata::user_id user) const
  {
    const auto found = users_.find(user);
    return found == users_.end() ? 0 : found->second.first_token;
  }
  [[nodiscard]] story& tale(kvstrata::user_id user) { return users_[user].tale; }
  [[nodiscard]] naive_vouchers& vouched(kvstrata::user_id user) { return users_[user].vouched; }

  /// Users of whom something was committed.
  [[nodiscard]] std::vector<kvstrata::user_id> users() const
  {
    std::vector<kvstrata::user_id> out;
    for (const auto& [user, all] : users_) {
      if (!all.rows.empty()) out.push_back(user);
    }
    return out;
  }

  /// The draft that a served token must show.
  [[nodiscard]] std::uint64_t draft_of(kvstrata::user_id user, token_count token) const
  {
    return users_.at(user).rows.at(token).draft;
  }

  /// Tokens of a user from `token` on that are there, as far as anybody knows.
  [[nodiscard]] std::uint64_t believed_from(kvstrata::user_id user, token_count token) const
  {
    std::uint64_t out = 0;
    const auto& rows = users_.at(user).rows;
    for (auto at = rows.lower_bound(token); at != rows.end(); ++at) out += at->second.is == row_state::here ? 1U : 0U;
    return out;
  }

  /// A request begins, with this plan; its fingerprint agrees with what is known up to `agreed_until`. What it makes
  /// useless is of no use from now on. `seen`: the user was looked at just now, so that what has vanished is known.
  void begin(const kvstrata::request& r, const kvstrata::request_plan& p, token_count agreed_until, bool seen)
  {
    person& who = users_[r.user];
    const kvstrata::tokens_forgotten& told = p.kept.forgotten;
    const auto take = [&](token_count from, std::uint64_t said, const char* why, bool exact) {
      std::uint64_t believed = 0;
      for (auto at = who.rows.lower_bound(from); at != who.rows.end(); at = who.rows.erase(at)) {
        believed += at->second.is == row_state::here ? 1U : 0U;
      }
      settle(believed, said, why, exact, r.user);
    };
    std::uint64_t passed = 0;
    for (auto& [t, mine] : who.rows) {
      if (t >= r.first_token) break;
      passed += mine.is == row_state::here ? 1U : 0U;
      if (r.first_token > who.first_token) mine.is = row_state::passed;
    }
    settle(r.first_token > who.first_token ? passed : 0, told.passed, "passed", seen, r.user);
    const token_count lasting = r.history_tokens - std::min(r.volatile_tail, r.history_tokens - r.first_token);
    take(agreed_until, told.rewritten, "rewritten", seen);
    take(r.first_token < who.first_token ? 0 : ~token_count{0}, told.widened, "widened", seen);
    take(r.volatile_tail != 0 ? lasting : ~token_count{0}, told.overwritten, "overwritten", seen);
    if (told.stranded != 0) {  // of what rests on a row that was computed in another window, and is gone
      const auto gone = who.rows.find(p.kept.tokens.empty() ? r.first_token : p.kept.tokens.end);
      if (gone == who.rows.end() || gone->second.window == r.first_token) FAIL("stranded behind no gap");
      take(gone->first, told.stranded, "stranded", false);
    }
    token_count end = agreed_until;
    if (r.first_token < who.first_token) end = 0;
    if (r.volatile_tail != 0) end = std::min(end, lasting);
    if (told.stranded == 0 && p.kept.tokens.end < std::min(end, known(r.user)) && end > r.first_token) {
      FAIL("nothing from " << p.kept.tokens.end << " on is kept, though all up to " << end << " may be");
    }
    who.first_token = r.first_token;
    who.vouched.withdraw(told.stranded == 0 ? end : std::min(end, p.kept.tokens.end));
  }

  /// A plan for [first_token, history) of a user: its pieces must partition it, what is served must be what was committed,
  /// has not vanished, and is what a full pass gives, and so must what is computed again although it is there; what else
  /// was committed, and is not served though it would be kept, has vanished.
  void see(const kvstrata::request_plan& r, std::span<const kvstrata::token_interval> compute)
  {
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
    count(r.device_hit, 1);
    count(r.lower_hits[0], 1);
    count(r.lower_hits[1], 1);
    token_count last = 0;
    for (const kvstrata::token_interval piece : compute) {
      if (piece.empty() || (piece.begin < last)) FAIL("the compute list is not ascending or has an empty piece");
      last = piece.end;
      count(piece, 2);
    }
    for (auto t = r.recomputed.begin; t < r.recomputed.end; ++t) {
      if (t >= r.history || times[t] != 2) FAIL("token " << t << " is computed again, but not on the compute list");
      times[t] = 3;
    }
    person& who = users_[r.user];
    const std::vector<std::uint64_t> right = pass(who, r.first_token, r.history, compute);
    const std::string name = " of user " + std::to_string(to_number(r.user));
    for (token_count t = r.first_token; t < r.history; ++t) {
      const auto known = who.rows.find(t);
      if (times[t] == 0) FAIL("token " << t << name << " is in no piece of the plan");
      if (times[t] != 2) {
        if (known == who.rows.end()) FAIL("token " << t << name << " was never committed");
        if (known->second.is != row_state::here) FAIL("token " << t << name << " had vanished already");
        if (known->second.value != right[t]) {
          FAIL("token " << t << name << " is served, but a pass gives another row: it was computed in a window from "
                        << known->second.window << " on, the request's begins at " << r.first_token);
        }
      } else if (known != who.rows.end() && known->second.is == row_state::here && r.kept.tokens.contains(t)) {
        known->second.is = row_state::lost;
        ++vanished_;
      }
    }
  }

  /// What is computed again gives the same bytes: it keeps its draft. Tokens from `lasting` on are not kept.
  void commit(const kvstrata::request_plan& r, std::span<const kvstrata::token_interval> computed, std::uint64_t draft)
  {
    person& who = users_[r.user];
    const std::vector<std::uint64_t> values = pass(who, r.first_token, r.history, computed);
    for (const kvstrata::token_interval piece : computed) {
      for (auto t = piece.begin; t < std::min(piece.end, r.lasting); ++t) {
        row& mine = who.rows[t];
        if (!r.recomputed.contains(t)) mine = {draft, values[t], r.first_token, row_state::here};
        else if (mine.value != values[t]) FAIL("token " << t << " was computed again, and not as it was");
      }
    }
  }

  /// `seen`: a plan for all that is known of the user was seen just now, so what has vanished of it is known.
  void forget(kvstrata::user_id user, bool seen)
  {
    if (!seen) {
      for (const auto& [t, mine] : users_[user].rows) uncertain_ += mine.is == row_state::here ? 1U : 0U;
    }
    users_.erase(user);
  }

  /// Has the user rows that were computed in a window that began earlier? They may be made useless (stranded) by a request
  /// that asks for nothing new.
  [[nodiscard]] bool has_earlier_rows(kvstrata::user_id user) const
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

 private:
  enum class row_state : std::uint8_t { here, lost, passed };
  struct row
  {
    std::uint64_t draft = 0;
    std::uint64_t value = 0;
    token_count window = 0;  ///< first token of the request that computed it
    row_state is = row_state::here;
  };
  struct person
  {
    std::map<token_count, row> rows;
    token_count first_token = 0;
    story tale;
    naive_vouchers vouched;
  };

  /// `believed` tokens of the user were there, as far as anybody knew, and `said` of them were forgotten: the others had
  /// vanished before.
  void settle(std::uint64_t believed, std::uint64_t said, const char* why, bool exact, kvstrata::user_id user)
  {
    if (said > believed || (exact && said != believed)) {
      FAIL(said << " tokens of user " << to_number(user) << " are said to be " << why << ", but " << believed
                << " are");
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

  std::map<kvstrata::user_id, person> users_;
  std::uint64_t vanished_ = 0;
  std::uint64_t uncertain_ = 0;
};

}  // namespace kvstrata_test
