// Which tokens of a copy were served, against a set of tokens.
#include "support/catch.hpp"

#include <kvstrata/books/served_tokens.hpp>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;

[[nodiscard]] token_interval any_interval(std::mt19937& random, token_count most)
{
  const auto a = static_cast<token_count>(random() % (most + 1));
  const auto b = static_cast<token_count>(random() % (most + 1));
  return random() % 4 == 0 ? token_interval{} : token_interval{(std::min)(a, b), (std::max)(a, b)};
}

}  // namespace

TEST_CASE("served_tokens: exact while there are few stretches, as a set of tokens has them", "[books]")
{
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    served_tokens served;
    std::vector<bool> naive(64, false);
    for (int step = 0; step < 20; ++step) {
      const token_interval tokens = any_interval(random, 64);
      if (random() % 4 == 0) {
        served.keep(tokens);
        for (token_count t = 0; t < 64; ++t) naive[t] = naive[t] && tokens.contains(t);
      } else {
        std::vector<bool> more = naive;
        for (token_count t = tokens.begin; t < tokens.end; ++t) more[t] = true;
        std::size_t stretches = 0;
        for (token_count t = 0; t < 64; ++t) stretches += more[t] && (t == 0 || !more[t - 1]) ? 1U : 0U;
        if (stretches > served_tokens::most) continue;
        served.add(tokens);
        naive = more;
      }
      const token_interval asked = any_interval(random, 64);
      token_count counted = 0;
      for (token_count t = asked.begin; t < asked.end; ++t) counted += naive[t] ? 1U : 0U;
      REQUIRE(served.among(asked) == counted);
    }
  }
}

TEST_CASE("served_tokens: with one stretch too many the two that are closest become one", "[books]")
{
  served_tokens served;
  for (const token_count begin : {0U, 10U, 18U, 30U}) served.add({begin, begin + 4});
  CHECK(served.among({0, 100}) == 16);
  served.add({50, 54});
  CHECK(served.among({0, 100}) == 16 + 4 + 4);  // and [14, 18)
  CHECK(served.among({14, 18}) == 4);
  served.clear();
  CHECK(served.among({0, 100}) == 0);
}
