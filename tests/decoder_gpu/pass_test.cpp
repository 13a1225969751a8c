// The decoder's passes on an emulated device.
#include "decoder/gpu/emulated_pass.hpp"
#include "decoder_gpu/pass_checks.hpp"
#include "hstu_gpu/emulated_machine.hpp"

namespace {

using machine = hstu_gpu_test::emulated_machine;

}  // namespace

TEST_CASE("decoder on a device: K and V of prompts are near double precision, at any length and in any window")
{
  decoder_gpu_test::check_sizes<machine>();
}
TEST_CASE("decoder on a device: what is in pages already is used and left as it is")
{
  decoder_gpu_test::check_cached<machine>();
}
TEST_CASE("decoder on a device: a later token changes no bit of earlier ones")
{
  decoder_gpu_test::check_leaks<machine>();
}
TEST_CASE("decoder on a device: logits of beams are near double precision")
{
  decoder_gpu_test::check_steps<machine>();
}
TEST_CASE("decoder on a device: a front and a history behind it are a prompt")
{
  decoder_gpu_test::check_parts<machine>();
}
TEST_CASE("decoder on a device: beam search, both layouts") { decoder_gpu_test::check_searches<machine>(); }
TEST_CASE("decoder on a device: what is refused") { decoder_gpu_test::check_refusals<machine>(); }
