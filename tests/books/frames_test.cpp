// Frames in users' hands: what is taken, cut and given back, against a bitmap; and what is left when memory runs out.
#include "books/bed.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/books/frames.hpp>

#include <algorithm>
#include <new>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using extents = extent_list;

[[nodiscard]] bool same(const extents& mine, const std::vector<placed_extent>& wanted)
{
  return std::equal(mine.begin(), mine.end(), wanted.begin(), wanted.end(), [](const auto& a, const auto& b) {
    return a.first_page == b.first_page && a.pages == b.pages && a.frame == b.frame;
  });
}
[[nodiscard]] page_count pages_of_all(const extents& mine)
{
  page_count sum = 0;
  for (const placed_extent& e : mine) sum += e.pages;
  return sum;
}

/// On which nothing that is queued comes to pass.
struct late_device : dataless_device
{
  [[nodiscard]] bool query(event) const noexcept { return false; }
};

/// Frames of level I of a stack of two, of so many pages.
template <level_index I, class Layout>
struct lone_frames
{
  using stack = stack_of<2, device_slab<late_device>>;
  explicit lone_frames(page_count pages)
      : here(device, std::get<I>(book_sizes<stack>({pages, pages})), book_shape, book_layout<Layout>()),
        stream(device.create_stream("s"))
  {
  }
  [[nodiscard]] fence point() { return fence(device.record(stream)); }
  [[nodiscard]] page_count free() const { return here.tier().free(); }

  late_device device;
  frames<I, stack, Layout> here;
  stream_id stream;
  std::vector<taken_pages> taken;
};

}  // namespace

TEST_CASE("frames: the slab's extents are runs of pages, cut anywhere", "[books]")
{
  lone_frames<0, hybrid_layout> f(20);
  extents mine, theirs;
  REQUIRE(f.here.take_rear(mine, {3, 9}, f.taken) == 9);
  CHECK(same(mine, {{3, 6, 0}}));
  REQUIRE(f.taken.size() == 1);
  CHECK((f.taken[0].pages.begin == 3 && f.taken[0].pages.end == 9 && f.taken[0].last_use.empty()));

  // What follows on goes on; behind somebody else's it does not.
  REQUIRE(f.here.take_rear(mine, {0, 11}, f.taken) == 11);
  CHECK(same(mine, {{3, 8, 0}}));
  REQUIRE(f.here.take_rear(theirs, {0, 2}, f.taken) == 2);
  CHECK(same(theirs, {{0, 2, 8}}));
  REQUIRE(f.here.take_rear(mine, {3, 14}, f.taken) == 14);
  CHECK(same(mine, {{3, 8, 0}, {11, 3, 10}}));
  f.here.take_front(mine, 1, f.taken);
  CHECK(same(mine, {{1, 2, 13}, {3, 8, 0}, {11, 3, 10}}));
  CHECK(f.free() == 20 - 13 - 2);

  // Cut at both ends, within extents; the next who gets the frames waits for what used them.
  const fence used = f.point();
  f.here.trim(mine, {5, 12}, used);
  CHECK(same(mine, {{5, 6, 2}, {11, 1, 10}}));
  CHECK(f.free() == 20 - 7 - 2);
  extents next;
  f.taken.clear();
  REQUIRE(f.here.take_rear(next, {0, 2}, f.taken) == 2);
  CHECK(same(next, {{0, 2, 0}}));  // the shortest run that is long enough
  REQUIRE(f.taken.size() == 1);
  CHECK(std::equal(f.taken[0].last_use.begin(), f.taken[0].last_use.end(), used.begin(), used.end()));
  f.here.trim(mine, {}, {});
  CHECK(mine.empty());
  CHECK(f.free() == 20 - 2 - 2);
}

