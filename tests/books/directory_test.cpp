// Who can be found, who is stale, who is doomed: against lists of numbers.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/directory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using entry_type = entry_of_levels<2>::type;

/// The ids of stale entries, the longest stale first.
[[nodiscard]] std::vector<std::uint64_t> stale_of(directory<entry_type>& users)
{
  std::vector<std::uint64_t> out;
  users.stale([&out](const entry_type& e) {
    out.push_back(to_number(e.user));
    return true;
  });
  return out;
}

}  // namespace

TEST_CASE("directory: who goes from among the stale leaves the others, of whatever epoch, in line", "[books]")
{
  for (std::uint64_t gone = 0; gone < 6; ++gone) {
    directory<entry_type> users(epoch_id{1});
    std::vector<entry_type*> all;
    for (std::uint64_t id = 0; id < 6; ++id) {
      if (id == 2 || id == 4) users.advance(epoch_id{id});
      all.push_back(&users.add(user_id{id}));
    }
    users.advance(epoch_id{9});
    users.discard(*all[gone]);
    std::vector<std::uint64_t> left;
    users.stale([&left](entry_type& e) {
      left.push_back(to_number(e.user));
      return true;
    });
    std::vector<std::uint64_t> wanted{0, 1, 2, 3, 4, 5};
    wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(gone));
    CHECK(left == wanted);
  }
}

TEST_CASE("directory: random users come, are written beside, doomed, discarded and left behind by epochs", "[books]")
{
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    directory<entry_type> users(epoch_id{0});
    std::map<std::uint64_t, entry_type*> live, beside;  // by id
    std::vector<entry_type*> stale, doomed;
    std::uint64_t epoch = 0;
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t id = random() % 12;
      switch (random() % 8) {
        case 0:
        case 1:
          if (live.count(id) == 0) live[id] = &users.add(user_id{id});
          break;
        case 2:
          if (beside.count(id) == 0) beside[id] = &users.add_unseen(key_of(user_id{id}), true);
          break;
        case 3:
          if (beside.count(id) != 0 && live.count(id) == 0) {
            users.publish(*beside[id]);
            live[id] = beside[id];
            beside.erase(id);
          }
          break;
        case 4:
          if (live.count(id) != 0) {
            users.doom(*live[id]);
            doomed.push_back(live[id]);
            live.erase(id);
          }
          break;
        case 5:
          if (live.count(id) != 0) {
            users.turn_stale(*live[id]);
            stale.push_back(live[id]);
            live.erase(id);
          }
          break;
        case 6:
          if (!stale.empty()) {
            const auto gone = stale.begin() + static_cast<std::ptrdiff_t>(random() % stale.size());
            users.discard(**gone);
            stale.erase(gone);
          } else if (!doomed.empty()) {
            users.discard(*doomed.back());
            doomed.pop_back();
          }
          break;
        default:
          if (random() % 6 != 0) break;
          users.advance(epoch_id{++epoch});
          REQUIRE(users.epoch() == epoch_id{epoch});
          // Those of one epoch stand in the order in which they came.
          std::vector<entry_type*> left;
          users.stale([&left](entry_type& e) {
            left.push_back(&e);
            return true;
          });
          REQUIRE(left.size() == stale.size() + live.size());
          REQUIRE(std::equal(stale.begin(), stale.end(), left.begin()));
          for (const auto& [who, e] : live) REQUIRE(std::find(left.begin(), left.end(), e) != left.end());
          stale = left;
          live.clear();
          for (const auto& [who, e] : beside) doomed.push_back(e);  // nobody will publish them
          beside.clear();
          break;
      }
      for (std::uint64_t who = 0; who < 12; ++who) {
        REQUIRE(users.find(user_id{who}) == (live.count(who) != 0 ? live[who] : nullptr));
        REQUIRE(users.writer(key_of(user_id{who})) == (beside.count(who) != 0 ? beside[who] : nullptr));
      }
      std::vector<std::uint64_t> wanted;
      for (const entry_type* e : stale) wanted.push_back(to_number(e->user));
      REQUIRE(stale_of(users) == wanted);
      std::size_t all = 0;
      users.all([&all](const entry_type&) { ++all; });
      REQUIRE(all == live.size() + beside.size() + stale.size() + doomed.size());
    }
  }
}
