// What of a user's cached tokens a request leaves of use: kept_by against sets of tokens, and what contradicts a
// fingerprint.
#include "books/bed.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/plan/kept_tokens.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

constexpr token_count longest = 40;
using token_set = std::vector<bool>;

[[nodiscard]] token_count size_of(const token_set& s)
{
  return static_cast<token_count>(std::count(s.begin(), s.end(), true));
}

/// Takes out what lies outside of [begin, end). Returns how many that were.
token_count cut(token_set& s, token_count begin, token_count end)
{
  const token_count before = size_of(s);
  for (token_count t = 0; t < s.size(); ++t) s[t] = s[t] && t >= begin && t < end;
  return before - size_of(s);
}

[[nodiscard]] token_count end_of(const token_set& s)
{
  token_count end = 0;
  for (token_count t = 0; t < s.size(); ++t) end = s[t] ? t + 1 : end;
  return end;
}

/// As the comments say it: what the request is of no use to goes, reason by reason.
template <class Entry>
[[nodiscard]] std::pair<token_set, tokens_forgotten> by_sets(const request& r, const Entry& e,
                                                             const contradiction& against)
{
  token_set cached(2 * longest, false);
  for (token_count t = 0; t < cached.size(); ++t) {
    each_level<0, Entry::memories>([&](auto i) { cached[t] = cached[t] || e.template at<i()>().tokens.contains(t); });
  }
  tokens_forgotten why;
  const bool moves = r.first_token > e.known().first_token;
  const bool widens = r.first_token < e.known().first_token;
  const auto all = static_cast<token_count>(cached.size());
  if (moves) why.passed = cut(cached, r.first_token, all);
  else cut(cached, r.first_token, all);  // nothing lies there
  if (!against.tokens.empty()) why.rewritten = cut(cached, 0, against.agreed_until);
  if (widens) why.widened = cut(cached, 0, 0);
  if (r.volatile_tail != 0) why.overwritten = cut(cached, 0, lasting_tokens(r).end);
  // Rows of an earlier window rest on those before them: behind a gap among them nothing is of use.
  const token_count earlier = moves ? end_of(cached) : (std::min)(e.known().earlier_until, end_of(cached));
  for (token_count t = r.first_token; t < earlier; ++t) {
    if (cached[t] || end_of(cached) <= t) continue;
    why.stranded = cut(cached, 0, t);
    break;
  }
  return {cached, why};
}

template <level_index Levels>
void against_sets()
{
  std::mt19937 random(Levels);
  const auto upto = [&random](token_count n) { return static_cast<token_count>(random() % (n + 1)); };
  std::uint64_t met[5] = {};
  for (int round = 0; round < 3'500 * effort; ++round) {
    lone_entry<typename entry_of_levels<Levels>::type> e(1);
    e.learn().first_token = upto(2) == 0 ? upto(20) : 0;
    each_level<0, Levels>([&](auto i) {
      if (upto(3) == 0) return;
      const token_count begin = e.known().first_token + upto(longest - e.known().first_token);
      e.template at<i()>().tokens = {begin, begin + upto(longest - begin)};
    });
    if (upto(3) == 0) e.learn().earlier_until = e.known().first_token + 1 + upto(longest - e.known().first_token);
    request r{.user = user_id{1}, .history_tokens = longest};
    r.first_token = upto(2) == 0 ? upto(longest) : e.known().first_token;
    if (upto(2) == 0) r.volatile_tail = upto(longest);
    contradiction against;
    if (upto(4) == 0) {
      against.agreed_until = r.first_token + upto(longest - r.first_token);
      against.tokens = {against.agreed_until, against.agreed_until + 4};
    }
    const kept_tokens said = kept_by(r, &e, against);
    const auto [left, why] = by_sets(r, e, against);
    CAPTURE(round, e.known().first_token, e.known().earlier_until, r.first_token, r.volatile_tail,
            against.agreed_until);
    REQUIRE(said.forgotten == why);
    REQUIRE(said.forgets == (why.total() != 0));
    for (token_count t = 0; t < left.size(); ++t) {
      bool cached = false;
      each_level<0, Levels>([&](auto i) { cached = cached || e.template at<i()>().tokens.contains(t); });
      REQUIRE((cached && said.tokens.contains(t)) == left[t]);
    }
    // What is kept of earlier windows is known to be so.
    const bool earlier = r.first_token > e.known().first_token || e.known().earlier_until > r.first_token;
    if (said.earlier_until != 0) {
      REQUIRE(earlier);
      REQUIRE((said.earlier_until > r.first_token && said.earlier_until <= end_of(left)));
    } else if (r.first_token > e.known().first_token) {
      REQUIRE(end_of(left) <= r.first_token);
    }
    const std::uint64_t counts[] = {why.rewritten, why.widened, why.passed, why.overwritten, why.stranded};
    for (std::size_t i = 0; i < 5; ++i) met[i] += counts[i] != 0 ? 1 : 0;
  }
  for (const std::uint64_t often : met) CHECK(often > 30U * effort);
}

}  // namespace

TEST_CASE("kept tokens: each reason by itself, against sets of tokens", "[plan]")
{
  against_sets<1>();
  against_sets<2>();
  against_sets<4>();
}

