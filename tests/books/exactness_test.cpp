// From which token on a copy is inexact: marks against a flag for each token.
#include "support/catch.hpp"

#include <kvstrata/books/exactness.hpp>

#include <random>
#include <vector>

namespace {

using namespace kvstrata;

struct raw_tier
{
};
struct copy_of_tokens
{
  token_interval tokens;
  token_count inexact_from = all_exact;
};
struct unmarked_copy
{
  token_interval tokens;
};

}  // namespace

TEST_CASE("exactness: a mark moves as flags of tokens do", "[books]")
{
  std::mt19937 random(8);
  for (int round = 0; round < 500; ++round) {
    copy_of_tokens copy;
    std::vector<bool> inexact(64, false);
    for (int step = 0; step < 12; ++step) {
      if (random() % 3 == 0) {  // tokens go from the rear
        copy.tokens.end -= copy.tokens.empty() ? 0 : static_cast<token_count>(random() % (copy.tokens.size() + 1));
        for (token_count t = copy.tokens.end; t < 64; ++t) inexact[t] = false;
        settle_mark(copy);
      } else {  // tokens come, the first inexact one among them
        const token_count from = copy.tokens.end;
        const auto more = static_cast<token_count>(random() % 8);
        if (from + more > 64) continue;
        copy.tokens.end = from + more;
        bool rests_on_inexact = copy.inexact_from < from;
        const token_count first =
            random() % 2 == 0 ? all_exact : from + static_cast<token_count>(random() % (more + 1));
        if (first < copy.tokens.end) mark_inexact(copy, first);
        for (token_count t = from; t < copy.tokens.end; ++t) {
          rests_on_inexact = rests_on_inexact || t >= first;
          inexact[t] = rests_on_inexact;
        }
      }
      const auto a = static_cast<token_count>(random() % 65);
      const token_interval asked =
          intersect(token_interval{a, a + static_cast<token_count>(random() % 20)}, copy.tokens);
      token_count wanted = all_exact;
      for (token_count t = asked.begin; t < asked.end && wanted == all_exact; ++t) {
        if (inexact[t]) wanted = t;
      }
      REQUIRE(first_inexact<raw_tier>(copy, asked) == wanted);
    }
  }
}

TEST_CASE("exactness: where no tier is lossy nothing is marked, and nothing is found", "[books]")
{
  unmarked_copy copy{{0, 9}};
  mark_inexact(copy, 3);
  settle_mark(copy);
  CHECK(first_inexact<raw_tier>(copy, {0, 9}) == all_exact);
}

TEST_CASE("exactness: a copy takes whole pages along, of what is there", "[books]")
{
  for (token_count begin = 0; begin < 20; ++begin) {
    for (token_count end = begin; end < 20; ++end) {
      for (const token_interval has : {token_interval{0, 20}, token_interval{5, 20}, token_interval{6, 9}}) {
        const token_interval with = copied_with({begin, end}, has, 4);
        for (token_count t = 0; t < 24; ++t) {
          const bool copied = begin != end && t / 4 >= begin / 4 && t < end && has.contains(t);
          CAPTURE(begin, end, has.begin, has.end, t);
          REQUIRE(with.contains(t) == copied);
        }
      }
    }
  }
}