TEST_CASE("frames: below the slab an extent is as large as the layout says, and goes as a whole", "[books]")
{
  lone_frames<1, hybrid_layout> f(20);  // chunks of 4 pages
  extents mine;
  REQUIRE(f.here.take_rear(mine, {0, 6}, f.taken) == 6);
  CHECK(same(mine, {{0, 4, 0}, {4, 2, 4}}));
  REQUIRE(f.here.take_rear(mine, {0, 7}, f.taken) == 7);  // not lengthened: a new one
  CHECK(same(mine, {{0, 4, 0}, {4, 2, 4}, {6, 1, 6}}));
  using here = decltype(f.here);
  const auto kept = [&](page_count pages) { return here::kept(mine, pages, false); };
  CHECK((kept(0).begin == 0 && kept(0).end == 7));
  CHECK((kept(1).begin == 4 && kept(4).begin == 4 && kept(5).begin == 6 && kept(6).begin == 6));
  CHECK(kept(7).empty());
  CHECK(kept(100).empty());
  f.here.trim(mine, {5, 6}, {});  // the extent that holds page 5 stays, and so does what lies behind it
  CHECK(same(mine, {{4, 2, 4}, {6, 1, 6}}));
  f.here.trim(mine, {6, 7}, {});
  CHECK(same(mine, {{6, 1, 6}}));
  f.here.take_front(mine, 1, f.taken);
  CHECK(pages_of_all(mine) == 6);
  CHECK((mine.front().first_page == 1 && mine.back().first_page == 6));
  f.here.trim(mine, {}, {});
  CHECK((mine.empty() && f.free() == 20));
}

TEST_CASE("frames: what stays of the slab when pages go from the front or the rear", "[books]")
{
  using here = frames<0, stack_of<2>, hybrid_layout>;
  const extents mine{{3, 8, 0}, {11, 3, 10}};
  CHECK((here::kept(mine, 2, false).begin == 5 && here::kept(mine, 2, false).end == 14));
  CHECK((here::kept(mine, 2, true).begin == 3 && here::kept(mine, 2, true).end == 12));
  CHECK((here::kept(mine, 11, false).empty() && here::kept(mine, 11, true).empty()));
  CHECK(here::kept({}, 0, false).empty());
}

TEST_CASE("frames: extents below the slab whose frames follow each other are one run, and go one by one", "[books]")
{
  lone_frames<1, hybrid_layout> f(20);  // chunks of 4 pages
  extents mine, theirs;
  REQUIRE(f.here.take_rear(mine, {0, 12}, f.taken) == 12);
  CHECK((same(mine, {{0, 4, 0}, {4, 4, 4}, {8, 4, 8}}) && mine.runs() == 1));
  REQUIRE(f.here.take_rear(theirs, {0, 4}, f.taken) == 4);
  REQUIRE(f.here.take_rear(mine, {0, 16}, f.taken) == 16);
  CHECK((same(mine, {{0, 4, 0}, {4, 4, 4}, {8, 4, 8}, {12, 4, 16}}) && mine.runs() == 2));
  f.here.trim(mine, {4, 16}, {});
  CHECK((same(mine, {{4, 4, 4}, {8, 4, 8}, {12, 4, 16}}) && mine.runs() == 2));
  CHECK((mine.covered().begin == 4 && mine.covered().end == 16 && mine.holder_of(9)->frame == 8));
  f.here.trim(mine, {12, 16}, {});
  CHECK((same(mine, {{12, 4, 16}}) && f.free() == 12));
}

TEST_CASE("frames: room for one user's range, or the tier is refused by name", "[books]")
{
  lone_frames<0, contiguous_layout> slab(20);  // ranges of 6 pages
  CHECK(slab.here.capacity() == 18);
  CHECK(slab.free() == 18);
  extents mine;
  REQUIRE(slab.here.take_rear(mine, {0, 6}, slab.taken) == 6);
  CHECK(same(mine, {{0, 6, 2}}));  // what is left of the tier lies in front
  const auto refusal = [](auto level) {
    return sentence_of<config_error>([] { lone_frames<decltype(level)::value, contiguous_layout> tiny(5); });
  };
  CHECK(refusal(level_constant<0>()) == "slab.bytes is 5 pages, but one user's range takes 6");
  CHECK(refusal(level_constant<1>()) == "arena.bytes is 5 pages, but one user's range takes 6");
}

