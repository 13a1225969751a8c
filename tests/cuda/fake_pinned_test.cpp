// Pinned memory: how it comes about, and what the report says.
#include "cuda/runtime/fake_runtime.hpp"
#include "support/catch.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

void nothing_is_left()
{
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
  REQUIRE((fake_runtime::alive() == fake_runtime::census{}));
}

}  // namespace

TEST_CASE("pinned memory is mapped, touched by as many threads as asked for and registered in one call")
{
  fake_runtime::reset();
  const bool huge = GENERATE(true, false);
  {
    cuda_device d({.pin_threads = 3, .huge_pages = huge});
    constexpr std::size_t bytes = (std::size_t{100} << 20) + 1;
    const auto arena = d.allocate_pinned(bytes, "arena");
    REQUIRE(arena.size() == bytes);
    if (huge) REQUIRE(reinterpret_cast<std::uintptr_t>(arena.data()) % (2u << 20) == 0);
    arena.data()[0] = arena.data()[bytes - 1] = std::byte{1};
    REQUIRE((fake_runtime::alive() == fake_runtime::census{.registered = 1}));
    REQUIRE(fake_runtime::calls("cudaHostRegister") == 1);
    const pinned_report told = d.last_pinned_report();
    REQUIRE(told.name == "arena");
    REQUIRE(told.bytes == bytes);
    REQUIRE(told.threads == 3);
    REQUIRE(told.not_registered.empty());
    REQUIRE(told.touch_seconds > 0);
    REQUIRE(told.register_seconds > 0);
    REQUIRE(told.seconds() >= told.touch_seconds + told.register_seconds);
    if (told.huge_bytes) REQUIRE(*told.huge_bytes <= bytes + (2u << 20));
    REQUIRE(to_string(told).starts_with("pinned memory 'arena', 100.0 MiB, was ready after "));
    REQUIRE(to_string(told).find("touched by 3 threads in ") != std::string::npos);

    const auto small = d.allocate_pinned(100, "small");  // one stretch: nobody to share it with
    REQUIRE(d.last_pinned_report().threads == 1);
    REQUIRE(d.last_pinned_report().name == "small");
    REQUIRE_FALSE(d.last_pinned_report().huge_bytes.has_value());
    REQUIRE(to_string(d.last_pinned_report()).find("touched by 1 thread in ") != std::string::npos);
    REQUIRE(d.pinned_bytes_used() == bytes + 100);
  }
  nothing_is_left();
}

TEST_CASE("where memory cannot be registered it comes from cudaHostAlloc, and the report says why")
{
  fake_runtime::reset();
  const int way = GENERATE(0, 1, 2, 3);
  std::string why;
  if (way == 0) {
    fake_runtime::set_attribute(cudaDevAttrHostRegisterSupported, 0);
    why = "Fake GPU 0 cannot register host memory";
  } else if (way == 1) {
    fake_runtime::set_attribute(cudaDevAttrCanUseHostPointerForRegisteredMem, 0);
    why = "Fake GPU 0 cannot use registered host memory by its own address";
  }
  {
    cuda_device d;
    std::size_t bytes = 5000;
    if (way == 2) {
      fake_runtime::fail("cudaHostRegister", cudaErrorNotSupported);
      why = "cudaHostRegister returned cudaErrorNotSupported (operation not supported)";
    } else if (way == 3) {
      bytes = std::size_t{1} << 60;
    }
    if (way == 3) {
      REQUIRE_THROWS_AS(d.allocate_pinned(bytes, "arena"), capacity_error);
      REQUIRE(d.pinned_bytes_used() == 0);
    } else {
      const auto arena = d.allocate_pinned(bytes, "arena");
      arena.data()[4999] = std::byte{1};
      REQUIRE((fake_runtime::alive() == fake_runtime::census{.host_memory = 1}));
      const pinned_report told = d.last_pinned_report();
      REQUIRE(told.not_registered == why);
      REQUIRE(to_string(told).ends_with("s: cudaHostAlloc, because " + why));
      const auto slab = d.allocate_device(64, "slab");
      const stream_id s = d.create_stream("s");
      const copy_piece piece{slab.data(), arena.data() + 1, 64};
      d.copy_kernel_launch(s, {"k", copy_route::to_device}, {&piece, 1});
      d.launch(s, {"no stale error"}, [](cudaStream_t) {});
      d.wait_sync(d.record(s));
    }
  }
  nothing_is_left();
  fake_runtime::reset();
}

TEST_CASE("memory whose registration cannot be ended is left alone")
{
  fake_runtime::reset();
  {
    cuda_device d;
    auto arena = d.allocate_pinned(5000, "arena");
    std::byte* const data = arena.data();
    fake_runtime::fail("cudaHostUnregister", cudaErrorLaunchFailure);
    arena = {};
    data[0] = std::byte{1};  // still mapped: the driver may hold it
    REQUIRE(d.pinned_bytes_used() == 0);
  }
  nothing_is_left();
}

TEST_CASE("pinned memory that a broken device refuses is a failure of the device, not a matter of room")
{
  fake_runtime::reset();
  fake_runtime::set_attribute(cudaDevAttrHostRegisterSupported, 0);  // cudaHostAlloc is asked at once
  {
    cuda_device d;
    const stream_id s = d.create_stream("s");
    fake_runtime::fail("cudaHostAlloc", cudaErrorMemoryAllocation);
    REQUIRE_THROWS_AS(d.allocate_pinned(4096, "arena"), capacity_error);
    REQUIRE(d.query(d.record(s)));  // nothing is broken
    fake_runtime::fail("cudaHostAlloc", cudaErrorIllegalAddress);
    REQUIRE_THROWS_AS(d.allocate_pinned(4096, "arena"), device_error);
    REQUIRE(d.pinned_bytes_used() == 0);
    REQUIRE_THROWS_AS(d.record(s), device_error);
  }
}
