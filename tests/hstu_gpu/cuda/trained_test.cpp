// Trained layers on a GPU: within bf16 of double precision.
#include "hstu_gpu/cuda/cuda_machine.hpp"
#include "hstu_gpu/trained_checks.hpp"

TEST_CASE("trained layers on a GPU are within bf16 of a double-precision reference", "[hstu]")
{
  hstu_gpu_test::generator random(311);
  hstu_gpu_test::check_trained_layers<hstu_gpu_test::cuda_machine>(random);
}
