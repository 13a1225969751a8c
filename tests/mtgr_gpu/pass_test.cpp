// MTGR's GPU code on an emulated device.
#include "hstu_gpu/emulated_machine.hpp"
#include "mtgr/gpu/emulated_pass.hpp"
#include "mtgr_gpu/pass_checks.hpp"

namespace {

using machine = hstu_gpu_test::emulated_machine;

}  // namespace

TEST_CASE("mtgr on a device: logits, K and V are near double precision", "[mtgr]")
{
  mtgr_gpu_test::check_sizes<machine>();
}
TEST_CASE("mtgr on a device: cached equals recomputed, and candidates do not see each other", "[mtgr]")
{
  mtgr_gpu_test::check_cached<machine>();
}
TEST_CASE("mtgr on a device: keys shared by several blocks", "[mtgr]")
{
  mtgr_test::generator random(55);
  mtgr::config c = mtgr_gpu_test::device_config();
  c.layers = 2;
  c.most_sequence = 1200;
  c.normaliser = 512;
  mtgr_gpu_test::check_reference<hstu_gpu_test::emulated_machine_of<8>>(
      random, c, mtgr_gpu_test::device_user(random, c, 1030, 6, 9), 32);
}
TEST_CASE("mtgr on a device: what happens later changes no bit of what was before", "[mtgr]")
{
  mtgr_gpu_test::check_leaks<machine>();
}
TEST_CASE("mtgr on a device: what is refused", "[mtgr]") { mtgr_gpu_test::check_refusals<machine>(); }
