// Whose pages make room for a batch, in which order, and why there is none.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/plan/victims.hpp>

#include <cstdint>
#include <tuple>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// user, pages, tokens, dirty tokens, from the rear, stale
using row = std::tuple<std::uint64_t, page_count, token_count, token_count, bool, bool>;

[[nodiscard]] std::vector<row> rows(const batch_plan& plan)
{
  std::vector<row> out;
  for (const victim_plan& v : plan.victims) {
    out.emplace_back(to_number(v.user), v.pages, v.tokens, v.dirty_tokens, v.rear, v.stale);
  }
  return out;
}

template <class Bed>
struct finder
{
  explicit finder(Bed& b) : bed(b), victims(b.books) {}

  /// Looks for room for so many pages; these users are in the batch.
  bool find(page_count pages, std::initializer_list<std::uint64_t> in_batch = {})
  {
    victims.start(batch);
    const batch_marks marks(batch.entries);
    for (const std::uint64_t id : in_batch) {
      batch.entries.push_back(&bed.user(id));
      batch.entries.back()->in_batch = true;
    }
    batch.plan.pages_needed = pages;
    const bool found = victims.find(batch);
    REQUIRE(batch.victims.size() == batch.plan.victims.size());
    for (std::size_t i = 0; i < batch.victims.size(); ++i) {
      REQUIRE(batch.victims[i].who->user == batch.plan.victims[i].user);
      REQUIRE(batch.victims[i].pages == batch.plan.victims[i].pages);
      REQUIRE(batch.victims[i].rear == batch.plan.victims[i].rear);
    }
    return found;
  }

  Bed& bed;
  victim_finder<typename Bed::residency_type> victims;
  planned_batch<typename Bed::residency_type> batch;
};

template <class Shedding>
using bed_of = book_bed<stack_of<2, device_slab<dataless_device, Shedding>>>;

/// Users 1, 2, 3 with 4, 3 and 2 pages of the slab, in the order of their last use; 11 pages are left of 20. The arena
/// has the first 8 tokens of user 1.
template <class Bed>
void settle_in(Bed& bed)
{
  bed.give_slab(bed.user(1), {0, 16});
  bed.give_slab(bed.user(2), {2, 12});
  bed.give_slab(bed.user(3), {0, 7});
  bed.template give<1>(bed.user(1), {0, 8});
}

}  // namespace

TEST_CASE("victims: nobody while there is room; then the oldest first, as much as is missing", "[plan]")
{
  bed_of<evict_front> bed({20, 20});
  settle_in(bed);
  finder f(bed);
  CHECK((f.find(11) && rows(f.batch.plan).empty()));
  CHECK(f.batch.plan.pages_free == 11);
  CHECK((f.find(13) && rows(f.batch.plan) == std::vector<row>{{1, 2, 8, 0, false, false}}));
  CHECK(
      (f.find(16) && rows(f.batch.plan) == std::vector<row>{{1, 4, 16, 8, false, false}, {2, 1, 2, 2, false, false}}));
  CHECK((f.find(20) && f.batch.victims.size() == 3));
  CHECK_FALSE(f.find(21));
  CHECK(f.batch.victims.size() == 3);
}

TEST_CASE("victims: who is held, and who is in the batch, is passed over", "[plan]")
{
  bed_of<evict_front> bed({20, 20});
  settle_in(bed);
  finder f(bed);
  CHECK((f.find(12, {1}) && rows(f.batch.plan) == std::vector<row>{{2, 1, 2, 2, false, false}}));
  CHECK((f.find(12) && rows(f.batch.plan) == std::vector<row>{{1, 1, 4, 0, false, false}}));  // in that batch only
  ++bed.user(1).holds;
  ++bed.user(3).holds;
  CHECK((f.find(14) && rows(f.batch.plan) == std::vector<row>{{2, 3, 10, 10, false, false}}));
  CHECK_FALSE(f.find(15));
  const pressure why = f.victims.too_much_held(f.batch);
  CHECK(why.why == pressure::reason::held);
  CHECK((why.pages_needed == 15 && why.pages_free == 11 && why.pages_evictable == 3 && why.pages_held == 6));
  --bed.user(1).holds;
  --bed.user(3).holds;
}

TEST_CASE("victims: with evict_whole a victim goes whole", "[plan]")
{
  bed_of<evict_whole> bed({20, 20});
  settle_in(bed);
  finder f(bed);
  CHECK((f.find(12) && rows(f.batch.plan) == std::vector<row>{{1, 4, 16, 8, false, false}}));
}

TEST_CASE("victims: whole ranges, where the layout takes them", "[plan]")
{
  book_bed<stack_of<2>, contiguous_layout> bed({24, 24});  // ranges of 6 pages
  bed.give_slab(bed.user(1), {0, 9});
  bed.give_slab(bed.user(2), {0, 24});
  finder f(bed);
  CHECK((f.find(13) && rows(f.batch.plan) == std::vector<row>{{1, 6, 9, 9, false, false}}));
}

TEST_CASE("victims: those of an old epoch go first, and from every level", "[plan]")
{
  bed_of<evict_front> bed({20, 20});
  settle_in(bed);
  bed.books.advance(epoch_id{1});
  bed.give_slab(bed.user(7), {0, 8});
  ++bed.books.users().find(user_id{7})->holds;
  finder f(bed);
  CHECK((f.find(10) && rows(f.batch.plan) == std::vector<row>{{1, 4, 16, 0, false, true}}));
  CHECK(f.batch.plan.pages_free == 9);
  CHECK_FALSE(f.find(19));
  CHECK(f.batch.victims.size() == 3);
  --bed.books.users().find(user_id{7})->holds;
  CHECK((f.find(19) && rows(f.batch.plan).back() == row{7, 1, 4, 4, false, false}));
}

TEST_CASE("victims: what a user of the batch itself gives up counts first", "[plan]")
{
  bed_of<evict_front> bed({20, 20});
  settle_in(bed);
  finder f(bed);
  f.victims.start(f.batch);
  auto& one = bed.user(1);
  f.victims.add(f.batch, one, {.pages = 2, .rear = true}, one.at<0>().covered(), one.at<0>().tokens);
  f.victims.add(f.batch, bed.user(2), {.pages = 3}, {0, 3}, {2, 12});
  CHECK(rows(f.batch.plan) == std::vector<row>{{1, 2, 8, 8, true, false}, {2, 3, 10, 10, false, false}});
  f.batch.plan.pages_needed = 16;
  CHECK((f.victims.find(f.batch) && f.batch.victims.size() == 2));  // 11 free and 5
}

TEST_CASE("victims: a slab with slack gives up more than is missing, less where a batch is large", "[plan]")
{
  using tiers = stack_of<2>;
  dataless_device device;
  auto sizes = book_sizes<tiers>({48, 48});
  std::get<0>(sizes).slack = 0.25;
  residency<tiers, hybrid_layout, lru, no_tracker> books(device, book_shape, book_layout<hybrid_layout>(), sizes,
                                                         epoch_id{}, {});
  CHECK(books.slab().slack(0) == 12);
  CHECK(books.slab().slack(3) == 6);  // a sixteenth of the slab: half of it
  CHECK(books.slab().slack(6) == 0);
  CHECK(books.slab().slack(48) == 0);
  CHECK(books.level<1>().slack(0) == 0);
}
