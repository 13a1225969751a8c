// Machines of all sorts: without a driver, without a GPU, with several; and a runtime that is gone.
#include "cuda/runtime/fake_runtime.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/cuda_device.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>

#include <memory>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;

using kvstrata_test::sentence_of;

int current()
{
  int ordinal = -1;
  REQUIRE(cudaGetDevice(&ordinal) == cudaSuccess);
  return ordinal;
}

void nothing_is_left()
{
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
  REQUIRE((fake_runtime::alive() == fake_runtime::census{}));
}

}  // namespace

TEST_CASE("probing tells how many GPUs there are, or why there is none")
{
  fake_runtime::reset(3);
  REQUIRE(cuda::probe_gpus().count == 3);
  REQUIRE(cuda::probe_gpus().reason.empty());
  fake_runtime::reset(0);
  cuda::gpu_report none = cuda::probe_gpus();
  REQUIRE_FALSE(none);
  REQUIRE(none.reason ==
          "no GPU can be used: cudaGetDeviceCount returned cudaErrorNoDevice (no CUDA-capable device is detected)");
  REQUIRE(cudaGetLastError() == cudaSuccess);  // nobody else need know
  REQUIRE(sentence_of<device_error>([] { cuda_device d; }) == "a CUDA device cannot be made: " + none.reason);
  fake_runtime::remove_driver();
  none = cuda::probe_gpus();
  REQUIRE(none.count == 0);
  REQUIRE(none.reason ==
          "this machine has no NVIDIA driver, or one too old: cudaGetDeviceCount returned cudaErrorInsufficientDriver "
          "(CUDA "
          "driver version is insufficient for CUDA runtime version)");
  fake_runtime::reset();
}

TEST_CASE("a configuration that makes no sense is turned down by field, value and limit")
{
  fake_runtime::reset(2);
  const auto refused = [](const cuda_device_config& config) {
    return sentence_of<config_error>([&] { cuda_device d(config); });
  };
  REQUIRE(refused({.ordinal = 2}) == "cuda_device.ordinal is 2, but this machine has 2 GPUs");
  REQUIRE(refused({.ordinal = -1}) == "cuda_device.ordinal is -1, but this machine has 2 GPUs");
  REQUIRE(refused({.batch_pieces = 0}) == "cuda_device.batch_pieces is 0, but a batch has at least 1 piece");
  REQUIRE(refused({.pin_threads = 1025}) == "cuda_device.pin_threads is 1025, but 1024 are the limit");
  fake_runtime::reset(1);
  REQUIRE(refused({.ordinal = 1}) == "cuda_device.ordinal is 1, but this machine has 1 GPU");
}

TEST_CASE("each device works on its own GPU, and the caller's current one stays")
{
  fake_runtime::reset(3, 1u << 20);
  {
    REQUIRE(cudaSetDevice(1) == cudaSuccess);
    cuda_device zero({.ordinal = 0, .trace = true});
    cuda_device two({.ordinal = 2, .batch_pieces = 2, .trace = true, .poison_freed = true});
    REQUIRE(two.gpu().name == "Fake GPU 2");
    REQUIRE(two.gpu().multiprocessors == 3);
    const auto host = two.allocate_pinned(4096, "host");
    const auto kept = two.allocate_device(1u << 20, "all of GPU 2");
    const auto mine = zero.allocate_device(1u << 20, "all of GPU 0");
    REQUIRE_THROWS_AS(zero.allocate_device(1, "more"), capacity_error);
    const stream_id a = zero.create_stream("a");
    const stream_id b = two.create_stream("b");
    const copy_piece pieces[] = {
        {kept.data(), host.data(), 8}, {kept.data() + 8, host.data() + 8, 8}, {kept.data() + 64, host.data() + 64, 8}};
    two.copy_batch(b, in, pieces);
    two.copy_kernel_launch(b, {"k", copy_route::to_device}, pieces);
    two.fill(b, kept.data(), std::byte{1}, 8);
    two.poison(b, kept.data(), 8);
    two.launch(b, {"asks"}, [](cudaStream_t) { REQUIRE(current() == 2); });
    REQUIRE_THROWS_AS(two.launch(b, {"throws"}, [](cudaStream_t) { throw 1; }), int);
    two.wait_sync(two.record(b));
    REQUIRE(two.trace().size() == 5);
    zero.fill(a, mine.data(), std::byte{1}, 8);
    zero.wait_sync(zero.record(a));
    REQUIRE(current() == 1);
  }
  REQUIRE(current() == 1);
  nothing_is_left();
  fake_runtime::reset();
}

