// A device that does all at once on the calling thread, and throws in the call that it is told to throw in; then all is
// well again. What a cache holds, counts and serves after a failure can be looked at, which a device that stays broken
// does not let one.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace kvstrata_test {

class faulty_device
{
 public:
  struct memory
  {
    std::vector<std::byte> bytes;
    [[nodiscard]] std::byte* data() const { return const_cast<std::byte*>(bytes.data()); }
    [[nodiscard]] std::size_t size() const { return bytes.size(); }
  };

  /// The call after so many more throws, once.
  void fail_after(std::uint64_t calls) { countdown_ = calls + 1; }
  /// Has it thrown since?
  [[nodiscard]] bool has_failed() const { return countdown_ == 0; }
  void recover() { countdown_ = never; }
  /// The copy after so many more is refused, once; all else goes on.
  void refuse_after(std::uint64_t copies) { until_refusal_ = copies + 1; }

  memory allocate_device(std::size_t bytes, std::string_view) { return {std::vector<std::byte>(bytes)}; }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return {std::vector<std::byte>(bytes)}; }
  kvstrata::stream_id create_stream(std::string_view)
  {
    queued_.push_back(0);
    return static_cast<kvstrata::stream_id>(queued_.size() - 1);
  }
  kvstrata::event record(kvstrata::stream_id stream)
  {
    tick();
    return {stream, ++queued_[static_cast<std::size_t>(stream)]};
  }
  void wait(kvstrata::stream_id, kvstrata::event) { tick(); }
  bool query(kvstrata::event) { return true; }
  void wait_sync(kvstrata::event) {}
  void copy(kvstrata::stream_id, kvstrata::copy_direction, std::byte* dst, const std::byte* src, std::size_t bytes)
  {
    refuse();
    tick();
    std::memcpy(dst, src, bytes);
  }
  void copy_batch(kvstrata::stream_id, kvstrata::copy_direction, std::span<const kvstrata::copy_piece> pieces)
  {
    move(pieces);
  }
  void copy_kernel_launch(kvstrata::stream_id, const kvstrata::copy_kernel&,
                          std::span<const kvstrata::copy_piece> pieces)
  {
    move(pieces);
  }
  void code_kernel_launch(kvstrata::stream_id, const kvstrata::copy_kernel&, kvstrata::coding how,
                          std::span<const kvstrata::coded_piece> pieces)
  {
    refuse();
    tick();
    kvstrata::coded_copy(how, pieces)();
  }
  [[nodiscard]] bool poison_freed() const { return true; }
  void poison(kvstrata::stream_id, std::byte* dst, std::size_t bytes)
  {
    tick();
    std::memset(dst, 0xFF, bytes);
  }

 private:
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  void move(std::span<const kvstrata::copy_piece> pieces)
  {
    refuse();
    tick();
    for (const kvstrata::copy_piece& p : pieces) std::memcpy(p.dst, p.src, p.bytes);
  }

  void refuse()
  {
    if (until_refusal_ == 0 || --until_refusal_ != 0) return;
    throw kvstrata::copy_refused("a copy was refused, as the test had told it to");
  }

  void tick()
  {
    if (countdown_ == never || countdown_ == 0) return;
    if (--countdown_ == 0) throw kvstrata::device_error("a call failed, as the test had told it to");
  }

  std::vector<std::uint64_t> queued_;
  std::uint64_t countdown_ = never;
  std::uint64_t until_refusal_ = 0;  // 0: none
};

static_assert(kvstrata::device<faulty_device>);
static_assert(kvstrata::batches_copies<faulty_device> && kvstrata::runs_copy_kernels<faulty_device>);

}  // namespace kvstrata_test