TEMPLATE_TEST_CASE("frames: a front for which there is no room is refused, and nothing is taken", "[books]",
                   level_constant<0>, level_constant<1>)
{
  lone_frames<TestType::value, hybrid_layout> f(10);
  extents mine, theirs;
  REQUIRE(f.here.take_rear(mine, {6, 9}, f.taken) == 9);
  REQUIRE(f.here.take_rear(theirs, {0, 4}, f.taken) == 4);
  const std::vector<placed_extent> before(mine.begin(), mine.end());
  const std::size_t told = f.taken.size();
  CHECK(sentence_of<error>([&] { f.here.take_front(mine, 2, f.taken); }) ==
        "the " + std::string(stack_of<2>::names[TestType::value]) + " ran out of pages that the plan had counted on");
  CHECK(same(mine, before));
  CHECK((f.free() == 3 && f.taken.size() == told));
  f.here.take_front(mine, 3, f.taken);
  CHECK(f.free() == 0);
  CHECK(f.here.take_rear(mine, {3, 12}, f.taken) == 9);  // as far as there are free ones: none
}

TEMPLATE_TEST_CASE("frames: whichever allocation fails, every frame has one owner, and `taken` tells of what was taken",
                   "[books]", level_constant<0>, level_constant<1>)
{
  for (const bool front : {false, true}) {
    std::size_t failures = 0;
    for (std::size_t which = 1;; ++which) {
      CAPTURE(front, which);
      lone_frames<TestType::value, hybrid_layout> f(40);
      extents mine, other;
      for (page_count page = 40; page < 46; ++page) {  // so that free frames lie apart
        static_cast<void>(f.here.take_rear(mine, {40, page + 1}, f.taken));
        static_cast<void>(f.here.take_rear(other, {0, page - 39}, f.taken));
      }
      f.here.trim(other, {}, f.point());
      extents tight;  // has no room for more
      tight.reserve(mine.runs());
      for (const placed_extent& x : mine) tight.push_back(x, true);
      mine = std::move(tight);
      f.taken = {};
      const page_count had = pages_of_all(mine);
      bool failed = false;
      try {
        const failing_allocation fails(which);
        if (front) f.here.take_front(mine, 40 - f.free(), f.taken);
        else static_cast<void>(f.here.take_rear(mine, {40, 80}, f.taken));
        failed = failing_allocation::happened();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      CHECK(pages_of_all(mine) + f.free() == 40);
      page_count told = 0;
      for (const taken_pages& t : f.taken) told += t.pages.size();
      CHECK(pages_of_all(mine) == had + told);
      const std::vector<placed_extent> all(mine.begin(), mine.end());
      for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i].first_page == all[i - 1].end());
      f.here.trim(mine, {}, {});
      CHECK(f.free() == 40);
      if (!failed) break;
      ++failures;
    }
    CHECK(failures >= 4);
  }
}

