// The emulated device is a device, in real and in virtual time, with and without the checks.
#include "device/device_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>

namespace {

using namespace kvstrata;

struct real_time
{
  static auto make() { return std::make_unique<emulated_device>(); }
};

struct real_time_over_a_link
{
  static auto make()
  {
    emulated_device_config config;
    config.device_bytes = config.pinned_bytes = 4u << 20;
    config.to_device = {20e9, 2e-6};
    config.from_device = {10e9, 2e-6};
    config.trace = config.check_ordering = true;
    return std::make_unique<emulated_device>(config);
  }
};

template <std::uint64_t Seed, bool Reorder = false>
struct virtual_time
{
  static auto make()
  {
    emulated_device_config config;
    config.time = time_mode::virtual_time;
    config.device_bytes = config.pinned_bytes = 4u << 20;
    config.seed = Seed;
    config.to_device = {1e9, 1e-6};
    config.from_device = {2e9, 1e-6};
    config.jitter_seconds = Seed == 0 ? 0 : 1e-3;
    config.reorder_copies = config.share_compute = Reorder;
    config.trace = config.check_ordering = true;
    return std::make_unique<emulated_device>(config);
  }
};

}  // namespace

TEST_CASE("emulated device, real time: conformance") { kvstrata_test::device_conformance<real_time>(); }
TEST_CASE("emulated device, real time over links: conformance")
{
  kvstrata_test::device_conformance<real_time_over_a_link>();
}
TEST_CASE("emulated device, virtual time: conformance") { kvstrata_test::device_conformance<virtual_time<0>>(); }
TEST_CASE("emulated device, virtual time with delays: conformance")
{
  kvstrata_test::device_conformance<virtual_time<7>>();
}
TEST_CASE("emulated device, virtual time with links and multiprocessors that serve out of turn: conformance")
{
  kvstrata_test::device_conformance<virtual_time<11, true>>();
}
