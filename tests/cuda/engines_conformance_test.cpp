// One cache for each copy engine, with each layout, on a cuda_device under the random walk.
#include "cache/combinations.hpp"
#include "cuda/gpu_walk.hpp"
#include "support/catch.hpp"

namespace kvstrata_test {

namespace {

template <class... Values>
void gpu_walk_point(std::uint64_t first_seed)
{
  gpu_walk(any_point_of<kvstrata::cuda_device, Values...>, first_seed);
}

}  // namespace

TEST_CASE("cuda: random operations, page by page, paged", "[cuda][random]")
{
  gpu_walk_point<paged_page_first, per_page, per_page, layerwise, page, fetch, front, front, bounded>(31);
}

TEST_CASE("cuda: random operations, by staging, contiguous", "[cuda][random]")
{
  gpu_walk_point<contiguous, staged, staged, layerwise, token, anywhere, whole, front, unbounded>(41);
}

TEST_CASE("cuda: random operations, through a window and by kernels", "[cuda][random]")
{
  gpu_walk_point<hybrid_page_first, window, kernel, layerwise, back, fetch, front, whole, unbounded>(51);
}

TEST_CASE("cuda: random operations, by kernels, immediately", "[cuda][random]")
{
  gpu_walk_point<paged_layer_first, kernel, batched, immediate, chunk, by_cost, front, front, unbounded>(61);
}

}  // namespace kvstrata_test
