// What the cache promises, kept in maps and vectors: which tokens were committed, what their bytes are, and how many of
// them can only have vanished through a counted loss.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/cache/plan.hpp>
#include <kvstrata/core/interval.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace kvstrata_test {

/// splitmix64's finalizer over several numbers.
[[nodiscard]] constexpr std::uint64_t mix(std::initializer_list<std::uint64_t> parts) noexcept
{
  std::uint64_t x = 0x243F6A8885A308D3U;
  for (const std::uint64_t part : parts) {
    x += 0x9E3779B97F4A7C15U * (part + 1);
    x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
    x ^= x >> 31U;
  }
  return x;
}

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
  /// Tokens committed so far: [0, result) is the longest history that anybody committed.
  [[nodiscard]] kvstrata::token_count known(kvstrata::user_id user) const
  {
    const auto found = users_.find(user);
    return found == users_.end() || found->second.empty() ? 0 : found->second.rbegin()->first + 1;
  }

  /// Users of whom something was committed.
  [[nodiscard]] std::vector<kvstrata::user_id> users() const
  {
    std::vector<kvstrata::user_id> out;
    for (const auto& [user, tokens] : users_) {
      if (!tokens.empty()) out.push_back(user);
    }
    return out;
  }

  /// The draft that a served token must show.
  [[nodiscard]] std::uint64_t draft_of(kvstrata::user_id user, kvstrata::token_count token) const
  {
    return users_.at(user).at(token).draft;
  }

  /// A plan for [0, history) of a user: its pieces must partition it, what is served must be what was committed and has
  /// not vanished, and so must what is computed again although it is there; what else was committed and is not served
  /// has vanished.
  void see(const kvstrata::request_plan& r, std::span<const kvstrata::token_interval> compute)
  {
    std::vector<int> times(r.history, 0);
    const auto count = [&](kvstrata::token_interval piece, int how) {
      if (piece.empty()) return;
      if (piece.end > r.history) FAIL("a piece of the plan ends at " << piece.end << ", behind " << r.history);
      for (auto t = piece.begin; t < piece.end; ++t) {
        if (times[t] != 0) FAIL("token " << t << " is in two pieces of the plan");
        times[t] = how;
      }
    };
    count(r.device_hit, 1);
    count(r.lower_hits[0], 1);
    count(r.lower_hits[1], 1);
    kvstrata::token_count last = 0;
    for (const kvstrata::token_interval piece : compute) {
      if (piece.empty() || (piece.begin < last)) FAIL("the compute list is not ascending or has an empty piece");
      last = piece.end;
      count(piece, 2);
    }
    for (auto t = r.recomputed.begin; t < r.recomputed.end; ++t) {
      if (t >= r.history || times[t] != 2) FAIL("token " << t << " is computed again, but not on the compute list");
      times[t] = 3;
    }
    auto& tokens = users_[r.user];
    for (kvstrata::token_count t = 0; t < r.history; ++t) {
      const auto known = tokens.find(t);
      if (times[t] == 0) FAIL("token " << t << " of user " << to_number(r.user) << " is in no piece of the plan");
      if (times[t] != 2) {
        if (known == tokens.end()) FAIL("token " << t << " of user " << to_number(r.user) << " was never committed");
        if (known->second.lost) FAIL("token " << t << " of user " << to_number(r.user) << " had vanished already");
      } else if (known != tokens.end() && !known->second.lost) {
        known->second.lost = true;
        ++vanished_;
      }
    }
  }

  /// What is computed again gives the same bytes: it keeps its draft.
  void commit(kvstrata::user_id user, std::span<const kvstrata::token_interval> computed,
              kvstrata::token_interval recomputed, std::uint64_t draft)
  {
    for (const kvstrata::token_interval piece : computed) {
      for (auto t = piece.begin; t < piece.end; ++t) {
        if (!recomputed.contains(t)) users_[user][t] = {draft, false};
      }
    }
  }

  /// `seen`: a plan for all that is known of the user was seen just now, so what has vanished of it is known.
  void forget(kvstrata::user_id user, bool seen)
  {
    if (!seen) {
      for (const auto& [t, state] : users_[user]) uncertain_ += state.lost ? 0U : 1U;
    }
    users_.erase(user);
  }

  /// Committed tokens that vanished, counted each time. The cache must have counted as many as dropped, and may have
  /// counted `uncertain()` more: of users who were forgotten before anybody looked.
  [[nodiscard]] std::uint64_t vanished() const noexcept { return vanished_; }
  [[nodiscard]] std::uint64_t uncertain() const noexcept { return uncertain_; }

 private:
  struct token_state
  {
    std::uint64_t draft = 0;
    bool lost = false;
  };

  std::map<kvstrata::user_id, std::map<kvstrata::token_count, token_state>> users_;
  std::uint64_t vanished_ = 0;
  std::uint64_t uncertain_ = 0;
};

}  // namespace kvstrata_test
