// Records by number, and lines of them, against lists of numbers.
#include "support/catch.hpp"

#include <kvstrata/books/record_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace {

using namespace kvstrata;

struct record
{
  record* next_unused = nullptr;
  std::uint32_t number = 0;
  pool_links place;
};

}  // namespace

TEST_CASE("record_pool: a number each, found by it, used again, and no more of them than there were at a time",
          "[books]")
{
  std::mt19937 random(1);
  record_pool<record> pool;
  std::vector<record*> taken;
  std::set<std::uint32_t> ever;
  std::size_t most = 0;
  for (int step = 0; step < 5000; ++step) {
    if (taken.empty() || random() % 100 < (step % 1000 < 500 ? 60U : 40U)) {
      record& made = pool.take();
      REQUIRE(std::find(taken.begin(), taken.end(), &made) == taken.end());
      taken.push_back(&made);
      ever.insert(made.number);
    } else {
      const std::size_t which = random() % taken.size();
      pool.give_back(*taken[which]);
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
    }
    most = (std::max)(most, taken.size());
    for (const record* r : taken) REQUIRE(&pool[r->number] == r);
  }
  CHECK(ever.size() == most);
}

TEST_CASE("pool_line: the order of joining, whoever is taken out of it, and lines that are joined", "[books]")
{
  std::mt19937 random(2);
  record_pool<record> pool;
  pool_line<record> first(pool), second(pool);
  std::vector<record*> wanted[2];
  pool_line<record>* const lines[] = {&first, &second};
  for (int step = 0; step < 2000; ++step) {
    const std::size_t l = random() % 2;
    const auto what = random() % 10;
    if (what < 5) {
      record& made = pool.take();
      lines[l]->push_back(made);
      wanted[l].push_back(&made);
    } else if (what < 9) {
      if (wanted[l].empty()) continue;
      const std::size_t which = random() % wanted[l].size();
      lines[l]->remove(*wanted[l][which]);
      pool.give_back(*wanted[l][which]);
      wanted[l].erase(wanted[l].begin() + static_cast<std::ptrdiff_t>(which));
    } else {
      lines[l]->take_all(*lines[1 - l]);
      wanted[l].insert(wanted[l].end(), wanted[1 - l].begin(), wanted[1 - l].end());
      wanted[1 - l].clear();
    }
    for (std::size_t i = 0; i < 2; ++i) {
      std::vector<record*> seen;
      lines[i]->each_while([&](record& r) {
        seen.push_back(&r);
        return seen.size() < 50;
      });
      std::vector<record*> front(wanted[i].begin(), wanted[i].begin() + static_cast<std::ptrdiff_t>((std::min)(
                                                                            wanted[i].size(), std::size_t{50})));
      REQUIRE(seen == front);
    }
  }
}

TEST_CASE("pool_line: a visit may take out whom it visits", "[books]")
{
  record_pool<record> pool;
  pool_line<record> line(pool);
  for (int i = 0; i < 9; ++i) line.push_back(pool.take());
  std::size_t visited = 0;
  line.each_while([&](record& r) {
    if (visited++ % 2 == 0) line.remove(r);
    return true;
  });
  CHECK(visited == 9);
  std::size_t left = 0;
  line.each_while([&left](record&) { return ++left != 0; });
  CHECK(left == 4);
}
