// Whatever throws under requests of parts, and whenever: a stranger's exception out of every hook that may throw, and every
// allocation failing in turn. Afterwards every byte that is served is right, versions are whole, the accounts balance and no lease
// is open.
#include "cache/combinations.hpp"
#include "cache/lazy_device.hpp"
#include "cache/parts_player.hpp"
#include "cache/strangers.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <new>

namespace kvstrata_test {

namespace {

constexpr unsigned orders = effort == 1 ? 1 : 6;  // of the device's work
constexpr std::size_t stride_of_parts = effort == 1 ? 23 : 1;

/// A cache on a lazy device, with its player.
template <class Cache>
struct parts_theatre
{
  parts_theatre(const typename Cache::config& config, unsigned number)
      : device(number, number % 3 == 0),
        cache(device, config),
        who(cache, {device.create_stream("compute")},
            [this](stream_id stream, layer_index layer, std::shared_ptr<const lease_work> work) {
              device.launch(stream, [this, layer, work = std::move(work)] { tiny_model::run(*work, layer, found); });
            })
  {
  }

  template <class Thrown>
  void fail()
  {
    try {
      play(who, cache);
    } catch (const Thrown&) {
    }
  }

  /// All is well again.
  void check()
  {
    check_sums(cache.stats());
    play(who, cache);
    check_parts_given_back(cache);
    CHECK(found.first().empty());
  }

  findings found;
  lazy_device device;
  some_cache<Cache> cache;
  parts_player who;
};

}  // namespace

TEST_CASE("any hook that may throw does, at any call, under requests of parts", "[cache][parts][hooks]")
{
  using strange_cache = cache<tier_stack<device_slab<lazy_device>, strangers::tier>, strangers::layout,
                              strangers::transfer, strangers::policy, counters>;
  for (unsigned number = 0; number < orders; ++number) {
    strange_cache::config config{.shape = tiny};
    set_tiers(config, {.device = 22, .lower = 30});
    if (number % 2 != 0) config.writes = bounded::value;
    bool failed = true;
    for (std::size_t which = 1; failed; which += stride_of_parts) {
      CAPTURE(number, which);
      REQUIRE(which < 50000);
      std::unique_ptr<parts_theatre<strange_cache>> t;
      fuse::arm(which);
      try {
        t = std::make_unique<parts_theatre<strange_cache>>(config, number);
      } catch (const strange&) {
        continue;  // nothing was built
      }
      t->fail<strange>();
      failed = !fuse::is_armed();
      fuse::arm(0);
      t->check();
    }
  }
}

TEST_CASE("any allocation fails under requests of parts", "[cache][parts][hooks]")
{
  using c = cache<tier_stack<device_slab<lazy_device>, pinned_arena<token_write_through>>, hybrid_layout,
                  layerwise_transfer<batched_copy<>>, lru, counters>;
  const c::config config{.shape = tiny,
                         .tiers = {{.bytes = 22 * tiny_page_bytes}, {.bytes = 30 * tiny_page_bytes}},
                         .layout = hybrid_layer_first::value};
  for (unsigned number = 0; number < orders; ++number) {
    bool failed = true;
    for (std::size_t which = 1; failed; which += stride_of_parts) {
      CAPTURE(number, which);
      REQUIRE(which < 50000);
      parts_theatre<c> t(config, number);
      {
        const failing_allocation starving(which);
        t.fail<std::bad_alloc>();
        failed = failing_allocation::happened();
      }
      t.check();
    }
  }
}

}  // namespace kvstrata_test