TEST_CASE("kept tokens: of nobody, or of who goes on as before, all is kept", "[plan]")
{
  using entry_type = entry_of_levels<2>::type;
  const request r{.user = user_id{1}, .history_tokens = 30, .first_token = 4};
  const entry_type* const nobody = nullptr;
  CHECK((keeps_all(r, nobody, {}) && !kept_by(r, nobody, {}).forgets));
  lone_entry<entry_type> e(1);
  e.learn().first_token = 4;
  e.at<0>().tokens = {4, 12};
  CHECK((keeps_all(r, &e, {}) && !kept_by(r, &e, {}).forgets));
  CHECK(kept_by(r, &e, {}).tokens == token_interval{4, (std::numeric_limits<token_count>::max)()});
  e.learn().earlier_until = 6;
  CHECK_FALSE(keeps_all(r, &e, {}));
  CHECK(kept_by(r, &e, {}).earlier_until == 6);
}

TEST_CASE("kept tokens: what a fingerprint contradicts", "[plan]")
{
  lone_entry<entry_of_levels<2>::type> e(1);
  const std::uint64_t prefixes[] = {11, 12, 13};
  request r{.user = user_id{1}, .history_tokens = 14};
  r.fingerprint = {.stride = 4, .prefix_hashes = prefixes};
  CHECK(contradiction_of(r, e).tokens.empty());  // nothing was vouched for
  e.learn().vouched = {8, 12};
  CHECK(contradiction_of(r, e).tokens.empty());
  e.learn().vouched.hash = 99;
  CHECK(contradiction_of(r, e).tokens == token_interval{0, 8});
  CHECK(contradiction_of(r, e).agreed_until == 0);
  CHECK_FALSE(contradiction_of(r, e).unproven);
  e.learn().vouched.tokens = 9;  // no multiple of the stride: unchecked
  CHECK((contradiction_of(r, e).tokens.empty() && contradiction_of(r, e).unproven));
  e.learn().vouched.tokens = 16;  // more than the request has
  CHECK((contradiction_of(r, e).tokens.empty() && contradiction_of(r, e).unproven));
  e.learn().vouched = {};
  CHECK_FALSE(contradiction_of(r, e).unproven);

  // Stretches [1, 4) of 4 tokens; the request knows [2, 5).
  e.learn().stretches = {.stride = 4, .end = 4, .hashes = {1, 2, 3}};
  std::uint64_t stretches[] = {2, 3, 4};
  r = {.user = user_id{1}, .history_tokens = 20, .first_token = 6};
  r.stretches = {.stride = 4, .hashes = stretches};
  CHECK(contradiction_of(r, e).tokens.empty());
  stretches[1] = 77;  // stretch 3; stretch 2 agrees
  CHECK(contradiction_of(r, e).tokens == token_interval{12, 16});
  CHECK(contradiction_of(r, e).agreed_until == 12);
  stretches[0] = 76;  // none agrees: how far the history is the same nobody knows
  CHECK(contradiction_of(r, e).tokens == token_interval{8, 12});
  CHECK(contradiction_of(r, e).agreed_until == 0);
  stretches[0] = 2;
  stretches[1] = 3;
  CHECK_FALSE(contradiction_of(r, e).unproven);
  e.learn().vouched = {19, 1};  // of which the request says nothing
  CHECK_FALSE(contradiction_of(r, e).unproven);
  r.fingerprint = {.stride = 8, .prefix_hashes = prefixes};  // now it might, and a prefix says more
  CHECK(contradiction_of(r, e).unproven);
  r.fingerprint = {};
  r.stretches.stride = 2;
  CHECK((contradiction_of(r, e).tokens.empty() && contradiction_of(r, e).unproven));
  r.stretches = {};
  CHECK_FALSE(contradiction_of(r, e).unproven);  // it has no fingerprint
}

TEST_CASE("kept tokens: a history that cannot be compared is read, and gets no row more", "[plan]")
{
  constexpr token_count no_end = (std::numeric_limits<token_count>::max)();
  lone_entry<entry_of_levels<2>::type> e(1);
  e.at<0>().tokens = {8, 20};
  e.at<1>().tokens = {0, 8};
  const contradiction unknown{.tokens = {}, .agreed_until = 0, .unproven = true};
  request r{.user = user_id{1}, .history_tokens = 20};
  const kept_tokens reads = kept_by(r, &e, unknown);
  CHECK((reads.tokens == token_interval{0, no_end} && reads.unproven && !reads.rewritten && !reads.forgets));
  r.history_tokens = 22;
  const kept_tokens adds = kept_by(r, &e, unknown);
  CHECK((adds.tokens.empty() && !adds.unproven && adds.rewritten && adds.forgets));
  CHECK(adds.forgotten == tokens_forgotten{.rewritten = 20});
  r.volatile_tail = 2;  // it keeps none of what it computes
  CHECK(kept_by(r, &e, unknown).tokens == token_interval{0, 20});
  r.history_tokens = 14;
  CHECK(kept_by(r, &e, unknown).tokens == token_interval{0, 12});
  CHECK(kept_by(r, &e, unknown).forgotten == tokens_forgotten{.overwritten = 8});
  e.at<1>().tokens = {0, 7};  // a gap
  CHECK(kept_by(r, &e, unknown).forgotten == tokens_forgotten{.rewritten = 19});
}
