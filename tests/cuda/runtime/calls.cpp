// The functions of cudart that cuda_device calls, as cuda_runtime_api.h declares them.
#include "cuda/runtime/machine.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

using namespace fake_runtime;

namespace {

/// Of every call: the machine's lock, the count, what was injected.
struct call
{
  explicit call(const char* function) : name(function), lock(m.mutex), code(m.enter(function)) {}
  [[nodiscard]] bool refused() const noexcept { return code != cudaSuccess; }
  [[nodiscard]] cudaError_t failed(cudaError_t with) const { return answer(with); }

  uncounted hidden;
  machine& m = machine::get();
  const char* name;
  std::unique_lock<std::mutex> lock;
  cudaError_t code;
};

std::byte* map(std::size_t bytes, int access)
{
  void* const at = mmap(nullptr, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

std::uintptr_t address(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

/// What runs on the stream, unless an operation fails before it or is to fail itself.
template <class Work>
std::function<void()> operation(Work work)
{
  return [work = std::move(work)] {
    machine& m = machine::get();
    {
      const std::lock_guard lock(m.mutex);
      if (m.operation_code != cudaSuccess && m.operation_after-- == 0)
        m.broken = std::exchange(m.operation_code, cudaSuccess);
      if (m.broken != cudaSuccess) return;
    }
    work();
  };
}

/// Moves bytes between wherever they are now.
void move(void* dst, const void* src, std::size_t bytes, const char* function)
{
  machine& m = machine::get();
  location to;
  location from;
  {
    const std::lock_guard lock(m.mutex);
    to = m.locate(dst, bytes, function);
    from = m.locate(src, bytes, function);
  }
  if (to.at != nullptr && from.at != nullptr) std::memmove(to.at, from.at, bytes);
}

stream_object* known(call& c, cudaStream_t stream)
{
  auto* const s = reinterpret_cast<stream_object*>(stream);
  if (stream != nullptr && c.m.streams.contains(s)) return s;
  c.m.problem(std::string(c.name) +
              (stream == nullptr ? " was given the NULL stream" : " was given a stream that is none"));
  return nullptr;
}
event_object* known(call& c, cudaEvent_t event)
{
  auto* const e = reinterpret_cast<event_object*>(event);
  if (c.m.events.contains(e)) return e;
  c.m.problem(std::string(c.name) + " was given an event that is none");
  return nullptr;
}
void want_current(call& c, const stream_object& s)
{
  if (s.gpu == current_gpu()) return;
  c.m.problem(std::string(c.name) + " on a stream of GPU " + std::to_string(s.gpu) + " while GPU " +
              std::to_string(current_gpu()) + " is current");
}

/// cuStreamWaitValue64. Nobody tells a GPU that a word has changed: it looks now and then.
int wait_for_word(cudaStream_t stream, unsigned long long word, std::uint64_t least, unsigned int flags)
{
  call c("cuStreamWaitValue64");
  if (c.refused()) return c.code;  // the driver's answers are no last errors of the runtime's
  const stream_object* const s = known(c, stream);
  if (s == nullptr) return cudaErrorInvalidResourceHandle;
  want_current(c, *s);
  const auto* const at = reinterpret_cast<const std::atomic<std::uint64_t>*>(word);
  const location real = c.m.locate(at, sizeof *at, c.name);
  if (real.where != place::registered && real.where != place::host_alloc) {
    c.m.problem("cuStreamWaitValue64 was given memory that is not pinned");
    return cudaErrorInvalidValue;
  }
  if (word % sizeof *at != 0 || flags != 0) return cudaErrorInvalidValue;
  c.m.queue(stream, c.name, [at, least] {
    machine& m = machine::get();
    std::unique_lock lock(m.mutex);
    while (m.broken == cudaSuccess && static_cast<std::int64_t>(at->load(std::memory_order_acquire) - least) < 0) {
      m.changed.wait_for(lock, std::chrono::milliseconds(1));
    }
  });
  return cudaSuccess;
}

double clock_now(const machine& m)
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count() + m.offset;
}

struct error_name
{
  cudaError_t code;
  const char* name;
  const char* text;
};
constexpr error_name error_names[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorCudartUnloading, "cudaErrorCudartUnloading", "driver shutting down"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorCallRequiresNewerDriver, "cudaErrorCallRequiresNewerDriver",
     "API call is not supported in the installed CUDA driver"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
};
const error_name& named(cudaError_t code)
{
  static constexpr error_name unknown{cudaErrorUnknown, "cudaErrorUnknown", "unknown error"};
  const auto* const found =
      std::find_if(std::begin(error_names), std::end(error_names), [&](const error_name& e) { return e.code == code; });
  return found == std::end(error_names) ? unknown : *found;
}

}  // namespace

extern "C" {

// --- errors ----------------------------------------------------------------------------------------------------------------

const char* CUDARTAPI cudaGetErrorName(cudaError_t code) { return named(code).name; }
const char* CUDARTAPI cudaGetErrorString(cudaError_t code) { return named(code).text; }
cudaError_t CUDARTAPI cudaGetLastError()
{
  const call c("cudaGetLastError");
  if (c.refused()) return c.failed(c.code);
  return std::exchange(last_error(), cudaSuccess);
}

// --- GPUs ------------------------------------------------------------------------------------------------------------------

cudaError_t CUDARTAPI cudaGetDeviceCount(int* count)
{
  const call c("cudaGetDeviceCount");
  if (c.refused()) return c.failed(c.code);
  if (c.m.gpus == 0) return c.failed(cudaErrorNoDevice);
  *count = c.m.gpus;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaGetDevice(int* ordinal)
{
  const call c("cudaGetDevice");
  if (c.refused()) return c.failed(c.code);
  *ordinal = current_gpu();
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaSetDevice(int ordinal)
{
  const call c("cudaSetDevice");
  if (c.refused()) return c.failed(c.code);
  if (ordinal < 0 || ordinal >= c.m.gpus) return c.failed(cudaErrorInvalidDevice);
  current_gpu() = ordinal;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDeviceGetAttribute(int* value, cudaDeviceAttr what, int ordinal)
{
  call c("cudaDeviceGetAttribute");
  if (c.refused()) return c.failed(c.code);
  if (ordinal < 0 || ordinal >= c.m.gpus) return c.failed(cudaErrorInvalidDevice);
  const auto found = c.m.attributes.find(what);
  if (found == c.m.attributes.end()) return c.failed(cudaErrorInvalidValue);
  *value = found->second;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaGetDeviceProperties(cudaDeviceProp* out, int ordinal)
{
  const call c("cudaGetDeviceProperties");
  if (c.refused()) return c.failed(c.code);
  if (ordinal < 0 || ordinal >= c.m.gpus) return c.failed(cudaErrorInvalidDevice);
  *out = cudaDeviceProp{};
  std::snprintf(out->name, sizeof out->name, "Fake GPU %d", ordinal);
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaMemGetInfo(std::size_t* free, std::size_t* total)
{
  const call c("cudaMemGetInfo");
  if (c.refused()) return c.failed(c.code);
  *total = *free = c.m.device_bytes;
  for (const auto& [at, a] : c.m.memory) *free -= a.where == place::device && a.gpu == current_gpu() ? a.bytes : 0;
  return cudaSuccess;
}

// --- memory ----------------------------------------------------------------------------------------------------------------

cudaError_t CUDARTAPI cudaMalloc(void** out, std::size_t bytes)
{
  call c("cudaMalloc");
  if (c.refused()) return c.failed(c.code);
  std::size_t used = 0;
  for (const auto& [at, a] : c.m.memory) used += a.where == place::device && a.gpu == current_gpu() ? a.bytes : 0;
  if (bytes > c.m.device_bytes - used) return c.failed(cudaErrorMemoryAllocation);
  std::byte* const shown = map(bytes, PROT_NONE);  // stays reserved for good: no address comes twice
  std::byte* const backing = map(bytes, PROT_READ | PROT_WRITE);
  if (shown == nullptr || backing == nullptr) return c.failed(cudaErrorMemoryAllocation);
  std::memset(backing, 0xA5, (std::min)(bytes, std::size_t{16} << 20));  // nobody may take it to be zero
  c.m.memory[address(shown)] = {bytes, place::device, current_gpu(), backing};
  *out = shown;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaFree(void* at)
{
  call c("cudaFree");
  const auto found = c.m.memory.find(address(at));
  if (c.code == cudaErrorCudartUnloading) return c.failed(c.code);
  if (found == c.m.memory.end() || found->second.where != place::device) {
    c.m.problem("cudaFree was given what cudaMalloc did not give");
    return c.failed(cudaErrorInvalidValue);
  }
  if (found->second.gpu != current_gpu()) c.m.problem("cudaFree of memory of another GPU than the current one");
  munmap(found->second.backing, found->second.bytes);
  c.m.gone[found->first] = found->second.bytes;
  c.m.memory.erase(found);
  return c.failed(c.code);
}
cudaError_t CUDARTAPI cudaHostAlloc(void** out, std::size_t bytes, unsigned int)
{
  call c("cudaHostAlloc");
  if (c.refused()) return c.failed(c.code);
  std::byte* const at = map(bytes, PROT_READ | PROT_WRITE);
  if (at == nullptr) return c.failed(cudaErrorMemoryAllocation);
  c.m.memory[address(at)] = {bytes, place::host_alloc, 0, nullptr};
  *out = at;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaFreeHost(void* at)
{
  call c("cudaFreeHost");
  if (c.code == cudaErrorCudartUnloading) return c.failed(c.code);
  const auto found = c.m.memory.find(address(at));
  if (found == c.m.memory.end() || found->second.where != place::host_alloc) {
    c.m.problem("cudaFreeHost was given what cudaHostAlloc did not give");
    return c.failed(cudaErrorInvalidValue);
  }
  munmap(at, found->second.bytes);
  c.m.memory.erase(found);
  return c.failed(c.code);
}
cudaError_t CUDARTAPI cudaHostRegister(void* at, std::size_t bytes, unsigned int)
{
  call c("cudaHostRegister");
  if (c.refused()) return c.failed(c.code);
  for (const auto& [begin, a] : c.m.memory) {
    if (begin < address(at) + bytes && begin + a.bytes > address(at)) {
      return c.failed(cudaErrorHostMemoryAlreadyRegistered);
    }
  }
  c.m.memory[address(at)] = {bytes, place::registered, 0, nullptr};
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaHostUnregister(void* at)
{
  call c("cudaHostUnregister");
  if (c.code == cudaErrorCudartUnloading) return c.failed(c.code);
  const auto found = c.m.memory.find(address(at));
  if (found == c.m.memory.end() || found->second.where != place::registered) {
    c.m.problem("cudaHostUnregister was given what is not registered");
    return c.failed(cudaErrorHostMemoryNotRegistered);
  }
  c.m.memory.erase(found);
  return c.failed(c.code);
}

// --- streams ---------------------------------------------------------------------------------------------------------------

cudaError_t CUDARTAPI cudaDeviceGetStreamPriorityRange(int* least, int* greatest)
{
  call c("cudaDeviceGetStreamPriorityRange");
  if (c.refused()) return c.failed(c.code);
  *least = 0;
  *greatest = most_urgent;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaStreamCreateWithPriority(cudaStream_t* out, unsigned int flags, int priority)
{
  call c("cudaStreamCreateWithPriority");
  if (c.refused()) return c.failed(c.code);
  if (priority > 0 || priority < most_urgent) c.m.problem("a stream was created with a priority that there is not");
  if (priority == most_urgent) ++c.m.urgent_streams;
  if (flags != cudaStreamNonBlocking) c.m.problem("a stream was created that waits for the NULL stream");
  auto* const s = new stream_object;
  s->gpu = current_gpu();
  s->worker = std::thread([&m = c.m, s] { m.work(*s); });
  c.m.streams.insert(s);
  *out = reinterpret_cast<cudaStream_t>(s);
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaStreamDestroy(cudaStream_t stream)
{
  call c("cudaStreamDestroy");
  if (c.code == cudaErrorCudartUnloading) return c.failed(c.code);
  stream_object* const s = known(c, stream);
  if (s == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  c.m.streams.erase(s);
  s->closing = true;
  c.m.changed.notify_all();
  const cudaError_t code = c.code;
  c.lock.unlock();
  s->worker.join();
  delete s;
  return answer(code);
}
cudaError_t CUDARTAPI cudaStreamSynchronize(cudaStream_t stream)
{
  call c("cudaStreamSynchronize");
  if (c.code == cudaErrorCudartUnloading) return c.failed(c.code);
  const stream_object* const s = known(c, stream);
  if (s == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  c.m.changed.wait(c.lock, [&] { return s->queue.empty() && !s->busy; });
  return c.failed(c.refused() ? c.code : c.m.broken);
}
cudaError_t CUDARTAPI cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int)
{
  call c("cudaStreamWaitEvent");
  if (c.refused()) return c.failed(c.code);
  const event_object* const e = known(c, event);
  if (e == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  if (e->captured == nullptr) c.m.problem("cudaStreamWaitEvent was given an event that was never recorded");
  const bool queued = c.m.queue(stream, c.name, [mark = e->captured] {
    machine& m = machine::get();
    std::unique_lock lock(m.mutex);
    m.changed.wait(lock, [&] { return mark == nullptr || mark->passed; });
  });
  return queued ? cudaSuccess : c.failed(cudaErrorInvalidResourceHandle);
}
cudaError_t CUDARTAPI cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned int version,
                                                       unsigned long long flags, cudaDriverEntryPointQueryResult* found)
{
  call c("cudaGetDriverEntryPointByVersion");
  if (c.refused()) return c.failed(c.code);
  const bool known = std::string_view(symbol) == "cuStreamWaitValue64" && version >= 9000 && !c.m.hides_driver_calls;
  if (flags != cudaEnableDefault) c.m.problem("a function of the driver was looked up in another way than the usual");
  *function = known ? reinterpret_cast<void*>(&wait_for_word) : nullptr;
  *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data)
{
  call c("cudaLaunchHostFunc");
  if (c.refused()) return c.failed(c.code);
  const bool queued = c.m.queue(stream, c.name, operation([function, data] { function(data); }));
  return queued ? cudaSuccess : c.failed(cudaErrorInvalidResourceHandle);
}

// --- events ----------------------------------------------------------------------------------------------------------------

cudaError_t CUDARTAPI cudaEventCreateWithFlags(cudaEvent_t* out, unsigned int flags)
{
  call c("cudaEventCreateWithFlags");
  if (c.refused()) return c.failed(c.code);
  auto* const e = new event_object;
  e->gpu = current_gpu();
  e->timing = (flags & cudaEventDisableTiming) == 0;
  c.m.events.insert(e);
  *out = reinterpret_cast<cudaEvent_t>(e);
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaEventDestroy(cudaEvent_t event)
{
  call c("cudaEventDestroy");
  if (c.code == cudaErrorCudartUnloading) return c.failed(c.code);
  event_object* const e = known(c, event);
  if (e == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  c.m.events.erase(e);
  delete e;
  return c.failed(c.code);
}
cudaError_t CUDARTAPI cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
  call c("cudaEventRecord");
  if (c.refused()) return c.failed(c.code);
  event_object* const e = known(c, event);
  const stream_object* const s = known(c, stream);
  if (e == nullptr || s == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  if (e->gpu != s->gpu) {
    c.m.problem("cudaEventRecord was given an event and a stream of two GPUs");
    return c.failed(cudaErrorInvalidResourceHandle);
  }
  const auto captured = std::make_shared<mark>();
  e->captured = captured;
  c.m.queue(stream, c.name, [captured] {
    machine& m = machine::get();
    const std::lock_guard lock(m.mutex);
    captured->passed = true;
    captured->seconds = clock_now(m);
    m.changed.notify_all();
  });
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaEventQuery(cudaEvent_t event)
{
  call c("cudaEventQuery");
  if (c.refused()) return c.failed(c.code);
  const event_object* const e = known(c, event);
  if (e == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  return c.failed(e->captured == nullptr || e->captured->passed ? cudaSuccess : cudaErrorNotReady);
}
cudaError_t CUDARTAPI cudaEventSynchronize(cudaEvent_t event)
{
  call c("cudaEventSynchronize");
  if (c.refused()) return c.failed(c.code);
  ++c.m.held;
  c.m.changed.wait(c.lock, [&] { return !c.m.holds_synchronize; });
  --c.m.held;
  const event_object* const e = known(c, event);
  if (e == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<mark> captured = e->captured;
  c.m.changed.wait(c.lock, [&] { return captured == nullptr || captured->passed; });
  return c.failed(c.m.broken);
}
cudaError_t CUDARTAPI cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
  call c("cudaEventElapsedTime");
  if (c.refused()) return c.failed(c.code);
  const event_object* const a = known(c, begin);
  const event_object* const b = known(c, end);
  if (a == nullptr || b == nullptr || !a->timing || !b->timing || a->captured == nullptr || b->captured == nullptr) {
    c.m.problem("cudaEventElapsedTime was given events without times");
    return c.failed(cudaErrorInvalidResourceHandle);
  }
  if (!a->captured->passed || !b->captured->passed) return c.failed(cudaErrorNotReady);
  *milliseconds = static_cast<float>((b->captured->seconds - a->captured->seconds) * 1000);
  return cudaSuccess;
}

// --- copies ----------------------------------------------------------------------------------------------------------------

cudaError_t CUDARTAPI cudaMemcpyAsync(void* dst, const void* src, std::size_t bytes, cudaMemcpyKind kind,
                                      cudaStream_t stream)
{
  call c("cudaMemcpyAsync");
  if (c.refused()) return c.failed(c.code);
  const bool to = c.m.locate(dst, bytes, c.name).where == place::device;
  const bool from = c.m.locate(src, bytes, c.name).where == place::device;
  const cudaMemcpyKind is = to ? (from ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
                               : (from ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
  if (kind != cudaMemcpyDefault && kind != is) {
    c.m.problem("cudaMemcpyAsync was told another direction than its addresses");
    return c.failed(cudaErrorInvalidValue);
  }
  if (is == cudaMemcpyHostToHost) c.m.problem("cudaMemcpyAsync between two ends in host memory blocks the host");
  const bool queued = c.m.queue(stream, c.name, operation([=, name = c.name] { move(dst, src, bytes, name); }));
  return queued ? cudaSuccess : c.failed(cudaErrorInvalidResourceHandle);
}

/// Moves the pieces last to first: their order means nothing.
cudaError_t CUDARTAPI cudaMemcpyBatchAsync(void* const* dsts, const void* const* srcs, const std::size_t* sizes,
                                           std::size_t count, cudaMemcpyAttributes* attributes, std::size_t* indices,
                                           std::size_t attribute_count, cudaStream_t stream)
{
  call c("cudaMemcpyBatchAsync");
  if (c.refused()) return c.failed(c.code);
  if (count == 0 || attribute_count != 1 || indices[0] != 0 ||
      attributes[0].srcAccessOrder != cudaMemcpySrcAccessOrderStream || attributes[0].flags > 1) {
    c.m.problem("cudaMemcpyBatchAsync was given attributes or counts that make no sense");
    return c.failed(cudaErrorInvalidValue);
  }
  const stream_object* const s = known(c, stream);
  if (s == nullptr) return c.failed(cudaErrorInvalidValue);
  want_current(c, *s);
  c.m.largest_batch = (std::max)(c.m.largest_batch, count);
  std::vector<void*> to(dsts, dsts + count);
  std::vector<const void*> from(srcs, srcs + count);
  std::vector<std::size_t> bytes(sizes, sizes + count);
  c.m.queue(stream, c.name, operation([to = std::move(to), from = std::move(from), bytes = std::move(bytes)] {
              for (std::size_t i = to.size(); i-- != 0;) move(to[i], from[i], bytes[i], "cudaMemcpyBatchAsync");
            }));
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaMemsetAsync(void* dst, int value, std::size_t bytes, cudaStream_t stream)
{
  call c("cudaMemsetAsync");
  if (c.refused()) return c.failed(c.code);
  const stream_object* const s = known(c, stream);
  if (s == nullptr) return c.failed(cudaErrorInvalidResourceHandle);
  want_current(c, *s);
  c.m.queue(stream, c.name, operation([=] {
              machine& m = machine::get();
              location to;
              {
                const std::lock_guard lock(m.mutex);
                to = m.locate(dst, bytes, "cudaMemsetAsync");
                if (to.where == place::pageable) m.problem("cudaMemsetAsync was given memory of the host");
              }
              if (to.at != nullptr) std::memset(to.at, value, bytes);
            }));
  return cudaSuccess;
}

}  // extern "C"
