// DESIGN section 5, points 1 (a read returns what was written), 2 (a plan is a partition), 3 (nothing under a lease moves),
// 4 (no silent loss), 5 (orderings, by the checker), 6 (eviction gives a reason), 7 (too large a batch changes nothing) and
// 9 (bytes in = bytes accounted): the walk that the combination tests take (walker.hpp), and a few long ones.
#include "cache/random_walk.hpp"

#include "cache/any_device_walk.hpp"
#include "cache/combinations.hpp"
#include "cache/parts_walker.hpp"
#include "cache/tiny_model.hpp"
#include "cache/walker.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"

namespace kvstrata_test {

using namespace kvstrata;

emulated_device_config adversary(std::uint64_t seed)
{
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
          .from_device = {.bytes_per_second = 1e8, .latency_seconds = 1e-7},
          .seed = seed,
          .jitter_seconds = 5e-6,
          .reorder_copies = seed % 2 == 1,
          .share_compute = seed % 3 == 1,
          .check_ordering = true,
          .poison_freed = seed % 4 != 3};  // poisoning orders more than there need be: not always
}

emulated_device_config real_adversary() { return {.check_ordering = true, .poison_freed = true}; }

void random_walk(any_cache& cache, emulated_device& device, const facts& about, const walk& how)
{
  walker<emulated_device, tiny_model>(cache, device, about, how).run();
}

parts_met parts_walk(any_cache& cache, emulated_device& device, const facts& about, const walk& how)
{
  walking_parts::walker<emulated_device, tiny_model> walker(cache, device, about, how);
  walker.run();
  return walker.met();
}

void parts_walk_point(const policy_point& where, const emulated_device_config& config, const walk& how, const sizes& s)
{
  emulated_device device(config);
  const auto cache = where.make(device, s);
  parts_walk(*cache, device, where.about(s), how);
}

void walk_point(const policy_point& where, const emulated_device_config& config, const walk& how, const sizes& s)
{
  emulated_device device(config);
  const auto cache = where.make(device, s);
  random_walk(*cache, device, where.about(s), how);
}

void copying_walk_point(const policy_point& where, const emulated_device_config& config, const walk& how,
                        const sizes& s)
{
  for (const auto& once : {any_device_walk<emulated_device>, any_device_parts_walk<emulated_device>}) {
    emulated_device device(config);
    once(device, where, how, s);
  }
}

void walk_points(std::span<const policy_point> points, std::uint64_t first_seed)
{
  for (const policy_point& where : points) {
    for (std::uint64_t seed = first_seed; seed < first_seed + 1 + effort; ++seed) {
      walk_point(where, adversary(seed),
                 {.seed = seed, .steps = 60 * effort, .leases = 1 + seed % 4, .look_every = seed % 2 == 0 ? 1 : 17});
    }
    walk_point(where, real_adversary(), {.seed = first_seed, .steps = 20 * effort, .look_every = 4});
    for (std::uint64_t seed = first_seed; seed < first_seed + 1 + effort / 2; ++seed)
      parts_walk_point(where, adversary(seed), {.seed = seed, .steps = 60 * effort, .leases = 1 + seed % 4});
    parts_walk_point(where, real_adversary(), {.seed = first_seed, .steps = 20 * effort});
    first_seed += 10;
  }
}

