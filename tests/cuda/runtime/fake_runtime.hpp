// A CUDA runtime made of host memory: the functions of cudart that cuda_device calls (and the one of the driver that it looks
// up), and how a test gets at it.
//
// A stream is a worker thread; what runs at once on a GPU runs at once here, and ThreadSanitizer sees it. Device memory
// cannot be read or written by the host: its addresses lead nowhere, the bytes lie elsewhere. Every answer but success
// is the thread's last error, "not ready" too. What is never right (freed memory, the NULL stream, a handle of another
// GPU, ...) is told by problems(); a program that ends with problems that nobody has asked for, or with something alive,
// fails.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fake_runtime {

/// What exists now.
struct census
{
  std::size_t device_memory = 0;  ///< cudaMalloc
  std::size_t host_memory = 0;    ///< cudaHostAlloc
  std::size_t registered = 0;     ///< cudaHostRegister
  std::size_t streams = 0;
  std::size_t events = 0;
  friend bool operator==(const census&, const census&) = default;
};

/// A fresh machine with so many GPUs of `device_bytes` each; nothing injected, nothing counted. What existed is forgotten.
void reset(int gpus = 1, std::size_t device_bytes = std::size_t{1} << 30);

/// From now on there is no driver: whatever is asked returns cudaErrorInsufficientDriver.
void remove_driver();
/// From now on the driver knows none of the functions that are looked up in it.
void hide_driver_calls();
/// The process ends: every call returns cudaErrorCudartUnloading and does nothing.
void unload();
/// What cudaDeviceGetAttribute returns for it.
void set_attribute(cudaDeviceAttr what, int value);

/// Lets the call of `function` (any, when empty) after the next `after` ones return `code` instead of doing anything; the
/// following ones too, for `times` in all. Functions that destroy something do that, whatever they return. One rule at a
/// time.
void fail(std::string_view function, cudaError_t code, std::uint64_t after = 0, std::uint64_t times = 1);
/// The function that the rule of fail() has struck last; empty when it has not.
[[nodiscard]] std::string failed_function();
/// Lets an operation of a stream, after the next `after` ones, fail while it runs: from then on every call returns `code`
/// and nothing queued has an effect.
void fail_operation(cudaError_t code, std::uint64_t after = 0);

/// Lets streams stand still before their next operation, until open_gates().
void close_gates();
void open_gates();

/// Lets threads that call cudaEventSynchronize stand still before it looks at its event, until let_go(); and how many do.
void hold_synchronize();
void let_go();
[[nodiscard]] std::size_t held();

/// Opens gates and lets threads go in the end, whatever a test has thrown: to be declared behind the device.
struct gate_keeper
{
  gate_keeper() = default;
  gate_keeper(const gate_keeper&) = delete;
  gate_keeper& operator=(const gate_keeper&) = delete;
  ~gate_keeper()
  {
    open_gates();
    let_go();
  }
};

/// Calls since reset(), of one function or of all.
[[nodiscard]] std::uint64_t calls(std::string_view function = {});
/// The largest list that cudaMemcpyBatchAsync was given since reset().
[[nodiscard]] std::size_t largest_batch();
/// A kernel that encodes or decodes: how many blocks it may have at most, and its pieces.
struct code_launch
{
  std::uint32_t blocks = 0;
  std::size_t pieces = 0;
};
/// Those since reset(), in the order of their calls.
[[nodiscard]] std::vector<code_launch> code_launches();
/// Streams made with the highest priority since reset().
[[nodiscard]] std::size_t urgent_streams();
[[nodiscard]] census alive();
/// Sentences about calls that are never right, since reset().
[[nodiscard]] std::vector<std::string> problems();

/// Seconds of the clock that events keep, and letting some pass at once.
[[nodiscard]] double seconds();
void pass_time(double by);

}  // namespace fake_runtime
