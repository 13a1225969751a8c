// What is behind the calls of the fake runtime.
#pragma once

#include "cuda/runtime/fake_runtime.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace fake_runtime {

/// What cudaEventRecord captures.
struct mark
{
  bool passed = false;  // under machine::mutex
  double seconds = 0;
};

/// What a cudaEvent_t points to.
struct event_object
{
  int gpu = 0;
  bool timing = false;
  std::shared_ptr<mark> captured;
};

struct machine;

/// What a cudaStream_t points to.
struct stream_object
{
  int gpu = 0;
  std::deque<std::function<void()>> queue;  // under machine::mutex
  bool busy = false;
  bool closing = false;
  std::thread worker;
};

enum class place : std::uint8_t { device, host_alloc, registered, pageable };

struct allocation
{
  std::size_t bytes = 0;
  place where = place::device;
  int gpu = 0;
  std::byte* backing = nullptr;  ///< of device memory: where the bytes are
};

/// CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS
inline constexpr auto waits_for_64_bits = static_cast<cudaDeviceAttr>(122);
inline constexpr int most_urgent = -5;  ///< priority of a stream

/// Where bytes really lie.
struct location
{
  std::byte* at = nullptr;
  place where = place::pageable;
};

struct machine
{
  std::mutex mutex;  // everything
  std::condition_variable changed;
  int gpus = 1;
  std::size_t device_bytes = std::size_t{1} << 30;
  bool driver = true;
  bool hides_driver_calls = false;
  bool unloaded = false;
  bool gates_closed = false;
  bool holds_synchronize = false;
  std::size_t held = 0;
  cudaError_t broken = cudaSuccess;  // by an operation that failed
  std::map<int, int> attributes{{cudaDevAttrMultiProcessorCount, 3},
                                {cudaDevAttrHostRegisterSupported, 1},
                                {cudaDevAttrCanUseHostPointerForRegisteredMem, 1},
                                {waits_for_64_bits, 1}};
  std::map<std::string, std::uint64_t, std::less<>> calls;
  std::string rule_function;
  cudaError_t rule_code = cudaSuccess;
  std::uint64_t rule_after = 0, rule_times = 0;
  std::string rule_struck;
  cudaError_t operation_code = cudaSuccess;
  std::uint64_t operation_after = 0;
  std::size_t largest_batch = 0;
  std::size_t urgent_streams = 0;
  std::map<std::uintptr_t, allocation> memory;
  std::map<std::uintptr_t, std::size_t> gone;  ///< device memory that was freed
  std::set<stream_object*> streams;
  std::set<event_object*> events;
  std::vector<code_launch> code_launches;
  std::vector<std::string> problems;
  bool problems_told = true;
  double offset = 0;

  /// The one there is.
  static machine& get();

  /// Counts a call and tells what to return at once; cudaSuccess: go on. The lock is held.
  [[nodiscard]] cudaError_t enter(std::string_view function);
  void problem(std::string text)
  {
    problems.push_back(std::move(text));
    problems_told = false;
  }
  /// At the end of the program.
  [[nodiscard]] bool ends_well();

  /// Which bytes an operation that runs now means. The lock is held.
  [[nodiscard]] location locate(const void* at, std::size_t bytes, std::string_view function);

  /// Queues an operation; false when the stream is none. The lock is held.
  bool queue(cudaStream_t stream, std::string_view function, std::function<void()> operation);
  void work(stream_object& s);
};

/// What a call returns: also the thread's last error, unless it is success.
[[nodiscard]] cudaError_t answer(cudaError_t code);
[[nodiscard]] cudaError_t& last_error();
[[nodiscard]] int& current_gpu();

/// What the fake allocates is not the tested code's doing.
class uncounted
{
 public:
  uncounted();
  uncounted(const uncounted&) = delete;
  uncounted& operator=(const uncounted&) = delete;
  ~uncounted();

 private:
  std::size_t before_;
};

}  // namespace fake_runtime
