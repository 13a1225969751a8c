// Which level serves which token of a request: append_pieces against asking for each token by itself, for one to four
// levels.
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/plan/pieces.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <vector>

namespace {

using namespace kvstrata;

template <level_index Levels>
struct question
{
  token_interval all;
  token_interval kept;
  token_count fetch_from = 0;
  token_count page_tokens = 1;
  std::array<token_interval, Levels> has{};
};

/// Copies begin with a page, or with the window.
template <level_index Levels>
[[nodiscard]] question<Levels> any_question(std::mt19937& random)
{
  const auto upto = [&random](token_count n) { return static_cast<token_count>(random() % (n + 1)); };
  question<Levels> q;
  q.page_tokens = 1 + upto(5);
  q.all.begin = upto(2) == 0 ? upto(20) : 0;
  q.all.end = q.all.begin + upto(40);
  q.kept = {q.all.begin, upto(3) == 0 ? q.all.begin + upto(40) : ~token_count{0}};
  if (upto(3) == 0) q.fetch_from = upto(10) * q.page_tokens;
  for (token_interval& mine : q.has) {
    if (upto(4) == 0) continue;
    const token_count first = upto(12) * q.page_tokens;
    mine.begin = upto(1) == 0 ? q.all.begin : (std::max)(first, q.all.begin);
    mine.end = mine.begin + upto(40);
  }
  return q;
}

template <level_index Levels>
[[nodiscard]] std::vector<piece> pieces_of(const question<Levels>& q)
{
  std::vector<piece> out{{{7, 9}, 3}};  // somebody else's, which stay
  append_pieces<Levels>(out, q.all, q.kept, q.fetch_from, q.page_tokens, [&q](auto i) { return q.has[i()]; });
  REQUIRE(out.front() == piece{{7, 9}, 3});
  out.erase(out.begin());
  return out;
}

/// May level i serve token t?
template <level_index Levels>
[[nodiscard]] bool serves(const question<Levels>& q, level_index i, token_count t)
{
  return q.has[i].contains(t) && q.kept.contains(t) && q.all.contains(t) && (i == 0 || t >= q.fetch_from);
}

/// The source of a token by itself: the slab; else, of the levels below that may serve all of its page as far as any of
/// them goes, the uppermost; else the model.
template <level_index Levels>
[[nodiscard]] level_index source_of(const question<Levels>& q, token_count t)
{
  if (serves(q, 0, t)) return 0;
  const token_count page_end = (t / q.page_tokens + 1) * q.page_tokens;
  token_count last = t;
  for (token_count other = t; other < page_end; ++other) {
    for (level_index i = 1; i < Levels; ++i) {
      if (serves(q, i, other)) last = other;
    }
  }
  for (level_index i = 1; i < Levels; ++i) {
    if (serves(q, i, t) && serves(q, i, last)) return i;
  }
  return piece::computed;
}

template <level_index Levels>
void against_each_token()
{
  std::mt19937 random(Levels);
  std::size_t of_two_sources = 0;
  std::size_t most = 0;
  for (int round = 0; round < 3'500 * kvstrata_test::effort; ++round) {
    const question<Levels> q = any_question<Levels>(random);
    const std::vector<piece> pieces = pieces_of(q);
    CAPTURE(round, q.all.begin, q.all.end, q.page_tokens, q.fetch_from);
    token_count at = q.all.begin;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      REQUIRE(pieces[p].tokens.begin == at);
      REQUIRE_FALSE(pieces[p].tokens.empty());
      if (p != 0) REQUIRE(pieces[p].source != pieces[p - 1].source);
      for (; at < pieces[p].tokens.end; ++at) {
        if (pieces[p].source != source_of(q, at)) {
          FAIL("token " << at << " comes from " << pieces[p].source << ", not from " << source_of(q, at));
        }
        // Where the model computes, no level has it.
        if (pieces[p].is_computed()) {
          for (level_index i = 0; i < Levels; ++i) REQUIRE_FALSE(serves(q, i, at));
        }
      }
    }
    REQUIRE(at == (q.all.empty() ? q.all.begin : q.all.end));
    REQUIRE(pieces.size() <= 2 * Levels + 1);
    most = (std::max)(most, pieces.size());

    // No page is fetched from two levels.
    for (token_count page = 0; page < 100 / q.page_tokens; ++page) {
      level_index fetched_from = 0;
      for (const piece& p : pieces) {
        if (!p.is_fetched()) continue;
        if (intersect(p.tokens, {page * q.page_tokens, (page + 1) * q.page_tokens}).empty()) continue;
        REQUIRE((fetched_from == 0 || fetched_from == p.source));
        fetched_from = p.source;
      }
    }
    of_two_sources += pieces.size() > 1 ? 1U : 0U;
  }
  CHECK(of_two_sources > 800U * kvstrata_test::effort);
  CHECK(most > Levels);
}

}  // namespace

TEST_CASE("pieces: each token from the uppermost level that has it, or computed", "[plan]")
{
  against_each_token<1>();
  against_each_token<2>();
  against_each_token<3>();
  against_each_token<4>();
}

TEST_CASE("pieces: what a level has of a page that another has more of is left to that one", "[plan]")
{
  question<3> q{.all = {0, 20}, .kept = {0, 100}, .page_tokens = 4, .has = {{{12, 14}, {0, 6}, {0, 11}}}};
  CHECK(pieces_of(q) ==
        std::vector<piece>{
            {{0, 4}, 1}, {{4, 11}, 2}, {{11, 12}, piece::computed}, {{12, 14}, 0}, {{14, 20}, piece::computed}});
  q.has[2] = {8, 11};  // not of that page
  CHECK(pieces_of(q) == std::vector<piece>{{{0, 6}, 1},
                                           {{6, 8}, piece::computed},
                                           {{8, 11}, 2},
                                           {{11, 12}, piece::computed},
                                           {{12, 14}, 0},
                                           {{14, 20}, piece::computed}});
}

TEST_CASE("pieces: where tokens came from, summed up", "[plan]")
{
  const piece pieces[] = {{{0, 4}, 1}, {{4, 6}, 0}, {{6, 9}, 2}, {{9, 10}, 1}, {{10, 20}, piece::computed}};
  const token_sources sources = sources_of(pieces);
  CHECK(sources.from == by_level<token_count>{2, 5, 3});
  CHECK((sources.computed == 10 && sources.fetched() == 8));
  CHECK(sources_of({}).fetched() == 0);
}
