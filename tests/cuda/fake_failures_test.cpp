// What the runtime turns down: whose call it was, that it stays, and that nothing is left behind.
#include "cuda/runtime/fake_runtime.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/device/cuda_device.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;
constexpr auto in = copy_direction::to_device;
constexpr auto out = copy_direction::from_device;

using kvstrata_test::failure_of;
using kvstrata_test::sentence_of;

void nothing_is_left()
{
  REQUIRE(fake_runtime::problems() == std::vector<std::string>{});
  REQUIRE((fake_runtime::alive() == fake_runtime::census{}));
}

/// A device that goes before its memory does.
struct bench
{
  explicit bench(const cuda_device_config& config = {}) : d(std::make_unique<cuda_device>(config))
  {
    mem = d->allocate_device(4096, "mem");
    host = d->allocate_pinned(4096, "host");
    back = d->allocate_pinned(4096, "back");
  }
  cuda_device::memory mem, host, back;
  std::unique_ptr<cuda_device> d;
};

/// A bit of everything. True when the bytes came back as they went.
bool try_everything()
{
  const cuda_device_config config{.batch_pieces = 2, .trace = true, .poison_freed = true};
  bench t(config);
  cuda_device& d = *t.d;
  const stream_id one = d.create_stream("one");
  const stream_id two = d.create_stream("two");
  for (std::size_t i = 0; i < 4096; ++i) t.host.data()[i] = static_cast<std::byte>(i % 251);
  d.fill(one, t.mem.data(), std::byte{1}, 4096);
  d.copy(one, in, t.mem.data(), t.host.data(), 1024);
  std::vector<copy_piece> pieces;
  for (std::size_t i = 0; i < 5; ++i)
    pieces.push_back({t.mem.data() + 1024 + i * 64, t.host.data() + 1024 + i * 64, 64});
  d.copy_batch(one, in, pieces);
  const copy_piece last{t.mem.data() + 1344, t.host.data() + 1344, 2752};
  d.copy_kernel_launch(one, {"rest", copy_route::to_device, 1}, {&last, 1});
  const event there = d.record(one);
  d.wait(two, there);
  const stream_id disk = d.create_host_stream("disk");
  const event got = d.promise(disk);
  if (d.why_no_host_waits().empty()) d.wait(two, got);
  d.complete(got);
  d.launch(two, {"nothing"}, [](cudaStream_t) {});
  d.copy(two, out, t.back.data(), t.mem.data(), 4096);
  const event all = d.record(two);
  (void)d.query(all);
  d.wait_sync(all);
  d.poison(one, t.mem.data(), 4096);
  (void)d.trace();
  (void)d.stats();
  return std::equal(t.back.data(), t.back.data() + 4096, t.host.data());
}

