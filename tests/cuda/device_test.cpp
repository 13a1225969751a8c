// The CUDA device is a device. This and its neighbours run twice: on the fake runtime everywhere, and on a GPU where there
// is one.
#include "device/device_conformance.hpp"

#include <kvstrata/device/cuda_device.hpp>

namespace {

using namespace kvstrata;

struct plain
{
  static auto make() { return std::make_unique<cuda_device>(); }
};

struct traced
{
  static auto make()
  {
    return std::make_unique<cuda_device>(cuda_device_config{.device_bytes = 8u << 20,
                                                            .pinned_bytes = 8u << 20,
                                                            .batch_pieces = 3,
                                                            .pin_threads = 2,
                                                            .huge_pages = false,
                                                            .trace = true,
                                                            .poison_freed = true});
  }
};

}  // namespace

TEST_CASE("cuda device: conformance") { kvstrata_test::device_conformance<plain>(); }
TEST_CASE("cuda device, traced, with short batches: conformance") { kvstrata_test::device_conformance<traced>(); }
