// The conformance suite on every policy, the example's too, and what each promises of its order.
#include "replacement/replacement_conformance.hpp"

#include "policies/clean_first.hpp"
#include "policies/clock.hpp"

#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/shedding.hpp>

namespace {

using namespace kvstrata;
using kvstrata_test::replacement_conformance;
using kvstrata_test::replacement_rig;
using ids = std::vector<std::uint32_t>;

/// A policy may ask for the tier's capacity, and to be told of changes. First in, first out.
class told_everything : lru
{
 public:
  using lru::hook, lru::insert, lru::remove, lru::victims;
  explicit told_everything(const tier_size& size) : capacity(size.bytes) {}
  void touch(hook&, const object_info&) noexcept {}
  void changed(hook&, const object_info& now) noexcept
  {
    ++changes;
    last_bytes = now.bytes;
  }
  std::uint64_t capacity;
  std::uint64_t changes = 0;
  std::uint64_t last_bytes = 0;
};
static_assert(replacement_policy<told_everything> && !std::default_initializable<told_everything>);

}  // namespace

TEST_CASE("lru: conformance") { replacement_conformance<lru>(); }
TEST_CASE("the example's clock: conformance") { replacement_conformance<example::clock>(); }
TEST_CASE("the example's clean_first: conformance") { replacement_conformance<example::clean_first>(); }
TEST_CASE("a policy with all that is optional: conformance") { replacement_conformance<told_everything>(); }

TEST_CASE("a policy that wants to know gets the capacity and the changes")
{
  replacement_rig<told_everything> r(2, 12345);
  REQUIRE(r.policy().capacity == 12345);
  r.insert(1);
  r.change(1);
  REQUIRE(r.policy().changes == 1);
  REQUIRE(r.policy().last_bytes == r[1].info.bytes);
}

TEST_CASE("lru: the least recently used goes first")
{
  replacement_rig<lru> r(4);
  for (std::uint32_t id = 0; id < 4; ++id) r.insert(id);
  REQUIRE(r.victims(9) == ids{0, 1, 2, 3});
  r.touch(0);
  r.touch(2);
  REQUIRE(r.victims(9) == ids{1, 3, 0, 2});
  r.touch(2);   // the youngest already
  r.change(1);  // a change is no use
  REQUIRE(r.victims(2) == ids{1, 3});
  r.remove(1);
  r.insert(1);
  REQUIRE(r.victims(9) == ids{3, 0, 2, 1});
}

TEST_CASE("clock: a mark is a second chance, and is lost when the hand passes")
{
  replacement_rig<example::clock> r(4);
  for (std::uint32_t id = 0; id < 4; ++id) r.insert(id);
  REQUIRE(r.victims(9) == ids{0, 1, 2, 3});
  r.touch(0);
  r.touch(2);
  REQUIRE(r.victims(1) == ids{1});           // the hand has passed 0, which lost its mark
  REQUIRE(r.victims(9) == ids{1, 3, 0, 2});  // and now passed 2
  REQUIRE(r.victims(9) == ids{1, 3, 0, 2});
  for (std::uint32_t id = 0; id < 4; ++id) r.touch(id);
  REQUIRE(r.victims(1) == ids{1});  // all were marked: one round, then the first
  r.touch(3);
  r.remove(3);
  r.insert(3);  // comes back unmarked
  REQUIRE(r.victims(9) == ids{1, 0, 2, 3});
}

TEST_CASE("shedding takes what is wanted from the front, or everything, and never more than there is")
{
  for (page_count resident = 0; resident < 20; ++resident) {
    for (page_count wanted = 0; wanted < 25; ++wanted) {
      REQUIRE(evict_front::pages_to_shed(resident, wanted) == (std::min)(resident, wanted));
      REQUIRE(evict_whole::pages_to_shed(resident, wanted) == resident);
    }
  }
}

TEST_CASE("clean_first: among the oldest, whoever costs no write goes first, and then who costs least")
{
  replacement_rig<example::clean_first> r(10);
  const std::uint64_t dirty[] = {300, 0, 100, 0, 0, 0, 200, 0, 0, 500};
  for (std::uint32_t id = 0; id < 10; ++id) {
    r[id].info.dirty_bytes = dirty[id];
    r.insert(id);
  }
  REQUIRE(r.victims(10) == ids{1, 3, 4, 5, 7, 2, 6, 0, 8, 9});  // the window is the oldest eight
  r.touch(1);
  REQUIRE(r.victims(10) == ids{3, 4, 5, 7, 8, 2, 6, 0, 9, 1});
}
