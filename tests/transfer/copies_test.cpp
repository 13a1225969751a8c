// How many copies an engine makes: exact counts, on a whole slab and on a fragmented one.
#include "cache/scene.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>

#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

template <class Layout, class Engine>
using cache_with =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, Layout, layerwise_transfer<Engine>, lru, counters>;

template <class Cache>
void check_counts(std::uint64_t offloaded, std::uint64_t onloaded)
{
  scene<Cache> s(8, 64);
  s.serve(1, 32);  // 8 pages in one run
  CHECK(s.cache.watcher().read().offload_copies == offloaded);
  CHECK(s.cache.watcher().read().offload_bytes == 8 * tiny_page_bytes);
  s.hold({{2, 32}}).release();
  CHECK(is(s.serve(1, 32), 0, 32, 0));
  CHECK(s.cache.watcher().read().onload_copies == onloaded);
  CHECK(s.cache.watcher().read().onload_bytes == 8 * tiny_page_bytes);
  const device_counters moved = s.device.stats();
  CHECK(moved.to_device.copies == onloaded);
  CHECK(moved.to_device.bytes == 8 * tiny_page_bytes);
  CHECK(moved.from_device.copies == offloaded);
}

}  // namespace

TEST_CASE("one copy a page and layer, one a run and extent, or one a batch", "[transfer][copies]")
{
  // 8 pages of 3 layers; a hybrid extent is a chunk of 4 pages, a paged one a page.
  check_counts<cache_with<hybrid_layout, coalesced_copy>>(2 * 3, 2 * 3);
  check_counts<cache_with<hybrid_layout, per_page_copy>>(8 * 3, 8 * 3);
  check_counts<cache_with<hybrid_layout, batched_copy<>>>(3, 3);
  check_counts<cache_with<paged_layout, batched_copy<>>>(3, 3);
  check_counts<cache_with<paged_layout, batched_copy<3>>>(3 * 3, 3 * 3);
  check_counts<cache_with<paged_layout, coalesced_copy>>(8 * 3, 8 * 3);
  check_counts<cache_with<paged_layout, per_page_copy>>(8 * 3, 8 * 3);
}

TEST_CASE("on a fragmented slab there is a copy for every run and extent in common", "[transfer][copies]")
{
  scene<cache_with<hybrid_layout, coalesced_copy>> s(24, 200);
  s.serve(50, 32);                                               // chunks [0, 4) and [4, 8) of pages
  for (unsigned user = 1; user <= 16; ++user) s.serve(user, 4);  // a page each: the rest of the slab
  s.serve(51, 32);                                               // user 50's pages go
  s.cache.erase(user_id{51});
  for (unsigned user = 2; user <= 16; user += 2) s.cache.erase(user_id{user});
  s.hold({{52, 8}}).release();
  const auto before = s.cache.watcher().read();
  auto first = s.hold({{60, 28}});  // takes the long run but one page
  auto lease = s.hold({{50, 32}});
  REQUIRE(is(lease.split(0), 0, 32, 0));
  const auto ids = lease.view().page_ids;
  std::uint64_t runs = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i % 4 == 0 || to_number(ids[i]) != to_number(ids[i - 1]) + 1) ++runs;
  }
  CHECK(runs > 2);
  CHECK(s.cache.watcher().read().onload_copies - before.onload_copies == runs * tiny.layers);
}

TEST_CASE("only the pages that are wanted are copied", "[transfer][copies]")
{
  scene<cache_with<hybrid_layout, coalesced_copy>> s(8, 64);
  s.serve(1, 30);
  CHECK(s.cache.watcher().read().offload_bytes == 7 * tiny_page_bytes);  // whole pages
  s.serve(1, 31);
  CHECK(s.cache.watcher().read().offload_bytes == 7 * tiny_page_bytes);
  s.serve(1, 32);
  CHECK(s.cache.watcher().read().offload_bytes == 8 * tiny_page_bytes);
  s.serve(2, 8);  // the first two pages go
  s.serve(1, 32);
  CHECK(s.cache.watcher().read().onload_bytes == 2 * tiny_page_bytes);
}
