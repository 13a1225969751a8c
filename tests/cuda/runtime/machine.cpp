#include "cuda/runtime/machine.hpp"

#include "support/allocation_count.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace fake_runtime {

uncounted::uncounted() : before_(kvstrata_test::detail::allocation_count) {}
uncounted::~uncounted() { kvstrata_test::detail::allocation_count = before_; }

cudaError_t& last_error()
{
  thread_local cudaError_t last = cudaSuccess;
  return last;
}
int& current_gpu()
{
  thread_local int current = 0;
  return current;
}
cudaError_t answer(cudaError_t code)
{
  if (code != cudaSuccess) last_error() = code;
  return code;
}

machine& machine::get()
{
  static machine* const one = [] {
    std::atexit([] {
      if (!get().ends_well()) std::_Exit(3);
    });
    return new machine;  // never destroyed: whoever is destroyed last may still call
  }();
  return *one;
}

bool machine::ends_well()
{
  const census left = alive();
  const std::lock_guard lock(mutex);
  if (!problems_told) {
    for (const std::string& p : problems) std::fprintf(stderr, "fake runtime: %s\n", p.c_str());
    return false;
  }
  if (left == census{}) return true;
  std::fprintf(stderr,
               "fake runtime: left alive %zu device memory, %zu host memory, %zu registered, %zu streams, %zu events\n",
               left.device_memory, left.host_memory, left.registered, left.streams, left.events);
  return false;
}

cudaError_t machine::enter(std::string_view function)
{
  ++calls[std::string(function)];
  if (unloaded) return cudaErrorCudartUnloading;
  if (!driver) return cudaErrorInsufficientDriver;
  if (broken != cudaSuccess) return broken;
  if (rule_code == cudaSuccess || (!rule_function.empty() && rule_function != function)) return cudaSuccess;
  if (rule_after != 0) {
    --rule_after;
    return cudaSuccess;
  }
  const cudaError_t code = rule_code;
  if (--rule_times == 0) rule_code = cudaSuccess;
  rule_struck = function;
  return code;
}

location machine::locate(const void* at, std::size_t bytes, std::string_view function)
{
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  const auto find = [&](const auto& ranges, const auto& size_of) {
    auto next = ranges.upper_bound(begin);
    if (next == ranges.begin()) return ranges.end();
    --next;
    return begin - next->first < size_of(next->second) ? next : ranges.end();
  };
  const auto known = find(memory, [](const allocation& a) { return a.bytes; });
  if (known != memory.end()) {
    const allocation& a = known->second;
    const std::size_t within = begin - known->first;
    if (bytes > a.bytes - within) problem(std::string(function) + " reaches beyond the end of an allocation");
    if (a.where == place::device) return {a.backing + within, a.where};
    return {static_cast<std::byte*>(const_cast<void*>(at)), a.where};
  }
  if (find(gone, [](std::size_t size) { return size; }) != gone.end()) {
    problem(std::string(function) + " touches device memory that was freed");
    return {nullptr, place::device};
  }
  return {static_cast<std::byte*>(const_cast<void*>(at)), place::pageable};
}

bool machine::queue(cudaStream_t stream, std::string_view function, std::function<void()> operation)
{
  auto* const s = reinterpret_cast<stream_object*>(stream);
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) {
    problem(std::string(function) + " was given the NULL stream");
    return false;
  }
  if (!streams.contains(s)) {
    problem(std::string(function) + " was given a stream that is none");
    return false;
  }
  s->queue.push_back(std::move(operation));
  changed.notify_all();
  return true;
}

/// Operations lock the machine themselves, but where they wait.
void machine::work(stream_object& s)
{
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [&] { return (!s.queue.empty() && !gates_closed) || (s.closing && s.queue.empty()); });
    if (s.queue.empty()) return;
    const std::function<void()> next = std::move(s.queue.front());
    s.queue.pop_front();
    s.busy = true;
    lock.unlock();
    next();
    lock.lock();
    s.busy = false;
    changed.notify_all();
  }
}

// --- control -------------------------------------------------------------------------------------------------------------