TEST_CASE("memory may outlive its device, and several threads' current GPUs are their own")
{
  fake_runtime::reset(2);
  {
    cuda_device::memory slab;
    cuda_device::memory arena;
    {
      cuda_device d({.ordinal = 1});
      slab = d.allocate_device(64, "slab");
      arena = d.allocate_pinned(64, "arena");
      (void)d.create_stream("s");
    }
    arena.data()[63] = std::byte{1};
    REQUIRE(slab.size() == 64);
    REQUIRE(fake_runtime::alive().device_memory == 1);
    REQUIRE(fake_runtime::alive().streams == 0);
  }
  nothing_is_left();
  fake_runtime::reset();
}

TEST_CASE("everything can be destroyed after the runtime is gone")
{
  fake_runtime::reset();
  auto d = std::make_unique<cuda_device>(cuda_device_config{.trace = true});
  auto slab = d->allocate_device(64, "slab");
  auto arena = d->allocate_pinned(64, "arena");
  fake_runtime::set_attribute(cudaDevAttrHostRegisterSupported, 0);
  auto other = std::make_unique<cuda_device>();
  auto allocated = other->allocate_pinned(64, "allocated");
  const stream_id s = d->create_stream("s");
  d->copy(s, in, slab.data(), arena.data(), 64);
  const event point = d->record(s);
  d->wait_sync(point);
  d->copy(s, in, slab.data(), arena.data(), 64);
  fake_runtime::unload();
  REQUIRE(
      kvstrata_test::failure_of([&] { (void)d->record(s); }) ==
      "recording a point of stream 's' failed: cudaGetDevice returned cudaErrorCudartUnloading (driver shutting down)");
  const std::uint64_t before = fake_runtime::calls();
  const bool memory_first = GENERATE(true, false);
  if (memory_first) {
    slab = {};
    arena = {};
    allocated = {};
  }
  d.reset();
  other.reset();
  slab = {};
  arena = {};
  allocated = {};
  REQUIRE(fake_runtime::calls() > before);
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
  fake_runtime::reset();
}

TEST_CASE("engines queue on urgent streams, everybody else on ordinary ones")
{
  fake_runtime::reset();
  {
    cuda_device d;
    (void)d.create_stream("compute");
    REQUIRE(fake_runtime::urgent_streams() == 0);
    const staged_copy<>::on<cuda_device> engine(d, in);
    REQUIRE(fake_runtime::urgent_streams() == 2);  // its copies, its scatter
  }
  nothing_is_left();
}

TEST_CASE("errors that others left on a thread are not a kernel's, nor is not being ready")
{
  fake_runtime::reset();
  {
    cuda_device d;
    const stream_id s = d.create_stream("compute");
    fake_runtime::close_gates();
    const fake_runtime::gate_keeper keeper;
    const cudaStream_t theirs = d.native(s);
    d.launch(s, {"long"},
             [](cudaStream_t on) { REQUIRE(cudaLaunchHostFunc(on, [](void*) {}, nullptr) == cudaSuccess); });
    cudaEvent_t mark = nullptr;
    REQUIRE(cudaEventCreateWithFlags(&mark, cudaEventDisableTiming) == cudaSuccess);
    REQUIRE(cudaEventRecord(mark, theirs) == cudaSuccess);
    REQUIRE(cudaEventQuery(mark) == cudaErrorNotReady);
    d.launch(s, {"innocent"}, [](cudaStream_t) {});
    REQUIRE(cudaSetDevice(99) != cudaSuccess);
    d.launch(s, {"innocent"}, [](cudaStream_t) {});
    d.launch(s, {"innocent"}, [&](cudaStream_t) { REQUIRE(cudaEventQuery(mark) == cudaErrorNotReady); });
    fake_runtime::open_gates();
    d.wait_sync(d.record(s));
    REQUIRE(cudaEventDestroy(mark) == cudaSuccess);
  }
  static_cast<void>(fake_runtime::problems());
}
