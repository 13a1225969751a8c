// Trained layers on a GPU: within bf16 of double precision.
#include "hstu_gpu/cuda/cuda_machine.hpp"
#include "hstu_gpu/trained_checks.hpp"

TEST_CASE("trained layers on a GPU are within bf16 of a double-precision reference", "[hstu]")
{
  hstu_gpu_test::generator random(311);
  hstu_gpu_test::check_trained_layers<hstu_gpu_test::cuda_machine>(random);
}

TEST_CASE("heads of layers on a GPU are within bf16 of a double-precision reference", "[hstu]")
{
  hstu_gpu_test::generator random(304);
  hstu_gpu_test::check_trained_heads<hstu_gpu_test::cuda_machine>(random);
}

TEST_CASE("times of the next token on a GPU are those of a double-precision reference", "[hstu]")
{
  hstu_gpu_test::generator random(305);
  hstu_gpu_test::check_next_times<hstu_gpu_test::cuda_machine>(random);
}
