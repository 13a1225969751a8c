// The decoder's passes on a GPU.
#include "decoder/gpu/cuda_pass.hpp"
#include "decoder_gpu/pass_checks.hpp"
#include "hstu_gpu/cuda/cuda_machine.hpp"

namespace {

using machine = hstu_gpu_test::cuda_machine;

}  // namespace

TEST_CASE("decoder on a GPU: K and V of prompts are near double precision, at any length and in any window")
{
  decoder_gpu_test::check_sizes<machine>();
}
TEST_CASE("decoder on a GPU: what is in pages already is used and left as it is")
{
  decoder_gpu_test::check_cached<machine>();
}
TEST_CASE("decoder on a GPU: a later token changes no bit of earlier ones")
{
  decoder_gpu_test::check_leaks<machine>();
}
TEST_CASE("decoder on a GPU: logits of beams are near double precision") { decoder_gpu_test::check_steps<machine>(); }
TEST_CASE("decoder on a GPU: a front and a history behind it are a prompt")
{
  decoder_gpu_test::check_parts<machine>();
}
TEST_CASE("decoder on a GPU: beam search, both layouts") { decoder_gpu_test::check_searches<machine>(); }
TEST_CASE("decoder on a GPU: what is refused") { decoder_gpu_test::check_refusals<machine>(); }
