// The conformance suites of engines and transfers on a cuda_device.
#include "transfer/transfer_conformance.hpp"
#include "cuda/cuda_bed.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

// Rings and batches so small that the rig's lists go round and over them.
using tiny_staged_copy = staged_copy<2048, 2>;
using tiny_batched_copy = batched_copy<3>;

}  // namespace

TEMPLATE_TEST_CASE("cuda: conformance of engines", "[cuda]", per_page_copy, coalesced_copy, (batched_copy<>),
                   tiny_batched_copy, (staged_copy<>), tiny_staged_copy, (kernel_copy<>), (kernel_copy<0>),
                   (window_copy<>))
{
  copy_engine_conformance<TestType, cuda_device>();
}

TEMPLATE_TEST_CASE("cuda: conformance of transfers", "[cuda]", (layerwise_transfer<>),
                   (layerwise_transfer<batched_copy<>>), (layerwise_transfer<window_copy<tiny_staged_copy>>),
                   (layerwise_transfer<onload_by<tiny_staged_copy>, offload_by<kernel_copy<>>>),
                   (immediate_transfer<tiny_batched_copy>), (immediate_transfer<window_copy<>>))
{
  transfer_conformance<TestType, cuda_device>();
}
