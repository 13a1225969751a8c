// The device concept takes the smallest model and turns down, by name, every type that lacks one thing.
#include "support/catch.hpp"

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;

/// The smallest model: everything happens at once.
struct immediate_device
{
  struct memory
  {
    [[nodiscard]] std::byte* data() const { return bytes.get(); }
    [[nodiscard]] std::size_t size() const { return count; }
    std::unique_ptr<std::byte[]> bytes;
    std::size_t count = 0;
  };
  memory allocate_device(std::size_t bytes, std::string_view) { return {std::make_unique<std::byte[]>(bytes), bytes}; }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return {std::make_unique<std::byte[]>(bytes), bytes}; }
  stream_id create_stream(std::string_view) { return stream_id{streams++}; }
  event record(stream_id stream) { return {stream, 0}; }
  void wait(stream_id, event) {}
  bool query(event) { return true; }
  void wait_sync(event) {}
  void copy(stream_id, copy_direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    std::memcpy(dst, src, bytes);
  }
  std::uint32_t streams = 0;
};
static_assert(device<immediate_device>);
static_assert(device<emulated_device>);
static_assert(device_memory<emulated_device::memory>);
static_assert(!std::copyable<emulated_device::memory>);
static_assert(!std::movable<emulated_device>);

// What is missing is hidden by a member of the same name and another shape.
struct no_memory : immediate_device
{
  using memory = int;
};
static_assert(!device_memory<no_memory::memory>);
static_assert(!allocates_memory<no_memory> && !device<no_memory>);

struct memory_that_stays
{
  memory_that_stays() = default;
  memory_that_stays(const memory_that_stays&) = delete;
  memory_that_stays& operator=(const memory_that_stays&) = delete;
  [[nodiscard]] std::byte* data() const { return nullptr; }
  [[nodiscard]] std::size_t size() const { return 0; }
};
static_assert(!device_memory<memory_that_stays>);

struct memory_of_chars
{
  [[nodiscard]] char* data() const { return nullptr; }
  [[nodiscard]] std::size_t size() const { return 0; }
};
static_assert(!device_memory<memory_of_chars>);

struct memory_without_size
{
  [[nodiscard]] std::byte* data() const { return nullptr; }
};
static_assert(!device_memory<memory_without_size>);

struct no_pinned_memory : immediate_device
{
  void allocate_pinned() = delete;
};
static_assert(!allocates_memory<no_pinned_memory> && !device<no_pinned_memory>);
static_assert(creates_streams<no_pinned_memory> && orders_streams<no_pinned_memory> &&
              reports_completion<no_pinned_memory> && queues_copies<no_pinned_memory>);

struct no_device_memory : immediate_device
{
  void* allocate_device(std::size_t, std::string_view);
};
static_assert(!allocates_memory<no_device_memory> && !device<no_device_memory>);

struct numbered_streams : immediate_device
{
  int create_stream(std::string_view);
};
static_assert(!creates_streams<numbered_streams> && !device<numbered_streams>);
static_assert(allocates_memory<numbered_streams> && orders_streams<numbered_streams> &&
              reports_completion<numbered_streams> && queues_copies<numbered_streams>);

struct no_record : immediate_device
{
  void record(stream_id);
};
static_assert(!orders_streams<no_record> && !device<no_record>);
static_assert(allocates_memory<no_record> && creates_streams<no_record> && reports_completion<no_record> &&
              queues_copies<no_record>);

struct no_wait : immediate_device
{
  void wait() = delete;
};
static_assert(!orders_streams<no_wait> && !device<no_wait>);

struct no_query : immediate_device
{
  void query(event);
};
static_assert(!reports_completion<no_query> && !device<no_query>);
static_assert(allocates_memory<no_query> && creates_streams<no_query> && orders_streams<no_query> &&
              queues_copies<no_query>);

struct no_wait_sync : immediate_device
{
  void wait_sync() = delete;
};
static_assert(!reports_completion<no_wait_sync> && !device<no_wait_sync>);

struct copies_without_direction : immediate_device
{
  void copy(stream_id, std::byte*, const std::byte*, std::size_t);
};
static_assert(!queues_copies<copies_without_direction> && !device<copies_without_direction>);
static_assert(allocates_memory<copies_without_direction> && creates_streams<copies_without_direction> &&
              orders_streams<copies_without_direction> && reports_completion<copies_without_direction>);

