// Who has what: tokens, dirty ones, users and evictions are counted as they come and go; entries go when nothing is left.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/residency.hpp>

#include <cstdint>
#include <random>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// Keeps what it hears of evictions and of prefetches that were taken back.
struct evictions
{
  std::vector<tokens_evicted> all;
  token_count undone = 0;
  void on(const tokens_evicted& e) noexcept { all.push_back(e); }
  void on(const prefetch_undone& e) noexcept { undone += static_cast<token_count>(e.tokens); }
};

using bed_type = book_bed<stack_of<3>, hybrid_layout, lru, evictions>;

/// Points come to pass when the test says so.
struct late_device : dataless_device
{
  std::uint64_t done = 0;
  [[nodiscard]] bool query(event point) const noexcept { return point.sequence <= done; }
};
using late_bed = book_bed<stack_of<2, device_slab<late_device>>, hybrid_layout, lru, evictions>;

[[nodiscard]] bool is_known(bed_type& bed, std::uint64_t user)
{
  return bed.books.users().find(user_id{user}) != nullptr;
}

}  // namespace

TEST_CASE("residency: tokens of each level, dirty ones and users are counted as they come and go", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& e = bed.user(1);
  bed.give_slab(e, {0, 12});
  bed.give_slab(bed.user(2), {0, 4});
  cache_stats s = bed.books.stats();
  CHECK((s.depth == 3 && s.users == 2 && s.dirty_tokens == 16 && s.levels[0].resident_tokens == 16));
  bed.give<1>(e, {0, 4});
  bed.give<2>(e, {0, 8});
  s = bed.books.stats();
  CHECK((s.dirty_tokens == 4 + 4 && s.levels[1].resident_tokens == 4 && s.levels[2].resident_tokens == 8));
  bed.books.set_tokens<0>(e, {4, 12});
  s = bed.books.stats();
  CHECK((s.levels[0].resident_tokens == 12 && s.dirty_tokens == 8 && s.users == 2));
  bed.books.set_tokens<0>(e, {});
  bed.books.set_tokens<1>(e, {});
  CHECK(bed.books.stats().users == 2);  // level 2 has them
  bed.books.set_tokens<2>(e, {});
  s = bed.books.stats();
  CHECK((s.users == 1 && s.dirty_tokens == 4));
  CHECK(s.levels[0].resident_bytes == 4 * book_page_bytes);  // set_tokens gives no frames back
}

TEST_CASE("residency: what is evicted is dropped where no other level has it, unread where it was never served",
          "[books]")
{
  bed_type bed({20, 20, 20});
  auto& e = bed.user(1);
  bed.request(e);
  bed.give_slab(e, {0, 16});
  bed.give<1>(e, {0, 4});
  bed.give<2>(e, {4, 8});
  e.at<0>().read.add({0, 6});
  bed.request(bed.user(2));
  bed.request(bed.user(2));

  bed.books.shed<0>(e, bed.books.slab().cut(e, 3, false));  // [0, 12)
  const auto& told = bed.books.tracker().all;
  REQUIRE(told.size() == 1);
  CHECK((told[0].from == 0 && told[0].tokens == 12 && told[0].dropped == 4 && told[0].unread == 6));
  CHECK(told[0].age == 2);
  CHECK(e.at<0>().tokens == token_interval{12, 16});
  CHECK((e.at<0>().covered().begin == 3 && bed.books.slab().free() == 19));
  CHECK_FALSE(e.at<0>().left);
  bed.books.shed<0>(e, bed.books.slab().cut(e, 1, true));
  CHECK((e.at<0>().tokens.empty() && e.at<0>().left && bed.books.slab().free() == 20));

  bed.books.shed<1>(e, bed.books.level<1>().cut(e, 1, false));
  const cache_stats s = bed.books.stats();
  CHECK((s.levels[0].evicted_tokens == 16 && s.levels[0].dropped_tokens == 8));
  CHECK((s.levels[1].evicted_tokens == 4 && s.levels[1].dropped_tokens == 4));
  CHECK((s.levels[2].evicted_tokens == 0 && s.levels[2].resident_tokens == 4));
  bed.books.count_request(e);
  CHECK_FALSE((e.at<0>().left || e.at<1>().left));  // they have come again
}

