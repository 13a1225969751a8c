// MTGR on a GPU.
#include "hstu_gpu/cuda/cuda_machine.hpp"
#include "mtgr/gpu/cuda_pass.hpp"
#include "mtgr_gpu/pass_checks.hpp"

namespace {

using machine = hstu_gpu_test::cuda_machine;

}  // namespace

TEST_CASE("mtgr on a GPU: logits, K and V are near double precision", "[mtgr]")
{
  mtgr_gpu_test::check_sizes<machine>();
}
TEST_CASE("mtgr on a GPU: cached equals recomputed, and candidates do not see each other", "[mtgr]")
{
  mtgr_gpu_test::check_cached<machine>();
}
TEST_CASE("mtgr on a GPU: what happens later changes no bit of what was before", "[mtgr]")
{
  mtgr_gpu_test::check_leaks<machine>();
}
TEST_CASE("mtgr on a GPU: what is refused", "[mtgr]") { mtgr_gpu_test::check_refusals<machine>(); }
