// Random walks over stores against the naive cache: two memories or three, and a store that is late, loses, reorders and does
// not know; and every call of the store failing or lost in turn.
#include "cache/store_walker.hpp"
#include "support/effort.hpp"
#include "support/toy_codec.hpp"

#include <tiers/mapped_file.hpp>

#include <cstdint>
#include <filesystem>
#include <type_traits>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// The slab has pages that the arena lacks, and the store has.
using two_memories = cache<tier_stack<device_slab<moody_device>, pinned_arena<write_back>, memory_store<write_back>>,
                           paged_layout, layerwise_transfer<>, lru, counters>;
using three_memories = cache<tier_stack<device_slab<moody_device>, pinned_arena<token_write_through>,
                                        example::mapped_file<>, memory_store<token_write_through>>,
                             hybrid_layout, layerwise_transfer<>, lru, counters>;

using exact_codes =
    cache<tier_stack<device_slab<moody_device>, pinned_arena<write_back, toy>, memory_store<write_back>>, paged_layout,
          layerwise_transfer<>, lru, counters>;
/// What leaves the arena is not exact in the store, nor what was computed on top of it.
using lossy_codes =
    cache<tier_stack<device_slab<moody_device>, pinned_arena<write_back, lossy_toy>, memory_store<write_back>>,
          paged_layout, layerwise_transfer<>, lru, counters>;

constexpr memory_store_config bad{
    .lanes = 3, .in_flight = 5, .least_seconds = 1e-6, .most_seconds = 1e-3, .lost_in = 9, .unknown_in = 4};

template <class Cache>
naive_findings walk_once(const memory_store_config& how, const naive_walk& walk, bool throws = false,
                         std::uint64_t strikes = 0)
{
  moody_device device(store_device(walk.seed));
  memory_store_config c = how;
  c.seed = walk.seed;
  fake_store store(device, c);
  typename Cache::config config{.shape = tiny};
  config.layout.page_tokens = tiny_page;
  if constexpr (requires { config.layout.chunk; }) config.layout.chunk = tiny_chunk;
  std::get<0>(config.tiers) = {.bytes = 24 * tiny_page_bytes, .slack = 0};
  std::get<1>(config.tiers).bytes = 26 * tiny_page_bytes;
  if constexpr (Cache::config::tiers_type::template tier<1>::codec::name != codec::identity::name) {
    std::get<1>(config.tiers).bytes = 36 * tiny_page_bytes;
    std::get<1>(config.tiers).raw_share = 0.45;
  }
  if constexpr (std::is_same_v<Cache, three_memories>) {
    std::get<1>(config.tiers).bytes = 14 * tiny_page_bytes;
    std::get<2>(config.tiers).bytes = 24 * tiny_page_bytes;
    std::get<2>(config.tiers).directory = std::filesystem::temp_directory_path().string();
    std::get<3>(config.tiers).store = &store;
  } else {
    std::get<2>(config.tiers).store = &store;
  }
  config.stores.room_bytes = 40 * tiny_page_bytes;
  Cache cache(device, config);
  if (strikes != 0 && throws) store.throw_next(strikes - 1);
  if (strikes != 0 && !throws) store.lose_next(strikes - 1);
  store_walker<Cache> walker(cache, device, store, walk);
  return walker.run();
}

template <class Cache>
void walk_many(level_index store_at, std::uint64_t first_seed)
{
  naive_findings all;
  const auto add = [&all](const naive_findings& one) {
    for (level_index i = 0; i < most_levels; ++i) all.served[i] += one.served[i];
    all.kept += one.kept;
    all.lost += one.lost;
    all.early += one.early;
    all.rewritten += one.rewritten;
    all.moved += one.moved;
    all.inexact += one.inexact;
    all.forgotten += one.forgotten;
  };
  for (std::uint64_t seed = first_seed; seed < first_seed + 8 + 4 * effort; ++seed) {
    add(walk_once<Cache>(seed % 3 == 0 ? memory_store_config{.most_seconds = 1e-3} : bad,
                         {.seed = seed, .steps = 300 + 100 * static_cast<int>(effort)}));
  }
  for (level_index i = 0; i <= store_at; ++i) {
    CAPTURE(i);
    CHECK(all.served[i] != 0);
  }
  CHECK(all.kept != 0);
  if (effort > 1) CHECK(all.lost != 0);
  CHECK(all.early != 0);
  CHECK(all.rewritten != 0);
  CHECK(all.moved != 0);
  constexpr bool lossy = tracks_exactness<typename Cache::config::tiers_type>;
  CHECK((all.inexact != 0) == lossy);
  CHECK((all.forgotten != 0) == lossy);
}

}  // namespace

TEST_CASE("random operations on a slab, an arena and a store, against the naive cache", "[cache][random]")
{
  walk_many<two_memories>(2, 1);
}

TEST_CASE("random operations on a slab, an arena, a file and a store, against the naive cache", "[cache][random]")
{
  walk_many<three_memories>(3, 1000);
}

TEST_CASE("random operations on a slab, an arena that keeps codes and a store, against the naive cache",
          "[cache][random][codec]")
{
  walk_many<exact_codes>(2, 2000);
}

TEST_CASE("random operations on a slab, a lossy arena and a store, against the naive cache", "[cache][random][codec]")
{
  walk_many<lossy_codes>(2, 3000);
}

TEST_CASE("a user who comes back from a store by a record that is older than what the store has", "[cache][random]")
{
  // Rows behind it were taken for the store's no more: those of another window met new ones, and a volatile tail came back.
  static_cast<void>(walk_once<two_memories>(bad, {.seed = 1, .steps = 720}));
  static_cast<void>(walk_once<three_memories>(bad, {.seed = 1023, .steps = 720}));
}

TEST_CASE("every call of the store fails in turn, or is lost, in the midst of a walk", "[cache][random]")
{
  for (const bool throws : {false, true}) {
    std::uint64_t faults = 0;
    for (std::uint64_t n = 1; n <= 20 + 20 * effort; ++n) {
      CAPTURE(throws, n);
      const naive_walk walk{.seed = 7 + n % 3, .steps = 120};
      faults += walk_once<two_memories>({.most_seconds = 5e-4, .unknown_in = 3}, walk, throws, n).faults;
    }
    CHECK((faults != 0) == throws);
  }
}
