// A device with all that the table of device/concepts.hpp knows, declared and never defined: what a template over devices
// proves its concept with where it is defined.
#pragma once

#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

struct device_archetype
{
  struct memory
  {
    memory(memory&&) noexcept;
    memory& operator=(memory&&) noexcept;
    ~memory();
    [[nodiscard]] std::byte* data() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept;
  };

  memory allocate_device(std::size_t bytes, std::string_view name);
  memory allocate_pinned(std::size_t bytes, std::string_view name);
  stream_id create_stream(std::string_view name);
  event record(stream_id stream);
  void wait(stream_id stream, event point);
  bool query(event point);
  void wait_sync(event point);
  void copy(stream_id stream, copy_direction direction, std::byte* dst, const std::byte* src, std::size_t bytes);

  void copy_batch(stream_id stream, copy_direction direction, std::span<const copy_piece> pieces);
  void copy_kernel_launch(stream_id stream, const copy_kernel& kernel, std::span<const copy_piece> pieces);
  stream_id create_host_stream(std::string_view name);
  event promise(stream_id stream, const host_io& io);
  void complete(event point) noexcept;
  std::string_view why_no_host_waits();
};

static_assert(device<device_archetype> && host_stream_device<device_archetype>);
static_assert(batches_copies<device_archetype> && runs_copy_kernels<device_archetype>);

}  // namespace kvstrata::detail