struct copies_into_nothing : immediate_device
{
  void copy(stream_id, copy_direction, std::byte* dst, std::byte* src, std::size_t bytes);
};
static_assert(!queues_copies<copies_into_nothing> && !device<copies_into_nothing>);

// What a device may have beyond that.
static_assert(!batches_copies<immediate_device> && !runs_copy_kernels<immediate_device> &&
              !keeps_spans<immediate_device>);
static_assert(batches_copies<emulated_device> && runs_copy_kernels<emulated_device> && keeps_spans<emulated_device>);

struct batching_device : immediate_device
{
  void copy_batch(stream_id, copy_direction, std::span<const copy_piece>);
};
static_assert(device<batching_device> && batches_copies<batching_device> && !runs_copy_kernels<batching_device>);

struct batches_into_nothing : immediate_device
{
  void copy_batch(stream_id, copy_direction, std::span<copy_piece>);  // wants to change the list
};
static_assert(!batches_copies<batches_into_nothing>);

struct batches_without_direction : immediate_device
{
  void copy_batch(stream_id, std::span<const copy_piece>);
};
static_assert(!batches_copies<batches_without_direction>);

struct copies_by_kernel : immediate_device
{
  void copy_kernel_launch(stream_id, const copy_kernel&, std::span<const copy_piece>);
};
static_assert(device<copies_by_kernel> && runs_copy_kernels<copies_by_kernel> && !batches_copies<copies_by_kernel>);

struct kernels_without_pieces : immediate_device
{
  void copy_kernel_launch(stream_id, const copy_kernel&);
};
static_assert(!runs_copy_kernels<kernels_without_pieces>);

struct traced_device : immediate_device
{
  [[nodiscard]] std::vector<op_span> trace() const;
};
static_assert(keeps_spans<traced_device>);

struct spans_of_something_else : immediate_device
{
  [[nodiscard]] std::vector<int> trace() const;
};
static_assert(!keeps_spans<spans_of_something_else>);

struct one_span : immediate_device
{
  [[nodiscard]] op_span trace() const;
};
static_assert(!keeps_spans<one_span>);

struct trace_that_changes_the_device : immediate_device
{
  [[nodiscard]] std::vector<op_span> trace();
};
static_assert(!keeps_spans<trace_that_changes_the_device>);

struct promising_device : immediate_device
{
  stream_id create_host_stream(std::string_view);
  event promise(stream_id, const host_io&);
  void complete(event);
  [[nodiscard]] std::string why_no_host_waits() const;
};
static_assert(host_stream_device<promising_device> && host_stream_device<emulated_device>);
static_assert(!host_stream_device<immediate_device>);

struct makes_no_host_streams : promising_device
{
  void create_host_stream() = delete;
};
static_assert(device<makes_no_host_streams> && !host_stream_device<makes_no_host_streams>);

struct promises_nothing : promising_device
{
  void promise(stream_id, const host_io&);
};
static_assert(device<promises_nothing> && !host_stream_device<promises_nothing>);

struct promises_to_change_the_io : promising_device
{
  event promise(stream_id, host_io&);
};
static_assert(!host_stream_device<promises_to_change_the_io>);

struct completes_nothing : promising_device
{
  void complete() = delete;
};
static_assert(device<completes_nothing> && !host_stream_device<completes_nothing>);

struct does_not_say_why : promising_device
{
  [[nodiscard]] bool why_no_host_waits() const;
};
static_assert(device<does_not_say_why> && !host_stream_device<does_not_say_why>);

struct promising_without_queries : promising_device
{
  void query(event);
};
static_assert(!host_stream_device<promising_without_queries>);

}  // namespace

TEST_CASE("the smallest model of a device works with the helpers")
{
  immediate_device d;
  const auto from = d.allocate_pinned(4, "from");
  const auto to = d.allocate_device(4, "to");
  from.data()[3] = std::byte{9};
  const stream_id stream = d.create_stream("s");
  d.copy(stream, copy_direction::to_device, to.data(), from.data(), 4);
  fence points(d.record(stream));
  wait_for(d, stream, points);
  wait_for_sync(d, points);
  REQUIRE(to.data()[3] == std::byte{9});
}
