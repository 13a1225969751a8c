// One level's books: who its policy knows, who goes first, who may come in, what it counts.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/level.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using users = std::vector<std::uint64_t>;

template <level_index I, class Bed>
[[nodiscard]] users order_of(Bed& bed)
{
  users out;
  bed.books.template level<I>().victims([&](auto& e) {
    out.push_back(to_number(e.user));
    return true;
  });
  return out;
}

/// Writes down what it is asked.
struct curious
{
  using option_kind = admission_option;
  static inline std::vector<object_info> candidates;
  static inline std::vector<std::optional<user_id>> victims;
  static inline bool answer = true;
  bool admits(const object_info& candidate, const object_info* victim)
  {
    candidates.push_back(candidate);
    victims.push_back(victim == nullptr ? std::nullopt : std::optional(victim->user));
    return answer;
  }
};

/// An LRU that writes down what it is told.
struct listening_lru : lru
{
  static inline std::vector<object_info> told;
  void insert(hook& object, const object_info& o)
  {
    told.push_back(o);
    lru::insert(object, o);
  }
  void touch(hook& object, const object_info& o)
  {
    told.push_back(o);
    lru::touch(object, o);
  }
};

}  // namespace

TEST_CASE("level: its policy knows who has frames, from a use or a write on until the last frame goes", "[books]")
{
  book_bed<stack_of<2>> bed({20, 20});
  auto& one = bed.user(1);
  auto& two = bed.user(2);
  auto& three = bed.user(3);
  bed.give_slab(one, {0, 8});
  bed.give_slab(two, {0, 8});
  bed.give<1>(two, {0, 8});
  bed.give<1>(three, {0, 4});
  CHECK(order_of<0>(bed) == users{1, 2});
  CHECK(order_of<1>(bed) == users{2, 3});
  bed.request(one);  // level 1 has nothing of them, and hears of it all the same
  CHECK(order_of<0>(bed) == users{2, 1});
  CHECK(order_of<1>(bed) == users{2, 3});
  bed.request(two);
  CHECK(order_of<0>(bed) == users{1, 2});
  CHECK(order_of<1>(bed) == users{3, 2});

  // Part of the frames goes: they stay known. All go: they are not.
  auto& slab = bed.books.slab();
  slab.trim(one, {1, 2}, false);
  CHECK((order_of<0>(bed) == users{1, 2} && one.at<0>().covered().size() == 1));
  slab.trim(one, {}, false);
  CHECK((order_of<0>(bed) == users{2} && !one.at<0>().listed && one.at<0>().extents.empty()));
  CHECK(slab.free() == 20 - 2);
}

TEST_CASE("level: what goes when so many pages are shed", "[books]")
{
  book_bed<stack_of<2>> bed({20, 20});
  auto& e = bed.user(1);
  bed.give_slab(e, {6, 30});  // pages 1 to 7
  bed.give<1>(e, {0, 16});    // a chunk
  bed.give<1>(e, {16, 22});   // and two pages
  const auto slab = [&](page_count pages, bool rear) { return bed.books.slab().cut(e, pages, rear); };
  const auto below = [&](page_count pages) { return bed.books.level<1>().cut(e, pages, false); };
  CHECK(slab(2, false).lost == token_interval{6, 12});
  CHECK(slab(2, false).keep.begin == 3);
  CHECK(slab(2, true).lost == token_interval{24, 30});
  CHECK(slab(2, true).keep.end == 6);
  CHECK((slab(7, false).lost == token_interval{6, 30} && slab(7, false).keep.empty()));
  CHECK((slab(9, true).lost == token_interval{6, 30} && slab(9, true).keep.empty()));
  CHECK((below(1).lost == token_interval{0, 16} && below(1).keep.begin == 4));
  CHECK((below(5).lost == token_interval{0, 22} && below(5).keep.empty()));
  // What is left holds no token: it is room to grow, and goes along.
  bed.books.set_tokens<1>(e, {0, 16});
  CHECK((below(1).lost == token_interval{0, 16} && below(1).keep.empty()));
}

TEST_CASE("level: whether a newcomer may come in is asked with whom it would displace", "[books]")
{
  curious::candidates.clear();
  curious::victims.clear();
  book_bed<stack_of<2, device_slab<dataless_device>, pinned_arena<curious>>> bed({20, 4});
  auto& arena = bed.books.level<1>();
  auto& one = bed.user(1);
  auto& two = bed.user(2);
  bed.give_slab(one, {0, 12});
  bed.give_slab(two, {0, 8});
  curious::answer = false;
  CHECK_FALSE(arena.admits(one, {0, 12}, 3));  // there is room: nobody goes
  curious::answer = true;
  CHECK(arena.admits(one, {0, 12}, 3));
  bed.give<1>(one, {0, 12});
  CHECK(arena.admits(two, {0, 8}, 2));
  ++one.holds;  // who is held cannot go
  CHECK(arena.admits(two, {0, 8}, 2));
  --one.holds;
  CHECK(curious::victims == std::vector<std::optional<user_id>>{std::nullopt, std::nullopt, user_id{1}, std::nullopt});
  REQUIRE(curious::candidates.size() == 4);
  const object_info& said = curious::candidates[2];
  CHECK((said.user == user_id{2} && said.tokens == 8 && said.bytes == 2 * book_page_bytes));
  CHECK((said.dirty_tokens == 0 && said.fetch_seconds == 0));
}

TEST_CASE("level: what its policy is told of a copy: sizes, what is dirty, what can be fetched", "[books]")
{
  listening_lru::told.clear();
  const cost_model costs{.seconds_per_token = 2, .fetch_seconds_per_token = 1, .layers = 1};
  book_bed<stack_of<3>, hybrid_layout, listening_lru> bed({20, 20, 20}, costs);
  auto& e = bed.user(5);
  bed.give_slab(e, {0, 12});
  bed.give<1>(e, {0, 4});
  bed.give<2>(e, {0, 8});
  listening_lru::told.clear();
  bed.request(e);
  REQUIRE(listening_lru::told.size() == 3);
  const object_info& slab = listening_lru::told[0];
  CHECK((slab.tokens == 12 && slab.bytes == 3 * book_page_bytes && slab.dirty_tokens == 4));
  CHECK((slab.dirty_bytes == 4 * 32 && slab.recompute_seconds == 24 && slab.fetch_seconds == 8));
  const object_info& arena = listening_lru::told[1];
  CHECK((arena.tokens == 4 && arena.dirty_tokens == 0 && arena.fetch_seconds == 4));  // of the last level
  const object_info& last = listening_lru::told[2];
  CHECK((last.tokens == 8 && last.dirty_tokens == 0 && last.fetch_seconds == 0));  // nothing below it
}

TEST_CASE("level: bytes add up, and are called by the tier's name", "[books]")
{
  book_bed<stack_of<2>> bed({20, 10});
  auto& e = bed.user(1);
  bed.give_slab(e, {0, 12});
  bed.give<1>(e, {0, 5});
  const tier_stats slab = bed.books.slab().stats();
  CHECK((slab.name == "slab" && slab.capacity_bytes == 20 * book_page_bytes));
  CHECK((slab.resident_bytes == 3 * book_page_bytes && slab.free_bytes == 17 * book_page_bytes));
  CHECK((slab.in_flight_bytes == 0 && slab.resident_tokens == 12));
  const tier_stats arena = bed.books.level<1>().stats();
  CHECK((arena.name == "arena" && arena.resident_bytes == 2 * book_page_bytes && arena.resident_tokens == 5));
}