namespace {

constexpr policy_point ours =
    point_of<hybrid_layer_first, coalesced, coalesced, layerwise, page, fetch, front, front, unbounded>;
constexpr policy_point paper =
    point_of<hybrid_layer_first, coalesced, coalesced, layerwise, chunk, fetch, whole, whole, unbounded>;
constexpr policy_point busy =
    point_of<paged_layer_first, window, staged, layerwise, page, anywhere, front, whole, bounded>;
constexpr policy_point alone =
    point_of<paged_page_first, coalesced, coalesced, layerwise, page, fetch, front, none, unbounded>;

TEST_CASE("long random operations with requests of parts", "[cache][parts][random]")
{
  std::uint64_t superseded = 0, rewritten = 0, passed = 0, widened = 0;
  parts_met met;
  for (const policy_point& where : {ours, paper, busy, alone}) {
    for (std::uint64_t seed = 1; seed <= 2 * effort; ++seed) {
      emulated_device device(adversary(seed));
      const auto cache = where.make(device, {});
      met.add(parts_walk(*cache, device, where.about({}),
                         {.seed = seed, .steps = 250 * effort, .users = 6, .leases = 1 + seed % 4}));
      const counters::snapshot counted = cache->counted();
      superseded += counted.superseded_tokens;
      rewritten += counted.rewritten_tokens;
      passed += counted.passed_tokens;
      widened += counted.widened_tokens;
    }
    parts_walk_point(where, real_adversary(), {.seed = 1, .steps = 100 * effort, .users = 6});
  }
  CHECK(superseded != 0);  // or the walks show nothing
  CHECK(rewritten != 0);
  CHECK(passed != 0);
  if (effort > 1) CHECK(widened != 0);  // short walks need not meet all there is
  if (effort > 1) CHECK(met.told_to_wait != 0);
  if (effort > 1) CHECK(met.own_copies != 0);
}

TEST_CASE("requests of parts: with an arena that is large enough nothing is dropped but what is superseded",
          "[cache][parts][random]")
{
  for (std::uint64_t seed = 41; seed < 41 + 2 * effort; ++seed) {
    emulated_device device(adversary(seed));
    facts about = ours.about({.lower = 2000});
    about.loses_nothing = true;
    const auto cache = ours.make(device, {.lower = 2000});
    parts_walk(*cache, device, about, {.seed = seed, .steps = 400, .leases = 1 + seed % 4});
  }
}

TEST_CASE("long random operations against the naive cache", "[cache][random]")
{
  for (const policy_point& where : {ours, paper, busy, alone}) {
    for (std::uint64_t seed = 1; seed <= 3 * effort; ++seed) {
      walk_point(where, adversary(seed),
                 {.seed = seed, .steps = 250 * effort, .leases = 1 + seed % 4, .look_every = seed % 3 == 0 ? 37 : 1});
    }
  }
}

TEST_CASE("random operations in other sizes of tiers", "[cache][random]")
{
  for (const policy_point& where : {ours, paper, busy}) {
    for (const sizes s : {sizes{4, 40, 1}, sizes{8, 1, 3}, sizes{40, 12, 50}, sizes{17, 400, 2}, sizes{64, 64, 9}}) {
      for (std::uint64_t seed = 21; seed < 21 + 2 * effort; ++seed) {
        walk_point(where, adversary(seed),
                   {.seed = seed,
                    .steps = 150,
                    .longest = std::min(64U, s.device * tiny_page),
                    .leases = 1 + seed % 3,
                    .look_every = 5},
                   s);
      }
    }
  }
}

TEST_CASE("with page_write_through and an arena that is large enough nothing is ever dropped", "[cache][random]")
{
  for (std::uint64_t seed = 41; seed < 41 + 2 * effort; ++seed) {
    emulated_device device(adversary(seed));
    facts about = ours.about({.lower = 2000});
    about.loses_nothing = true;
    const auto cache = ours.make(device, {.lower = 2000});
    random_walk(*cache, device, about, {.seed = seed, .steps = 400, .leases = 1 + seed % 4});
  }
}

TEST_CASE("random operations around a model that reaches device memory by copies alone", "[cache][random]")
{
  std::uint64_t seed = 81;
  for (const policy_point& where : {ours, paper, busy, alone}) {
    for (int again = 0; again < effort; ++again, ++seed) {
      copying_walk_point(where, seed % 2 == 0 ? real_adversary() : adversary(seed),
                         {.seed = seed, .steps = 150, .leases = 1 + seed % 4, .look_every = 2});
    }
  }
}

TEST_CASE("random operations in real time", "[cache][random]")
{
  for (const policy_point& where : {ours, paper, alone}) {
    for (std::uint64_t seed = 61; seed < 61 + effort; ++seed) {
      walk_point(where, real_adversary(), {.seed = seed, .steps = 200, .look_every = 3});
    }
  }
}

}  // namespace

}  // namespace kvstrata_test
