// The model's kernels, emulated, over caches that evict, write down, fetch and split.
#include "hstu_gpu/cache_checks.hpp"
#include "hstu_gpu/emulated_machine.hpp"

TEST_CASE("cached answers are recomputed ones", "[hstu]")
{
  hstu_gpu_test::check_caches<hstu_gpu_test::emulated_machine>(18);
}
