// The random walk through three memories. Its oracle, the naive cache, knows levels only by what it must be able to rely
// on: each has one interval of a user, and the uppermost that has a token serves it.
#include "cache/stacks.hpp"
#include "cache/stacks_walk.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

namespace {

constexpr policy_point with_file = any_stack_of<kvstrata::emulated_device, three_with_file, paged_page_first, batched,
                                                batched, layerwise, anywhere, unbounded, arena<1>, file<2>>;
constexpr policy_point with_window = any_stack_of<kvstrata::emulated_device, three_with_window, paged_layer_first,
                                                  window, staged, layerwise, fetch, bounded, arena<1>, arena<2>>;

}  // namespace

TEST_CASE("random operations on a slab, an arena and a file", "[cache][random][levels]") { walk_stack(with_file, 100); }

TEST_CASE("random operations on a slab with a window and two arenas", "[cache][random][levels]")
{
  walk_stack(with_window, 200);
}

}  // namespace kvstrata_test
