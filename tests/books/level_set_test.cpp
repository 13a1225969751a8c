// Which levels a stack of tiers makes: their numbers, sizes, policies and hooks, against what was asked for of each tier.
#include "books/bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/books/level_set.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/replacement/fifo.hpp>
#include <kvstrata/replacement/lfu.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

template <class... Options>
using slab = device_slab<dataless_device, Options...>;

/// The cache's policy in the slab and below it, one of its own in between.
using own_policy = tier_stack<slab<>, pinned_arena<replaced_by<fifo>>, pinned_arena<>>;
using own_levels = level_set<own_policy, lru, hybrid_layout>;

static_assert(own_levels::memories == 3);
static_assert(std::same_as<own_levels::entry_type, entry<lru::hook, fifo::hook, lru::hook>>);
static_assert(std::same_as<own_levels::level_at<1>, level<1, own_policy, fifo, hybrid_layout, own_levels::entry_type>>);
static_assert(std::same_as<own_levels::level_at<2>, level<2, own_policy, lru, hybrid_layout, own_levels::entry_type>>);
static_assert(own_levels::level_at<0>::is_slab && !own_levels::level_at<1>::is_slab);
static_assert(
    std::same_as<level_set<own_policy, lfu, hybrid_layout>::entry_type, entry<lfu::hook, fifo::hook, lfu::hook>>);

/// Marks where a tier is lossy, in all levels then, and nowhere else.
using lossy = tier_stack<slab<>, pinned_arena<>, pinned_arena<codec::int8>>;
using lossy_entry = level_set<lossy, lru, hybrid_layout>::entry_type;
static_assert(std::same_as<lossy_entry, entry<marked_hook<lru::hook>, marked_hook<lru::hook>, marked_hook<lru::hook>>>);
static_assert(!has_mark<own_levels::entry_type::residence_at<1>> && has_mark<lossy_entry::residence_at<1>>);

static_assert(!std::copy_constructible<own_levels> && !std::default_initializable<own_levels>);

template <level_index Levels>
void has_each_tier_once(const std::array<page_count, Levels>& pages)
{
  using tiers = stack_of<Levels>;
  using set_type = level_set<tiers, lru, hybrid_layout>;
  dataless_device device;
  const auto sizes = book_sizes<tiers>(pages);
  const auto layout = book_layout<hybrid_layout>();
  const describer describe{};
  set_type all(device, sizes, book_shape, layout, describe);
  static_assert(set_type::memories == Levels);
  std::set<const void*> seen;
  each_level<0, Levels>([&](auto i) {
    auto& one = all.template at<i()>();
    static_assert(std::same_as<decltype(one), typename set_type::template level_at<i()>&>);
    CHECK(seen.insert(&one).second);
    CHECK(&one == &all.template at<i()>());
    CHECK(one.capacity() == pages[i()]);
    CHECK(one.free() == pages[i()]);
  });
  // What one gives away the others do not miss.
  each_level<0, Levels>([&](auto i) {
    typename set_type::entry_type e;
    typename set_type::entry_type::hot_record record;
    e.become_hot(record);
    std::vector<taken_pages> taken;
    static_cast<void>(all.template at<i()>().memory().take_rear(e.template at<i()>().extents, {0, pages[i()]}, taken));
    each_level<0, Levels>([&](auto j) { CHECK(all.template at<j()>().free() == (i() == j() ? 0 : pages[j()])); });
    all.template at<i()>().trim(e, {}, false);
    CHECK(all.template at<i()>().free() == pages[i()]);
    e.become_cold();
  });
}

}  // namespace

TEST_CASE("level_set: a level for each tier, of its size, and no two share anything", "[books]")
{
  has_each_tier_once<1>({9});
  has_each_tier_once<2>({12, 20});
  has_each_tier_once<4>({8, 12, 16, 20});
}

TEST_CASE("level_set: victims come in the order of each level's own policy", "[books]")
{
  book_bed<own_policy> bed({20, 20, 20});
  for (std::uint64_t id = 1; id <= 3; ++id) {
    each_level<0, 3>([&](auto i) { bed.template give<i()>(bed.user(id), {0, 4}); });
  }
  bed.request(bed.user(1));  // an LRU hears of it, a FIFO does not
  const auto first = [&](auto i) {
    std::uint64_t out = 0;
    bed.books.template level<i()>().victims([&out](const auto& e) {
      out = to_number(e.user);
      return false;
    });
    return out;
  };
  CHECK(first(level_constant<0>()) == 2);
  CHECK(first(level_constant<1>()) == 1);
  CHECK(first(level_constant<2>()) == 2);
}
