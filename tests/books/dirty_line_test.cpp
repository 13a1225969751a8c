// Who has tokens that only the slab has: how many, in which order, and what a walk meets.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/dirty_line.hpp>

#include <cstdint>
#include <deque>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using entry_type = entry_of_levels<3>::type;

[[nodiscard]] std::vector<std::uint64_t> walk(dirty_line<entry_type>& line)
{
  std::vector<std::uint64_t> met;
  line.start_walk();
  while (entry_type* const e = line.next()) met.push_back(to_number(e->user));
  return met;
}
using users = std::vector<std::uint64_t>;

/// Has [0, slab), of which the levels below have [0, below).
void set(entry_type& e, token_count slab, token_count below, bool in_last = false)
{
  e.at<0>().tokens = {0, slab};
  e.at<1>().tokens = in_last ? token_interval{} : token_interval{0, below};
  e.at<2>().tokens = in_last ? token_interval{0, below} : token_interval{};
}

}  // namespace

TEST_CASE("dirty line: tokens that no level below has, and users in the order of their commits", "[books]")
{
  std::deque<lone_entry<entry_type>> all;
  for (std::uint64_t id = 0; id < 4; ++id) all.emplace_back(id);
  dirty_line<entry_type> line;
  set(all[0], 10, 4);
  set(all[1], 6, 6);
  set(all[2], 8, 3, true);  // in the last level only
  set(all[3], 5, 0);
  for (entry_type& e : all) line.note(e, true);
  CHECK(line.tokens() == 6 + 0 + 5 + 5);
  CHECK(walk(line) == users{0, 2, 3});
  CHECK(all[2].hot().dirty == 5);

  line.warm(all[0]);  // served: the last now
  line.warm(all[1]);  // not in line: stays out
  CHECK(walk(line) == users{2, 3, 0});

  set(all[2], 8, 8);  // written down
  line.note(all[2], true);
  set(all[1], 9, 6);  // and one that has more
  line.note(all[1], true);
  CHECK(line.tokens() == 6 + 3 + 5);
  CHECK(walk(line) == users{3, 0, 1});

  line.forget(all[3]);
  CHECK(line.tokens() == 6 + 3);
  CHECK(walk(line) == users{0, 1});
  all[0].record.renew();  // it is cold
  CHECK(walk(line) == users{1});
}

TEST_CASE("dirty line: who is not live is not counted, and stays until somebody looks", "[books]")
{
  std::deque<lone_entry<entry_type>> all;
  for (std::uint64_t id = 0; id < 2; ++id) {
    all.emplace_back(id);
    set(all.back(), 8, 0);
  }
  dirty_line<entry_type> line;
  for (entry_type& e : all) line.note(e, true);
  line.forget_all();  // an epoch is over
  CHECK(line.tokens() == 0);
  CHECK(walk(line) == users{0, 1});
  line.note(all[0], false);
  CHECK(walk(line) == users{1});
  CHECK((line.tokens() == 0 && all[0].hot().dirty == 0));
}

TEST_CASE("dirty line: a walk meets each once, whatever happens meanwhile, and ends", "[books]")
{
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    std::deque<lone_entry<entry_type>> all;
    dirty_line<entry_type> line;
    std::vector<char> in_line(12, 0), met(12, 0), joined(12, 0);
    for (std::uint64_t id = 0; id < 12; ++id) {
      all.emplace_back(id);
      if (random() % 2 == 0) continue;
      set(all.back(), 8, 0);
      line.note(all.back(), true);
      in_line[id] = 1;
    }
    line.start_walk();
    std::size_t steps = 0;
    while (entry_type* const e = line.next()) {
      REQUIRE(++steps <= 24);
      const std::size_t id = to_number(e->user);
      REQUIRE(in_line[id] != 0);
      REQUIRE(met[id] == 0);
      REQUIRE(joined[id] == 0);  // who joins meanwhile is not met
      met[id] = 1;
      for (std::size_t other = 0; other < 12; ++other) {
        const std::uint32_t what = random() % 8;
        entry_type& o = all[other];
        if (what == 0 && in_line[other] != 0) {  // written down
          set(o, 8, 8);
          line.note(o, true);
          in_line[other] = 0;
        } else if (what == 1) {  // committed; who was in line and is not met yet keeps their turn
          if (in_line[other] == 0) joined[other] = 1;
          set(o, 8, 0);
          line.note(o, true);
          in_line[other] = 1;
        } else if (what == 2 && in_line[other] != 0) {
          line.warm(o);
          joined[other] = 1;
        }
      }
    }
    for (std::size_t id = 0; id < 12; ++id) {
      if (in_line[id] != 0 && joined[id] == 0) REQUIRE(met[id] != 0);
    }
  }
}
