// The random walk through four memories.
#include "cache/stacks.hpp"
#include "cache/stacks_walk.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

namespace {

constexpr policy_point memories = any_stack_of<kvstrata::emulated_device, four_memories, hybrid_layer_first, coalesced,
                                               batched, layerwise, fetch, unbounded, arena<1>, arena<2>, file<3>>;
constexpr policy_point ranges = any_stack_of<kvstrata::emulated_device, four_ranges, contiguous, per_page, kernel,
                                             immediate, by_cost, bounded, arena<1>, arena<2>, arena<3>>;

}  // namespace

TEST_CASE("random operations on a slab, two arenas and a file", "[cache][random][levels]")
{
  walk_stack(memories, 300);
}

TEST_CASE("random operations on ranges in four memories", "[cache][random][levels]") { walk_stack(ranges, 400); }

}  // namespace kvstrata_test