void reset(int gpus, std::size_t device_bytes)
{
  machine& m = machine::get();
  std::unique_lock lock(m.mutex);
  m.gates_closed = m.holds_synchronize = false;
  m.changed.notify_all();
  m.changed.wait(lock, [&] {
    return std::all_of(m.streams.begin(), m.streams.end(), [](const auto* s) { return s->queue.empty() && !s->busy; });
  });
  for (stream_object* const s : m.streams) s->closing = true;
  m.changed.notify_all();
  const std::set<stream_object*> left = std::exchange(m.streams, {});
  lock.unlock();
  for (stream_object* const s : left) {
    s->worker.join();
    delete s;
  }
  lock.lock();
  for (event_object* const e : std::exchange(m.events, {})) delete e;
  m.gpus = gpus;
  m.device_bytes = device_bytes;
  m.driver = true;
  m.unloaded = false;
  m.broken = m.rule_code = m.operation_code = cudaSuccess;
  m.hides_driver_calls = false;
  for (const auto what :
       {cudaDevAttrHostRegisterSupported, cudaDevAttrCanUseHostPointerForRegisteredMem, waits_for_64_bits}) {
    m.attributes[what] = 1;
  }
  m.attributes[cudaDevAttrMultiProcessorCount] = 3;
  m.calls.clear();
  m.rule_struck.clear();
  m.largest_batch = 0;
  m.code_launches.clear();
  m.urgent_streams = 0;
  m.memory.clear();
  m.gone.clear();
  if (m.problems_told) m.problems.clear();
  m.changed.notify_all();
  last_error() = cudaSuccess;
  current_gpu() = 0;
}

void remove_driver()
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().driver = false;
}
void unload()
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().unloaded = true;
}
void hide_driver_calls()
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().hides_driver_calls = true;
}
void set_attribute(cudaDeviceAttr what, int value)
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().attributes[what] = value;
}
void fail(std::string_view function, cudaError_t code, std::uint64_t after, std::uint64_t times)
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  m.rule_function = function;
  m.rule_code = code;
  m.rule_after = after;
  m.rule_times = times;
  m.rule_struck.clear();
}
std::string failed_function()
{
  const std::lock_guard lock(machine::get().mutex);
  return machine::get().rule_struck;
}
void fail_operation(cudaError_t code, std::uint64_t after)
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  m.operation_code = code;
  m.operation_after = after;
}
void close_gates()
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().gates_closed = true;
}
void open_gates()
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  m.gates_closed = false;
  m.changed.notify_all();
}
void hold_synchronize()
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().holds_synchronize = true;
}
void let_go()
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  m.holds_synchronize = false;
  m.changed.notify_all();
}
std::size_t held()
{
  const std::lock_guard lock(machine::get().mutex);
  return machine::get().held;
}
std::uint64_t calls(std::string_view function)
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  std::uint64_t sum = 0;
  for (const auto& [name, count] : m.calls) sum += function.empty() || function == name ? count : 0;
  return sum;
}
std::size_t urgent_streams()
{
  const std::lock_guard lock(machine::get().mutex);
  return machine::get().urgent_streams;
}
std::size_t largest_batch()
{
  const std::lock_guard lock(machine::get().mutex);
  return machine::get().largest_batch;
}
std::vector<code_launch> code_launches()
{
  const std::lock_guard lock(machine::get().mutex);
  return machine::get().code_launches;
}
census alive()
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  census out;
  for (const auto& [at, a] : m.memory) {
    ++(a.where == place::device ? out.device_memory : a.where == place::host_alloc ? out.host_memory : out.registered);
  }
  out.streams = m.streams.size();
  out.events = m.events.size();
  return out;
}
std::vector<std::string> problems()
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().problems_told = true;
  return machine::get().problems;
}
double seconds()
{
  const std::lock_guard lock(machine::get().mutex);
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count() +
         machine::get().offset;
}
void pass_time(double by)
{
  const std::lock_guard lock(machine::get().mutex);
  machine::get().offset += by;
}

}  // namespace fake_runtime