TEST_CASE("residency: an entry goes when it has nothing and nobody holds it", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& e = bed.user(1);
  bed.give_slab(e, {0, 8});
  ++e.holds;
  bed.books.set_tokens<0>(e, {});
  bed.books.settle(e);
  CHECK((is_known(bed, 1) && bed.books.slab().free() == 20));
  --e.holds;
  bed.books.settle(e);
  CHECK_FALSE(is_known(bed, 1));

  // Room to grow stays with who has tokens there.
  auto& other = bed.user(2);
  bed.give<1>(other, {0, 20});
  bed.books.set_tokens<1>(other, {0, 16});
  bed.books.trim<1>(other);
  CHECK(bed.books.level<1>().free() == 15);
  bed.books.erase(other);
  CHECK((!is_known(bed, 2) && bed.books.level<1>().free() == 20 && bed.books.stats().users == 0));
}

TEST_CASE("residency: the slab's frames that no policy knows of are given back", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& e = bed.user(1);
  bed.books.hot().heat(e);
  static_cast<void>(bed.books.slab().memory().take_rear(e.at<0>().extents, {0, 3}, bed.taken));
  bed.books.set_tokens<0>(e, {0, 12});
  bed.books.settle(e);  // touch never came: the policy threw
  CHECK((!is_known(bed, 1) && bed.books.slab().free() == 20));
  CHECK(bed.books.stats().levels[0].evicted_tokens == 12);
}

TEST_CASE("residency: who is erased while held is out of sight, and out of the counts, until the hold ends", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& e = bed.user(1);
  bed.give_slab(e, {0, 8});
  bed.give<1>(e, {0, 4});
  ++e.holds;
  bed.books.doom(e);
  CHECK_FALSE(is_known(bed, 1));
  cache_stats s = bed.books.stats();
  CHECK((s.users == 0 && s.dirty_tokens == 0 && s.levels[0].resident_tokens == 0 && s.levels[1].resident_tokens == 0));
  CHECK((s.levels[0].resident_bytes == 2 * book_page_bytes && s.levels[1].resident_bytes == book_page_bytes));
  auto& anew = bed.user(1);
  CHECK(&anew != &e);
  bed.give_slab(anew, {0, 4});
  CHECK(bed.books.stats().levels[0].resident_tokens == 4);
  bed.books.set_tokens<0>(e, {0, 4});  // changes of the doomed one count no more
  CHECK(bed.books.stats().levels[0].resident_tokens == 4);
  --e.holds;
  bed.books.erase(e);
  s = bed.books.stats();
  CHECK((s.users == 1 && s.levels[0].resident_bytes == book_page_bytes && s.levels[1].resident_bytes == 0));
}

TEST_CASE("residency: a new epoch forgets all at once; memory comes back one by one", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& old = bed.user(1);
  bed.give_slab(old, {0, 8});
  bed.give<2>(old, {0, 4});
  bed.books.advance(epoch_id{3});
  CHECK((!is_known(bed, 1) && bed.books.is_stale(old) && !bed.books.is_live(old)));
  cache_stats s = bed.books.stats();
  CHECK((s.users == 0 && s.dirty_tokens == 0 && s.levels[0].resident_tokens == 0 && s.levels[2].resident_tokens == 0));
  CHECK(s.levels[0].resident_bytes == 2 * book_page_bytes);
  bed.give_slab(bed.user(1), {0, 4});
  bed.books.shed<0>(old, {old.at<0>().tokens, {}});  // no eviction: it is nobody's any more
  s = bed.books.stats();
  CHECK((s.levels[0].evicted_tokens == 0 && s.levels[0].resident_tokens == 4 && s.users == 1));
  bed.books.erase(old);
  CHECK(bed.books.level<2>().free() == 20);
}

