// The random walk through memories that keep codes: what has none is kept as it is, and what comes back is what was written,
// whatever was encoded, decoded or moved from one code to another meanwhile.
#include "cache/stacks.hpp"
#include "cache/stacks_walk.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

namespace {

constexpr policy_point codes_above_a_file = any_stack_of<kvstrata::emulated_device, codes_then_file, paged_page_first,
                                                         batched, batched, layerwise, anywhere, unbounded, coded_arena<1>,
                                                         file<2>>;
constexpr policy_point codes_below_an_arena = any_stack_of<kvstrata::emulated_device, codes_twice, paged_layer_first, window,
                                                           batched, layerwise, fetch, bounded, arena<1>, coded_arena<2>,
                                                           coded_arena<3>>;

}  // namespace

TEST_CASE("random operations on a slab, an arena that keeps codes, and a file", "[cache][random][codec]")
{
  walk_stack(codes_above_a_file, 500);
}

TEST_CASE("random operations on a slab with a window, an arena, and two that keep codes", "[cache][random][codec]")
{
  walk_stack(codes_below_an_arena, 600);
}

}  // namespace kvstrata_test
