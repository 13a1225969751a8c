// The conformance suites on a device of which nothing is known but the concept: an engine of each kind.
#include "support/plain_device.hpp"
#include "transfer/transfer_conformance.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

using tiny_staged_copy = staged_copy<2048, 2>;

}  // namespace

TEMPLATE_TEST_CASE("engines on any device: conformance", "[transfer]", per_page_copy, coalesced_copy, batched_copy<3>,
                   tiny_staged_copy, kernel_copy<>)
{
  copy_engine_conformance<TestType, plain_device>();
}

TEMPLATE_TEST_CASE("transfers on any device: conformance", "[transfer]", (layerwise_transfer<>),
                   (layerwise_transfer<window_copy<tiny_staged_copy>>), (immediate_transfer<kernel_copy<>>))
{
  transfer_conformance<TestType, plain_device>();
}
