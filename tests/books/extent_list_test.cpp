// Extents in runs, against a plain list of extents.
#include "support/catch.hpp"

#include <kvstrata/books/extent_list.hpp>

#include <cstddef>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;

struct naive_extent
{
  placed_extent at;
  bool joined = false;  // to the one before
};

[[nodiscard]] bool same(const placed_extent& a, const placed_extent& b)
{
  return a.first_page == b.first_page && a.pages == b.pages && a.frame == b.frame;
}

void compare(const extent_list& list, const std::vector<naive_extent>& wanted)
{
  REQUIRE(list.empty() == wanted.empty());
  std::size_t i = 0;
  for (const placed_extent& x : list) {
    REQUIRE(i < wanted.size());
    REQUIRE(same(x, wanted[i].at));
    ++i;
  }
  REQUIRE(i == wanted.size());
  std::vector<placed_extent> runs;
  for (const naive_extent& x : wanted) {
    if (x.joined) runs.back().pages += x.at.pages;
    else runs.push_back(x.at);
  }
  REQUIRE(list.runs() == runs.size());
  std::size_t run = 0;
  list.each_run([&](const placed_extent& x) {
    REQUIRE(run < runs.size());
    REQUIRE(same(x, runs[run]));
    ++run;
  });
  REQUIRE(run == runs.size());
  if (wanted.empty()) {
    REQUIRE(list.covered().empty());
    return;
  }
  REQUIRE(list.covered().begin == wanted.front().at.first_page);
  REQUIRE(list.covered().end == wanted.back().at.end());
  REQUIRE(same(list.front(), wanted.front().at));
  REQUIRE(same(list.back(), wanted.back().at));
  for (const naive_extent& x : wanted) {
    for (page_count page = x.at.first_page; page < x.at.end(); ++page) REQUIRE(same(*list.holder_of(page), x.at));
  }
  if (const placed_extent* one = list.only_one()) {
    REQUIRE(wanted.size() == 1);
    REQUIRE(same(*one, wanted[0].at));
  }
}

}  // namespace

TEST_CASE("extent_list: appended, joined, put before and dropped as a list of extents has it", "[books]")
{
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    extent_list list;
    std::vector<naive_extent> wanted;
    const auto pages = static_cast<page_count>(1 + random() % 3);  // most extents have these
    for (int step = 0; step < 40; ++step) {
      switch (random() % 5) {
        case 0:
        case 1: {
          const bool follows = !wanted.empty() && random() % 3 != 0;
          placed_extent x{wanted.empty() ? 20 : wanted.back().at.end(), random() % 4 == 0 ? pages + 1 : pages,
                          static_cast<page_count>(1000 + random() % 5000)};
          if (follows) x.frame = wanted.back().at.frame + wanted.back().at.pages;
          const bool joins = random() % 4 != 0;
          list.push_back(x, joins);
          // It goes on from the run before where the sizes are the same, and the frames follow.
          const bool joined = joins && follows && x.pages == wanted.back().at.pages;
          wanted.push_back({x, joined});
          break;
        }
        case 2: {
          if (wanted.empty() || wanted.front().at.first_page < 4) break;
          const page_count end = wanted.front().at.first_page;
          const std::vector<placed_extent> first{{end - 3, 2, static_cast<page_count>(random() % 900)},
                                                 {end - 1, 1, static_cast<page_count>(random() % 900)}};
          list.push_front(first.data(), first.size());
          wanted.insert(wanted.begin(), {{first[0], false}, {first[1], false}});
          break;
        }
        case 3: {
          if (wanted.empty()) break;
          const page_count until =
              wanted.front().at.first_page + static_cast<page_count>(random() % (list.covered().size() / 2 + 2));
          page_count gone = 0;
          list.drop_front(until, [&gone](const placed_extent& x) { gone += x.pages; });
          page_count counted = 0;
          while (!wanted.empty() && wanted.front().at.end() <= until) {
            counted += wanted.front().at.pages;
            wanted.erase(wanted.begin());
          }
          if (!wanted.empty()) wanted.front().joined = false;
          REQUIRE(gone == counted);
          break;
        }
        default: {
          extent_list other(std::move(list));
          REQUIRE(list.empty());  // NOLINT: what is left of a list that was moved from
          list = std::move(other);
          break;
        }
      }
      compare(list, wanted);
    }
    list.clear();
    compare(list, {});
  }
}

TEST_CASE("extent_list: the ends grow and shrink", "[books]")
{
  for (const bool several : {false, true}) {
    extent_list list;
    if (several) list.push_back({0, 4, 100}, false);
    list.push_back({4, 5, 200}, false);
    list.lengthen_back(3);
    CHECK(same(list.back(), {4, 8, 200}));
    list.shorten_back(6);
    CHECK(same(list.back(), {4, 2, 200}));
    list.shorten_front(1);
    CHECK(same(list.front(), several ? placed_extent{1, 3, 101} : placed_extent{5, 1, 201}));
    list.pop_back();
    CHECK(list.empty() == !several);
  }
}