TEST_CASE("residency: who has nothing in the slab is cold, once nobody holds them and nothing is under way", "[books]")
{
  late_bed bed({20, 20});
  std::vector<late_bed::entry_type*> all;
  for (std::uint64_t id = 0; id < 8; ++id) {
    auto& e = bed.user(id);
    CHECK_FALSE(e.is_hot());
    bed.give<1>(e, {0, 4});
    CHECK_FALSE(e.is_hot());
    bed.give_slab(e, {0, 4});
    REQUIRE(e.is_hot());
    e.hot().last_use[1].add(bed.device.record(bed.stream));
    all.push_back(&e);
  }
  for (auto* e : all) {
    ++e->holds;
    bed.books.shed<0>(*e, bed.books.slab().cut(*e, 1, false));
    bed.books.settle(*e);
    CHECK(e->is_hot());  // held
    --e->holds;
    bed.books.settle(*e);
    CHECK(e->is_hot());  // something is under way
    CHECK(e->at<1>().tokens == token_interval{0, 4});
  }
  bed.books.set_tokens<1>(*all[2], {0, 2});  // whatever else becomes of them meanwhile
  bed.books.set_tokens<1>(*all[2], {0, 4});
  bed.device.done = 6;
  bed.books.hot().heat(*all[0]);  // wanted again: it stays, whatever has passed
  bed.give_slab(*all[0], {0, 4});
  for (int looks = 0; looks < 4; ++looks) bed.books.settle(*all[7]);
  for (std::size_t id = 1; id < 6; ++id) CHECK_FALSE(all[id]->is_hot());
  CHECK((all[0]->is_hot() && all[6]->is_hot() && all[7]->is_hot()));
  bed.device.done = 8;
  bed.books.settle(*all[7]);
  CHECK_FALSE((all[6]->is_hot() || all[7]->is_hot()));
  CHECK((all[1]->look<0>().tokens.empty() && all[1]->at<1>().tokens == token_interval{0, 4}));
  CHECK(bed.books.stats().levels[1].resident_tokens == 8 * 4);
}

TEST_CASE("residency: a sequence is its space and its id", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& users = bed.books.users();
  const sequence_key other{.space = 7, .id = 1};
  CHECK(users.find(other) == nullptr);
  auto& mine = bed.user(1);
  auto& theirs = users.add(other);
  CHECK((&mine != &theirs && &bed.user(1) == &mine && users.find(other) == &theirs));
  CHECK((mine.key() == key_of(user_id{1}) && theirs.key() == other));
  bed.give<1>(mine, {0, 4});
  bed.give<1>(theirs, {0, 8});
  bed.books.erase(mine);
  CHECK((!is_known(bed, 1) && users.find(other) == &theirs && bed.books.stats().levels[1].resident_tokens == 8));
}

TEST_CASE("residency: no epoch is taken for one that was, however many there were", "[books]")
{
  bed_type bed({20, 20, 20});
  bed.give<1>(bed.user(1), {0, 4});
  auto& held = bed.user(2);
  bed.give<1>(held, {0, 4});
  ++held.holds;
  bed.books.doom(held);
  for (std::uint64_t epoch = 1; epoch <= 1U << 17U; ++epoch) {
    bed.books.advance(epoch_id{epoch});
    REQUIRE_FALSE(is_known(bed, 1));
    REQUIRE((bed.books.is_stale(held) && !bed.books.is_live(held)));
  }
  std::size_t stale = 0;
  bed.books.users().stale([&](bed_type::entry_type&) { return ++stale < 10; });
  CHECK(stale == 1);
  bed.give<1>(bed.user(1), {0, 4});
  CHECK((is_known(bed, 1) && bed.books.stats().users == 1));
  --held.holds;
  bed.books.erase(held);
}

TEST_CASE("residency: a prefetch is taken back, unless the levels below have lost its tokens", "[books]")
{
  bed_type bed({20, 20, 20});
  auto& e = bed.user(1);
  bed.give<1>(e, {0, 8});
  bed.give<2>(e, {8, 24});
  bed.give_slab(e, {12, 16});
  e.hot().prefetch() = {.unread = true, .had = {12, 16}, .arriving = {}};
  bed.give_slab(e, {0, 24});
  SECTION("to what the slab had before")
  {
    CHECK(bed.books.undo_prefetch(e) == 20);
    CHECK(e.at<0>().tokens == token_interval{12, 16});
    CHECK((bed.books.slab().free() == 19 && bed.books.tracker().undone == 20 && !e.hot().prefetched().unread));
    CHECK(bed.books.undo_prefetch(e) == 0);
  }
  SECTION("not where a level below has lost some")
  {
    bed.books.set_tokens<2>(e, {10, 24});
    CHECK(bed.books.undo_prefetch(e) == 0);
    CHECK(e.at<0>().tokens == token_interval{0, 24});
  }
  SECTION("not where it was read")
  {
    e.hot().prefetch().unread = false;
    CHECK(bed.books.undo_prefetch(e) == 0);
  }
}