/// Failures of these are got over: nobody's bytes depend on them.
bool may_be_silent(const std::string& function)
{
  for (const char* const one :
       {"cudaFree", "cudaFreeHost", "cudaHostUnregister", "cudaEventDestroy", "cudaStreamDestroy",
        "cudaStreamSynchronize", "cudaGetLastError", "cudaEventElapsedTime", "cudaHostRegister", "cudaGetDevice",
        "cudaEventQuery", "cudaDeviceGetAttribute", "cudaGetDriverEntryPointByVersion"}) {
    if (function == one) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("every call of the runtime fails in turn: it is named, or nobody notices; nothing is left")
{
  const std::uint64_t times = GENERATE(std::uint64_t{1}, std::uint64_t{1} << 40);  // once, or for good
  std::uint64_t after = 0;
  std::uint64_t thrown = 0;
  for (;; ++after) {
    fake_runtime::reset();
    fake_runtime::fail("", cudaErrorLaunchFailure, after, times);
    std::string told;
    bool right = false;
    try {
      right = try_everything();
    } catch (const device_error& failed) {
      told = failed.what();
    } catch (const capacity_error& failed) {
      told = failed.what();
    }
    const std::string struck = fake_runtime::failed_function();
    nothing_is_left();
    if (struck.empty()) {
      REQUIRE(right);
      break;
    }
    CAPTURE(after, struck, told);
    if (told.empty()) {
      REQUIRE((may_be_silent(struck) || times != 1));
      REQUIRE(right);
    } else {
      ++thrown;
      if (times == 1)
        REQUIRE(told.find(struck + " returned cudaErrorLaunchFailure (unspecified launch failure)") !=
                std::string::npos);
      REQUIRE(told.find("returned cudaErrorLaunchFailure") != std::string::npos);
    }
  }
  REQUIRE(after > 80);
  REQUIRE(thrown > 40);
  fake_runtime::reset();
}

TEST_CASE("a call that the runtime turns down names itself, and what it was for; later calls repeat it")
{
  fake_runtime::reset();
  {
    bench t;
    cuda_device& d = *t.d;
    const stream_id s = d.create_stream("onload");
    const stream_id other = d.create_stream("other");
    d.copy(s, in, t.mem.data(), t.host.data(), 8);
    const event before = d.record(s);
    fake_runtime::fail("cudaMemcpyAsync", cudaErrorLaunchFailure);
    const std::string said =
        "copy to device of 16 bytes on stream 'onload' failed: cudaMemcpyAsync returned cudaErrorLaunchFailure "
        "(unspecified launch failure)";
    REQUIRE(failure_of([&] { d.copy(s, in, t.mem.data(), t.host.data(), 16); }) == said);
    const copy_piece piece{t.mem.data(), t.host.data(), 8};
    for (const std::function<void()>& call : std::initializer_list<std::function<void()>>{
             [&] { (void)d.record(s); }, [&] { (void)d.query(before); }, [&] { (void)d.query(event{}); },
             [&] { d.wait_sync(before); }, [&] { d.wait(other, before); },
             [&] { d.copy(other, in, t.mem.data(), t.host.data(), 8); }, [&] { d.copy_batch(s, in, {&piece, 1}); },
             [&] { d.copy_kernel_launch(s, {"k", copy_route::to_device}, {&piece, 1}); },
             [&] { d.launch(s, {"k"}, [](cudaStream_t) {}); }, [&] { d.fill(s, t.mem.data(), {}, 1); },
             [&] { (void)d.create_stream("third"); }}) {
      REQUIRE(failure_of(call) == said);
    }
    REQUIRE(sentence_of<device_error>([&] { (void)d.record(s); }) ==
            said + "; give up its caches, and the process: CUDA answers it so from now on");
    REQUIRE(sentence_of<usage_error>([&] { (void)d.record(stream_id{9}); }) ==
            "stream 9 is unknown: this device has 2 streams");
  }
  nothing_is_left();
}

TEST_CASE("a copy that the runtime turns down for reasons of its own is refused, and the device works on")
{
  const cudaError_t code = GENERATE(cudaErrorInvalidValue, cudaErrorMemoryAllocation, cudaErrorInvalidConfiguration,
                                    cudaErrorLaunchOutOfResources, cudaErrorNotPermitted);
  const bool trace = GENERATE(false, true);
  fake_runtime::reset();
  {
    bench t({.trace = trace});
    cuda_device& d = *t.d;
    const stream_id s = d.create_stream("onload");
    const copy_piece pieces[] = {{t.mem.data(), t.host.data(), 8}, {t.mem.data() + 8, t.host.data() + 8, 8}};
    const std::string returned =
        std::string(" returned ") + cudaGetErrorName(code) + " (" + cudaGetErrorString(code) + ")";
    const auto refused = [&](const char* function, const std::string& what, const std::function<void()>& call) {
      fake_runtime::fail(function, code);
      REQUIRE(sentence_of<copy_refused>(call) == what + " on stream 'onload' failed: " + function + returned);
      call();  // and nothing is left of it
      d.launch(s, {"no stale error"}, [](cudaStream_t) {});
    };
    refused("cudaMemcpyAsync", "copy to device of 16 bytes", [&] { d.copy(s, in, t.mem.data(), t.host.data(), 16); });
    refused("cudaMemcpyBatchAsync", "copy to device of 16 bytes", [&] { d.copy_batch(s, in, pieces); });
    refused("cudaLaunchKernel", "copy kernel 'mover' of 16 bytes",
            [&] { d.copy_kernel_launch(s, {"mover", copy_route::to_device}, pieces); });
    d.wait_sync(d.record(s));
    REQUIRE(d.stats().launches() == 6);  // kernels, and copies that were taken
    fake_runtime::fail("cudaMemsetAsync", code);
    REQUIRE_THROWS_AS(d.fill(s, t.mem.data(), {}, 5), device_error);  // nobody can do without it
  }
  nothing_is_left();
}

TEST_CASE("sentences of other calls")
{
  struct expected
  {
    const char* function;
    std::function<void(bench&, stream_id)> call;
    const char* what;
  };
  const auto batch = [](bench& t, stream_id s) {
    const copy_piece pieces[] = {{t.mem.data(), t.host.data(), 8}, {t.mem.data() + 8, t.host.data() + 8, 8}};
    t.d->copy_batch(s, in, pieces);
  };
  const auto mover = [](bench& t, stream_id s) {
    const copy_piece pieces[] = {{t.host.data(), t.mem.data(), 24}};
    t.d->copy_kernel_launch(s, {"mover", copy_route::from_device}, pieces);
  };
  const std::vector<expected> all{
      {"cudaMemcpyBatchAsync", batch, "copy to device of 16 bytes on stream 'onload'"},
      {"cudaLaunchKernel", mover, "copy kernel 'mover' of 24 bytes on stream 'onload'"},
      {"cudaMemsetAsync", [](bench& t, stream_id s) { t.d->fill(s, t.mem.data(), {}, 5); },
       "fill of 5 bytes on stream 'onload'"},
      {"cudaGetLastError", [](bench& t, stream_id s) { t.d->launch(s, {"attention"}, [](cudaStream_t) {}); },
       "kernel 'attention' on stream 'onload'"},
      {"cudaEventCreateWithFlags",
       [](bench& t, stream_id s) {
         t.d->fill(s, t.mem.data(), {}, 5);
         (void)t.d->record(s);
       },
       "recording a point of stream 'onload'"},
      {"cudaStreamCreateWithPriority", [](bench& t, stream_id) { (void)t.d->create_stream("late"); },
       "creating stream 'late'"},
      {"cudaMalloc", [](bench& t, stream_id) { (void)t.d->allocate_device(8, "slab"); },
       "allocating device memory 'slab'"},
  };
  for (const expected& e : all) {
    fake_runtime::reset();
    {
      bench t;
      const stream_id s = t.d->create_stream("onload");
      const bool asked_twice = e.function == std::string_view("cudaGetLastError");  // before and after
      fake_runtime::fail(e.function, cudaErrorLaunchFailure, asked_twice ? 1 : 0);
      REQUIRE(failure_of([&] { e.call(t, s); }) == std::string(e.what) + " failed: " + e.function +
                                                       " returned cudaErrorLaunchFailure (unspecified launch failure)");
    }
    nothing_is_left();
  }
}

TEST_CASE("an operation that fails while it runs is found by whoever asks next")
{
  fake_runtime::reset();
  {
    bench t;
    cuda_device& d = *t.d;
    const stream_id s = d.create_stream("onload");
    const fake_runtime::gate_keeper keeper;
    fake_runtime::close_gates();
    fake_runtime::fail_operation(cudaErrorIllegalAddress, 1);
    d.copy(s, in, t.mem.data(), t.host.data(), 8);
    d.copy(s, in, t.mem.data(), t.host.data(), 8);  // this one
    const event point = d.record(s);
    REQUIRE_FALSE(d.query(point));
    fake_runtime::open_gates();
    const std::string said =
        "waiting for stream 'onload' failed: cudaEventSynchronize returned cudaErrorIllegalAddress (an illegal memory "
        "access was encountered)";
    const std::string asked =
        "waiting for stream 'onload' failed: cudaEventQuery returned cudaErrorIllegalAddress (an illegal memory access "
        "was encountered)";
    const std::string first = failure_of([&] { d.wait_sync(point); });
    REQUIRE((first == said || first == asked));
    REQUIRE(failure_of([&] { (void)d.query(point); }) == first);
    REQUIRE(failure_of([&] { (void)d.record(s); }) == first);
  }
  nothing_is_left();
  fake_runtime::reset();
}

TEST_CASE("a kernel that cannot be launched is found at its launch; one that throws goes through")
{
  fake_runtime::reset();
  {
    bench t;
    cuda_device& d = *t.d;
    const stream_id s = d.create_stream("compute");
    REQUIRE_THROWS_AS(d.launch(s, {"k"}, [](cudaStream_t) { throw 5; }), int);
    const event after_throw = d.record(s);
    REQUIRE(after_throw.sequence == 1);  // what it had queued until then is not known
    d.wait_sync(after_throw);
    const fake_runtime::gate_keeper keeper;
    fake_runtime::close_gates();
    d.fill(s, t.mem.data(), {}, 4);
    REQUIRE_FALSE(d.query(d.record(s)));  // "not ready" is the thread's last error now, unless it was forgotten
    d.launch(s, {"fine"}, [](cudaStream_t) {});
    fake_runtime::open_gates();
    const std::string said = failure_of([&] {
      d.launch(s, {"too large"}, [](cudaStream_t) { (void)cudaSetDevice(77); });  // leaves an error, as a launch would
    });
    REQUIRE(said ==
            "kernel 'too large' on stream 'compute' failed: cudaGetLastError returned cudaErrorInvalidDevice (invalid "
            "device ordinal)");
  }
  nothing_is_left();
}

TEST_CASE("memory that cannot be had is no failure of the device")
{
  fake_runtime::reset(1, 10000);
  {
    bench t;
    cuda_device& d = *t.d;
    const stream_id s = d.create_stream("s");
    REQUIRE(sentence_of<capacity_error>([&] { (void)d.allocate_device(6000, "slab"); }) ==
            "device memory 'slab' of 6000 bytes cannot be had: cudaMalloc returned cudaErrorMemoryAllocation (out of "
            "memory); "
            "5904 of 10000 bytes are free on GPU 0, Fake GPU 0");
    d.copy(s, in, t.mem.data(), t.host.data(), 8);
    d.launch(s, {"k"}, [](cudaStream_t) {});  // no stale last error
    d.wait_sync(d.record(s));
    REQUIRE(d.device_bytes_used() == 4096);
    const auto rest = d.allocate_device(5904, "rest");
    fake_runtime::fail("cudaHostAlloc", cudaErrorMemoryAllocation);
    fake_runtime::set_attribute(cudaDevAttrHostRegisterSupported, 0);
    cuda_device other;
    REQUIRE(
        sentence_of<capacity_error>([&] { (void)other.allocate_pinned(4096, "arena"); }) ==
        "pinned memory 'arena' of 4096 bytes cannot be had: cudaHostAlloc returned cudaErrorMemoryAllocation (out of "
        "memory), and Fake GPU 0 cannot register host memory");
    REQUIRE(other.pinned_bytes_used() == 0);
    (void)other.create_stream("alive");
  }
  nothing_is_left();
}
