// The caches of named_caches.hpp on a cuda_device, under the random walk of tests/cache: every plan, every account and
// every byte that is served, against naive_cache.
#include "cache/named_points.hpp"
#include "cuda/gpu_walk.hpp"
#include "support/catch.hpp"

using namespace kvstrata;
using namespace kvstrata_test;

TEST_CASE("cuda: random operations on default_cache", "[cuda][random]")
{
  gpu_walk(named_point<default_cache<cuda_device, lru, counters>>, 1);
}

TEST_CASE("cuda: random operations on mtserve_cache", "[cuda][random]")
{
  gpu_walk(named_point<mtserve_cache<cuda_device, counters>>, 11);
}

TEST_CASE("cuda: random operations on device_only_cache", "[cuda][random]")
{
  gpu_walk(named_point<device_only_cache<cuda_device, lru, counters>>, 21);
}
