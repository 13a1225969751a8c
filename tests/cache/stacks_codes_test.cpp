// The random walk through memories that keep codes: what has none is kept as it is, and what comes back is what was written,
// whatever was encoded, decoded or moved from one code to another meanwhile.
#include "cache/stacks.hpp"
#include "cache/stacks_walk.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

namespace {

constexpr policy_point codes_above_a_file =
    any_stack_of<kvstrata::emulated_device, codes_then_file, paged_page_first, batched, batched, layerwise_slots,
                 anywhere, unbounded, coded_arena<1>, file<2>>;
constexpr policy_point codes_below_an_arena =
    any_stack_of<kvstrata::emulated_device, codes_twice, paged_layer_first, window, batched, layerwise, fetch, bounded,
                 arena<1>, coded_arena<2>, coded_arena<3>>;

constexpr policy_point lossy_above =
    any_stack_of<kvstrata::emulated_device, lossy_then_exact, paged_page_first, batched, batched, layerwise, fetch,
                 bounded, coded_arena<1, lossy_toy>, arena<2>>;
constexpr policy_point lossy_below =
    any_stack_of<kvstrata::emulated_device, exact_then_lossy, paged_layer_first, batched, batched, layerwise_slots,
                 anywhere, unbounded, arena<1>, coded_arena<2, lossy_toy>>;

}  // namespace

TEST_CASE("random operations on a slab, an arena that keeps codes, and a file", "[cache][random][codec]")
{
  walk_stack(codes_above_a_file, 500);
}

TEST_CASE("random operations on a slab with a window, an arena, and two that keep codes", "[cache][random][codec]")
{
  walk_stack(codes_below_an_arena, 600);
}

/// What came through a lossy copy, and what was computed on top of it, is never served as exact, and never to a request that
/// wants nothing else, whichever way it went.
TEST_CASE("random operations on a slab, a lossy arena, and one that is not", "[cache][random][codec]")
{
  walk_stack(lossy_above, 700);
}

TEST_CASE("random operations on a slab, an arena, and a lossy one below", "[cache][random][codec]")
{
  walk_stack(lossy_below, 800);
}

/// The same across parts: an append part that is computed on a version that came through a lossy copy rests on it.
TEST_CASE("random operations with requests of parts, where a level is lossy", "[cache][parts][random][codec]")
{
  parts_met met;
  for (const policy_point& where : {lossy_above, lossy_below}) {
    for (std::uint64_t seed = 900; seed < 904 + 4 * effort; ++seed) {
      kvstrata::emulated_device device(adversary(seed));
      const sizes s{.device = 20, .lower = 24, .third = 40};
      const auto cache = where.make(device, s);
      met.add(
          parts_walk(*cache, device, where.about(s), {.seed = seed, .steps = 300, .users = 4, .leases = 1 + seed % 4}));
    }
  }
  CHECK(met.inexact_shared != 0);
  CHECK(met.tainted_rows != 0);
  CHECK(met.refused_tainted != 0);
  CHECK(met.made_exact != 0);
}

}  // namespace kvstrata_test
