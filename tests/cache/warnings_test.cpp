// What a configuration is warned of, and that costs are said once.
#include "cache/scene.hpp"

#include <kvstrata/cache/warnings.hpp>
#include <kvstrata/replacement/gdsf.hpp>
#include <kvstrata/replacement/locality.hpp>
#include <kvstrata/sharded/shard_sizes.hpp>

#include <string>
#include <type_traits>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using sentences = std::vector<std::string>;

constexpr cost_model dear_fetch{.seconds_per_token = 1e-9, .fetch_seconds_per_token = 1, .layers = tiny.layers};

template <class Slab, class Replacement = lru>
using plain = cache<tier_stack<Slab, pinned_arena<>>, hybrid_layout, layerwise_transfer<>, Replacement>;
using slab = device_slab<emulated_device>;
struct own_cache : plain<slab, gdsf>
{
  using plain<slab, gdsf>::plain;
};

/// Keeps what it was told last.
struct listening : lru
{
  static inline double recompute_seconds = 0;

  void insert(hook& h, const object_info& info)
  {
    recompute_seconds = info.recompute_seconds;
    lru::insert(h, info);
  }
};

bool begins(const std::string& text, const std::string& part) { return text.substr(0, part.size()) == part; }

}  // namespace

TEST_CASE("a level smaller than the one above it is warned of", "[cache][warnings]")
{
  using cache_type = plain<slab>;
  auto c = tiny_config<cache_type>(8, 8);
  CHECK(warnings_of<cache_type>(c).empty());
  std::get<1>(c.tiers).bytes -= 1;
  const sentences said = warnings_of<cache_type>(c);
  REQUIRE(said.size() == 1);
  CHECK(begins(said[0], "the arena has 1535 bytes, fewer than the slab above it, which has 1536: "));
  // A shard's slab is a region.
  const shard_sizes<cache_type::config> shards(tiny_config<cache_type>(8, 6), 2);
  std::byte at{};
  const sentences of_shard = warnings_of<cache_type>(shards.of(0, &at));
  REQUIRE(of_shard.size() == 1);
  CHECK(begins(of_shard[0], "the arena has 576 bytes, fewer than the slab above it, which has 768: "));

  using deep =
      cache<tier_stack<slab, pinned_arena<>, pinned_arena<write_back>>, hybrid_layout, layerwise_transfer<>, lru>;
  CHECK(warnings_of<deep>(tiny_config<deep>(4, 8, 8)).empty());
  CHECK(warnings_of<deep>(tiny_config<deep>(8, 4, 3)).size() == 2);
}

TEST_CASE("policies that weigh costs and are told of none are warned of", "[cache][warnings]")
{
  using splits = default_scene_cache;
  auto c = tiny_config<splits>(8, 8);
  const sentences said = warnings_of<splits>(c);
  REQUIRE(said.size() == 1);
  CHECK(begins(said[0], "neither split.cost nor costs is given: "));
  c.split.cost = dear_fetch;
  CHECK(warnings_of<splits>(c).empty());
  c.split.cost = {};
  c.costs = dear_fetch;
  CHECK(warnings_of<splits>(c).empty());

  const auto weighs = [](auto type) {
    using cache_type = typename decltype(type)::type;
    auto weighing = tiny_config<cache_type>(8, 8);
    const sentences of_weighing = warnings_of<cache_type>(weighing);
    weighing.costs = dear_fetch;
    CHECK(warnings_of<cache_type>(weighing).empty());
    return of_weighing.size() == 1 && begins(of_weighing[0], "costs is not given: ");
  };
  CHECK(weighs(std::type_identity<plain<slab, gdsf>>()));
  CHECK(weighs(std::type_identity<plain<slab, locality>>()));
  CHECK(weighs(std::type_identity<plain<device_slab<emulated_device, replaced_by<gdsf>>>>()));
  CHECK(weighs(std::type_identity<own_cache>()));
}

TEST_CASE("costs are said once, for the split and for replacement policies", "[cache][warnings]")
{
  using cache_type = cache<tier_stack<device_slab<emulated_device, evict_whole>, pinned_arena<token_write_through>>,
                           hybrid_layout, layerwise_transfer<split_by_cost>, listening>;
  enum class where : std::uint8_t { nowhere, costs, split };
  for (const where said : {where::nowhere, where::costs, where::split}) {
    CAPTURE(static_cast<int>(said));
    auto c = tiny_config<cache_type>(8, 40);
    if (said == where::costs) c.costs = dear_fetch;
    if (said == where::split) c.split.cost = dear_fetch;
    scene<cache_type> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
    s.serve(1, 32);
    CHECK((listening::recompute_seconds > 0) == (said != where::nowhere));
    s.serve(2, 32);  // user 1 is in the arena alone
    const outlook now = s.look(1, 32);
    CHECK(now.sources.fetched() == (said == where::nowhere ? 32 : 0));
    CHECK(now.sources.computed == (said == where::nowhere ? 0 : 32));
  }
  // Where both are given, each has its own.
  auto c = tiny_config<cache_type>(8, 40);
  c.costs = dear_fetch;
  c.split.cost = {.seconds_per_token = 1, .fetch_seconds_per_token = 1e-9, .layers = tiny.layers};
  scene<cache_type> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
  s.serve(1, 32);
  CHECK(listening::recompute_seconds < 1);
  s.serve(2, 32);
  CHECK(s.look(1, 32).sources.fetched() == 32);
}

TEST_CASE("an arena whose NUMA node cannot be had is warned of", "[cache][warnings]")
{
  using cache_type = plain<slab>;
  auto c = tiny_config<cache_type>(8, 8);
  std::get<1>(c.tiers).numa_node = 1023;
  const sentences said = warnings_of<cache_type>(c);
  REQUIRE(said.size() == 1);
  CHECK(begins(said[0], "the arena does not come from the NUMA node that it is told, because "));
}
