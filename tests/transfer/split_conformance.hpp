// What every split policy must do, wherever it cuts: run it on your own with a file of a few lines,
//
//   TEST_CASE("my split") { kvstrata_test::split_conformance(my_split{.cost = ...}); }
//
// Where it cuts is its own, and is tested beside it.
#pragma once

#include "support/catch.hpp"

#include <kvstrata/transfer/split_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace kvstrata_test {

template <kvstrata::split_policy Split>
void split_conformance(const Split& split = {})
{
  using namespace kvstrata;
  SECTION("each cut is a page's or the front's end, whatever the batch, and the same for the same batch")
  {
    std::mt19937 random(11);
    const auto upto = [&random](token_count n) { return static_cast<token_count>(random() % (n + 1)); };
    for (int round = 0; round < 400; ++round) {
      const token_count page = 1 + upto(40);
      std::vector<split_question> users(1 + upto(7));
      bool any_front = false;
      for (split_question& q : users) {
        q.history = 1 + upto(3000);
        q.first_token = upto(2) == 0 ? upto(q.history - 1) : 0;
        const token_count begin = (q.first_token + page - 1) / page * page;
        if (begin < q.history && upto(3) != 0) {
          q.front.begin = std::min(q.history, begin + upto((q.history - begin) / page) * page);
          q.front.end = std::min(q.history, q.front.begin + upto(q.history - q.front.begin));
        }
        q.behind = upto(q.history - std::max(q.front.end, q.first_token));
        any_front = any_front || !q.front.empty();
      }
      if (!any_front) continue;
      const split_batch batch{.users = users, .page_tokens = page, .queued = {}};
      std::vector<token_count> until(users.size(), 0);
      split.recompute_until(batch, until);
      for (std::size_t i = 0; i < users.size(); ++i) {
        CAPTURE(round, i, until[i], page);
        if (users[i].front.empty()) continue;
        REQUIRE(until[i] <= users[i].front.end);
        REQUIRE((until[i] % page == 0 || until[i] == users[i].front.end));
      }
      std::vector<token_count> again(users.size(), 0);
      split.recompute_until(batch, again);
      REQUIRE(again == until);
    }
  }
}

}  // namespace kvstrata_test