namespace {

/// Users take, cut and give back at random; each frame is looked up by where its page lies.
template <level_index I, class Layout>
void against_a_bitmap(std::uint32_t seed)
{
  std::mt19937 random(seed);
  const auto below = [&random](page_count n) { return static_cast<page_count>(random() % n); };
  const page_count granule = book_layout<Layout>().granule_pages();
  const page_count capacity = granule * (4 + below(12));
  lone_frames<I, Layout> f(capacity + below(granule));
  REQUIRE(f.here.capacity() == capacity);
  struct person
  {
    extents mine;
  };
  std::vector<person> people(5);
  for (int step = 0; step < 300; ++step) {
    extents& mine = people[below(5)].mine;
    const page_count what = below(4);
    f.taken.clear();
    const page_count had = pages_of_all(mine);
    if (what <= 1) {
      const page_count first = granule * below(4);
      const page_count begin = mine.empty() ? first : mine.front().first_page;
      const page_count end = (mine.empty() ? first : mine.back().end()) + granule * below(5);
      const page_count free = f.free();
      const page_count reached = f.here.take_rear(mine, {begin, end}, f.taken);
      const page_count wanted = end - begin - had;
      if (free >= wanted) REQUIRE(reached >= end);
      else REQUIRE(f.free() == 0);
      REQUIRE((I != 0 || reached <= end || wanted == 0));
      REQUIRE(reached == (mine.empty() ? begin : mine.back().end()));
    } else if (what == 2) {
      if (mine.empty() || mine.front().first_page == 0) continue;
      const page_count wanted = granule * (1 + below(mine.front().first_page / granule));
      if (f.free() < wanted) continue;
      const page_count begin = mine.front().first_page - wanted;
      f.here.take_front(mine, begin, f.taken);
      REQUIRE(mine.front().first_page == begin);
    } else if (!mine.empty()) {
      const page_interval have{mine.front().first_page, mine.back().end()};
      const bool rear = I == 0 && below(2) == 0;
      const page_count pages = granule * below(have.size() / granule + 2);
      const page_interval keep = frames<I, stack_of<2>, Layout>::kept(mine, pages, rear);
      REQUIRE(have.size() - keep.size() >= (std::min)(pages, have.size()));
      f.here.trim(mine, keep, f.point());
      REQUIRE(pages_of_all(mine) == keep.size());
      REQUIRE((keep.empty() || (mine.front().first_page == keep.begin && mine.back().end() == keep.end)));
    }
    page_count told = 0;
    for (const taken_pages& t : f.taken) told += t.pages.size();
    if (what <= 2) REQUIRE(pages_of_all(mine) == had + told);

    // Every page lies in a frame of its own.
    std::vector<char> owned(f.here.tier().capacity(), 0);
    page_count all = 0;
    for (const person& p : people) {
      page_count next = p.mine.covered().begin;
      for (const placed_extent& e : p.mine) {
        const placed_extent holder = *p.mine.holder_of(e.end() - 1);
        REQUIRE((holder.first_page == e.first_page && holder.frame == e.frame && holder.pages == e.pages));
        REQUIRE((e.pages != 0 && e.frame + e.pages <= f.here.tier().capacity()));
        REQUIRE(e.first_page == next);
        next = e.end();
        all += e.pages;
        for (page_count page = 0; page < e.pages; ++page) REQUIRE(std::exchange(owned[e.frame + page], 1) == 0);
      }
    }
    REQUIRE(all + f.free() == capacity);
  }
  for (person& p : people) f.here.trim(p.mine, {}, {});
  REQUIRE(f.free() == capacity);
}

}  // namespace

TEST_CASE("frames: taking, cutting and giving back at random, against a bitmap", "[books]")
{
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    against_a_bitmap<0, hybrid_layout>(seed);
    against_a_bitmap<0, contiguous_layout>(seed);
    against_a_bitmap<1, hybrid_layout>(seed);
    against_a_bitmap<1, paged_layout>(seed);
    against_a_bitmap<1, contiguous_layout>(seed);
  }
}

TEST_CASE("frames: an extent's end is where its layout places it", "[books]")
{
  lone_frames<0, hybrid_layout> slab(20);
  lone_frames<1, hybrid_layout> arena(20);
  const std::size_t piece = page_layer_bytes(book_shape, book_page);
  // The slab: layer by layer over all its pages. Below: the extent's own layers, one after the other.
  const copy_end above = slab.here.end_of({5, 3, 7});
  CHECK(above.at == slab.here.tier().data() + 7 * piece);
  CHECK(above.where == placement{.layer_stride = 20 * piece, .page_stride = piece});
  const copy_end below = arena.here.end_of({5, 3, 7});
  CHECK(below.at == arena.here.tier().data() + 7 * book_page_bytes);
  CHECK(below.where == placement{.layer_stride = 3 * piece, .page_stride = piece});
}
