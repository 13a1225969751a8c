// Codes across the link of a cuda_device, whatever of its multiprocessors kernels may take.
#include "cuda/runtime/fake_runtime.hpp"
#include "transfer/codes_bed.hpp"

#include <kvstrata/device/cuda_device.hpp>
#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/codes/staged_codes.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

constexpr std::uint32_t h200_multiprocessors = 132;

/// Pages go down and come up as they were, and every kernel has the blocks that its budget allows. Returns the kernels.
template <class Codes>
std::vector<fake_runtime::code_launch> kernels_of(std::uint32_t sms)
{
  CAPTURE(sms);
  fake_runtime::reset();
  fake_runtime::set_attribute(cudaDevAttrMultiProcessorCount, h200_multiprocessors);
  {
    cuda_device d;
    kvstrata_test::codes_bed bed(d, {0, 1, 2, 4, 5, 9, 10, 11, 12, 14}, {32, 1, 64, element_type::bf16});
    static_cast<void>(bed.template round_trip<Codes>());
  }
  const auto launched = fake_runtime::code_launches();
  for (const fake_runtime::code_launch& l : launched) CHECK(l.blocks == cuda::code_blocks(sms, h200_multiprocessors));
  CHECK(fake_runtime::problems() == std::vector<std::string>{});
  return launched;
}

template <std::uint32_t Sms>
void on_a_budget()
{
  const auto direct = kernels_of<direct_codes<Sms>>(Sms);
  CHECK(direct.size() == 4);  // two layers, down and up
  std::size_t pieces = 0;
  const auto staged = kernels_of<staged_codes<std::size_t{5} << 12U, 2, Sms>>(Sms);
  CHECK(staged.size() > 4);  // slots hold fewer than ten codes
  for (const fake_runtime::code_launch& l : staged) pieces += l.pieces;
  CHECK(pieces == 40);
}

}  // namespace

TEST_CASE("codes on a GPU, on few multiprocessors and on many")
{
  on_a_budget<1>();
  on_a_budget<8>();
  on_a_budget<16>();
  on_a_budget<131>();
  on_a_budget<200>();  // more than there are: all
  on_a_budget<0>();
  REQUIRE(cuda::code_blocks(131, h200_multiprocessors) == 131);
  REQUIRE(cuda::code_blocks(200, h200_multiprocessors) == 4 * h200_multiprocessors);
}