TEST_CASE("residency: counts are those of the entries, whatever happens", "[books]")
{
  std::mt19937 random(5);
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  bed_type bed({40, 40, 40});
  for (int step = 0; step < 4000; ++step) {
    auto& e = bed.user(below(6));
    const token_count end = 4 * (1 + below(6)) - below(4);
    const auto give = [&](auto level) {
      constexpr level_index I = decltype(level)::value;
      const auto& mine = e.template look<I>();
      if (bed.books.template level<I>().free() < 12) return;
      bed.template give<I>(e, {mine.tokens.begin, (std::max)(mine.tokens.end, end)});
    };
    const auto shed = [&](auto level) {
      constexpr level_index I = decltype(level)::value;
      if (I == 0 && !e.is_hot()) return;
      bed.books.template shed<I>(e, bed.books.template level<I>().cut(e, below(4), I == 0 && below(2) == 0));
    };
    const std::uint32_t what = below(40);
    if (what < 8) give(level_constant<0>());
    else if (what < 14) give(level_constant<1>());
    else if (what < 18) give(level_constant<2>());
    else if (what < 24) shed(level_constant<0>());
    else if (what < 28) shed(level_constant<1>());
    else if (what < 30) shed(level_constant<2>());
    else if (what < 36) bed.request(e);
    else if (what < 38) bed.books.settle(e);
    else if (what == 38) bed.books.erase(e);
    else if (below(20) == 0) bed.books.advance(epoch_id{to_number(bed.books.users().epoch()) + 1});
    if (below(16) == 0) {  // room for who comes next
      std::vector<bed_type::entry_type*> stale;
      bed.books.users().stale([&](bed_type::entry_type& old) {
        stale.push_back(&old);
        return below(4) != 0;
      });
      for (bed_type::entry_type* old : stale) bed.books.erase(*old);
    }

    const cache_stats s = bed.books.stats();
    std::uint64_t resident[3] = {};
    std::uint64_t frames[3] = {};
    std::uint64_t stale_frames[3] = {};
    std::uint64_t dirty = 0;
    std::uint64_t users = 0;
    bed.books.users().all([&](bed_type::entry_type& one) {
      each_level<0, 3>([&](auto i) {
        frames[i()] += one.template look<i()>().covered().size();
        if (bed.books.is_stale(one)) stale_frames[i()] += one.template look<i()>().covered().size();
        if (bed.books.is_live(one)) resident[i()] += one.template look<i()>().tokens.size();
        REQUIRE(bed.books.tokens_in(one.template look<i()>().covered()).contains(one.template look<i()>().tokens));
      });
      if (!bed.books.is_live(one)) return;
      users += one.has_no_tokens() ? 0U : 1U;
      for (token_count t = 0; t < 30; ++t) {
        dirty += one.look<0>().tokens.contains(t) && !one.at<1>().tokens.contains(t) && !one.at<2>().tokens.contains(t);
      }
    });
    for (level_index i = 0; i < 3; ++i) {
      REQUIRE(s.levels[i].resident_tokens == resident[i]);
      REQUIRE(s.levels[i].resident_bytes == frames[i] * book_page_bytes);
      REQUIRE(s.levels[i].stale_bytes == stale_frames[i] * book_page_bytes);
      REQUIRE(s.levels[i].free_bytes + s.levels[i].resident_bytes + s.levels[i].in_flight_bytes ==
              s.levels[i].capacity_bytes);
    }
    REQUIRE(s.dirty_tokens == dirty);
    REQUIRE(s.users == users);
  }
}
