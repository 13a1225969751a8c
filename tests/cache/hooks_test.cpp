// Whatever throws, and whenever: a stranger's exception out of every hook that may throw, and every allocation failing in
// turn, with five compute streams on a device that does nothing before it must. Afterwards every byte that is served is
// right, no frame has two owners, the accounts balance and no lease is open.
#include "cache/combinations.hpp"
#include "cache/lazy_device.hpp"
#include "cache/player.hpp"
#include "cache/strangers.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

#include <kvstrata/replacement/arc.hpp>
#include <kvstrata/replacement/s3_fifo.hpp>

#include <memory>
#include <vector>

namespace kvstrata_test {

namespace {

constexpr unsigned walks = effort == 1 ? 2 : 36;  // a seed each
constexpr std::size_t stride = effort == 1 ? 7 : 1;

template <class... Below>
using strange_cache = cache<tier_stack<device_slab<lazy_device>, Below...>, strangers::layout, strangers::transfer,
                            strangers::policy, counters>;

/// A cache on a lazy device, with its player.
template <class Cache>
struct theatre
{
  theatre(const typename Cache::config& config, unsigned number)
      : seed(static_cast<unsigned>(number)),
        device(number, number % 3 == 0),
        cache(device, config),
        who(cache, streams(), kernels())
  {
  }

  std::vector<stream_id> streams()
  {
    std::vector<stream_id> all;
    for (int i = 0; i < 5; ++i) all.push_back(device.create_stream("compute"));
    return all;
  }
  player::kernel_runner kernels()
  {
    return [this](stream_id stream, layer_index layer, std::shared_ptr<const lease_work> work) {
      device.launch(stream, [this, layer, work = std::move(work)] { tiny_model::run(*work, layer, found); });
    };
  }

  /// A walk in whose midst something fails: what is thrown is Thrown, and the walk goes on.
  template <class Thrown>
  void fail()
  {
    wander(who, cache, seed, 24, [](auto&& step) {
      try {
        step();
      } catch (const Thrown&) {
      }
    });
  }

  /// All is well again: whoever holds pages can be evicted, everybody is served, and rightly.
  void check()
  {
    check_sums(cache.stats());
    REQUIRE(who.prepare({{21, 24}, {22, 24}, {23, 24}}).has_value());  // nearly all of the device
    wander(who, cache, seed + 1, 12, [](auto&& step) { step(); });
    check_given_back(cache, who.epoch() == epoch_id{});
    CHECK(found.first().empty());
  }

  unsigned seed;
  findings found;
  lazy_device device;
  some_cache<Cache> cache;
  player who;
};

/// Every call of a hook in turn.
template <class Cache>
void blow(const sizes& s)
{
  for (unsigned seed = 0; seed < walks; ++seed) {
    typename Cache::config config{.shape = tiny};
    set_tiers(config, s);
    if (seed % 2 != 0) config.writes = bounded::value;
    bool failed = true;
    for (std::size_t which = 1; failed; which += stride) {
      CAPTURE(seed, which);
      REQUIRE(which < 50000);
      std::unique_ptr<theatre<Cache>> t;
      fuse::arm(which);
      try {
        t = std::make_unique<theatre<Cache>>(config, seed);
      } catch (const strange&) {
        continue;  // nothing was built
      }
      t->template fail<strange>();
      failed = !fuse::is_armed();
      fuse::arm(0);
      t->check();
    }
  }
}

/// Every allocation of a walk in turn.
template <class Cache>
void starve(const typename Cache::config& config)
{
  for (unsigned seed = 0; seed < walks; ++seed) {
    bool failed = true;
    for (std::size_t which = 1; failed; which += stride) {
      CAPTURE(seed, which);
      REQUIRE(which < 50000);
      theatre<Cache> t(config, seed);
      {
        const failing_allocation starving(which);
        t.template fail<std::bad_alloc>();
        failed = failing_allocation::happened();
      }
      t.check();
    }
  }
}

template <class Layout, class Writes, class Transfer, class Policy>
using plain_cache =
    cache<tier_stack<device_slab<lazy_device>, pinned_arena<Writes>>, Layout, Transfer, Policy, counters>;

}  // namespace

TEST_CASE("any hook that may throw does, at any call", "[cache][hooks]")
{
  blow<strange_cache<strangers::tier>>({.device = 22, .lower = 30});
  if (effort == 1) return;
  for (std::size_t i = 0; i < static_cast<std::size_t>(hook::count); ++i) {
    CAPTURE(i);
    CHECK(fuse::blew(static_cast<hook>(i)));
  }
}

TEST_CASE("any hook that may throw does, between two memories, too", "[cache][hooks][levels]")
{
  blow<strange_cache<strangers::tier, strangers::tier>>({.device = 22, .lower = 12, .third = 18});
}

TEST_CASE("any allocation fails: the default's transfer, users who leave ghosts", "[cache][hooks]")
{
  using c = plain_cache<hybrid_layout, token_write_through, layerwise_transfer<batched_copy<>>, s3_fifo>;
  starve<c>({.shape = tiny,
             .tiers = {{.bytes = 22 * tiny_page_bytes}, {.bytes = 30 * tiny_page_bytes}},
             .layout = hybrid_layer_first::value});
}

TEST_CASE("any allocation fails: a window, staging, writes that wait", "[cache][hooks]")
{
  using c = plain_cache<paged_layout, write_back,
                        layerwise_transfer<onload_by<window_copy<>>, offload_by<staged::type>, cut_anywhere>, lru>;
  starve<c>(
      {.shape = tiny,
       .tiers = {{.bytes = 22 * tiny_page_bytes, .window_bytes = 6 * tiny_page_bytes}, {.bytes = 30 * tiny_page_bytes}},
       .layout = paged_layer_first::value,
       .writes = bounded::value});
}

TEST_CASE("any allocation fails: ranges, policies above and below, admission", "[cache][hooks]")
{
  using c = cache<tier_stack<device_slab<lazy_device, evict_whole>, pinned_arena<evict_whole, replaced_by<lru>>>,
                  contiguous_layout, layerwise_transfer<>, arc, counters>;
  starve<c>({.shape = tiny,
             .tiers = {{.bytes = 24 * tiny_page_bytes}, {.bytes = 30 * tiny_page_bytes}},
             .layout = contiguous::value});
}

TEST_CASE("any allocation fails: three memories", "[cache][hooks][levels]")
{
  using c = cache<tier_stack<device_slab<lazy_device>, pinned_arena<>, pinned_arena<write_back>>, hybrid_layout,
                  layerwise_transfer<batched_copy<>>, s3_fifo, counters>;
  c::config config{.shape = tiny, .layout = hybrid_layer_first::value};
  set_tiers(config, {.device = 22, .lower = 12, .third = 18});
  starve<c>(config);
}

}  // namespace kvstrata_test
