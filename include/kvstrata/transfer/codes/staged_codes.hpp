// Codes across the link by copies, and encoded and decoded beside it: through a ring of slots in device memory.
//
// Onload: the codes of a slot come as one batch, then a kernel decodes them to their pages; offload is the mirror image. The link
// runs at its own speed whatever a kernel may take, and kernels need multiprocessors for as long as device memory takes,
// not the link: Sms of them (0: all). What has no code is the kernel's to bring, from pinned memory or there. A slot is
// filled again after the last work that read it, as in staged_copy.
//
// Codes that are neighbours in the memory below travel as one piece, with what their frames have behind a code between them.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/transfer/codes/coded_pieces.hpp>
#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::size_t SlotBytes = (std::size_t{4} << 20), std::size_t Slots = 4, std::uint32_t Sms = 8>
  requires(SlotBytes > 0 && Slots > 0 && Slots <= (std::numeric_limits<std::size_t>::max)() / SlotBytes)
struct staged_codes
{
  using option_kind = codes_option;

  template <device Device>
  class on;
};

/// Owns Slots * SlotBytes bytes of device memory, of which every direction has its own.
template <std::size_t SlotBytes, std::size_t Slots, std::uint32_t Sms>
  requires(SlotBytes > 0 && Slots > 0 && Slots <= (std::numeric_limits<std::size_t>::max)() / SlotBytes)
template <device Device>
class staged_codes<SlotBytes, Slots, Sms>::on
{
 public:
  /// Throws capacity_error when the device has not the memory.
  on(Device& d, copy_direction direction)
      : device_(&d),
        inwards_(direction == copy_direction::to_device),
        copies_(create_copy_stream(d, inwards_ ? "onload codes" : "offload codes")),
        kernels_(create_copy_stream(d, inwards_ ? "onload decode" : "offload encode")),
        memory_(d.allocate_device(SlotBytes * Slots, inwards_ ? "onload codes" : "offload codes"))
  {
  }
  on(const on&) = delete;
  on& operator=(const on&) = delete;
  ~on() { drain_sync(); }  // the slots must outlive what uses them

  /// As direct_codes'. Throws config_error where a code does not fit into a slot.
  [[nodiscard]] stream_id copy(const copy_list& list, layer_index layer, const fence& after, copied& out)
  {
    wait_for(*device_, inwards_ ? copies_ : kernels_, after);
    each_coding(list, layer, pieces_, [&](coding how, std::span<const coded_piece> pieces) {
      const page_code& code = inwards_ ? *how.from : *how.to;
      if (code.code_bytes() > SlotBytes) {
        throw config_error("staged_codes' SlotBytes", SlotBytes,
                           "the code of a page of one layer is " + std::to_string(code.code_bytes()) + " bytes");
      }
      while (!pieces.empty()) pieces = pieces.subspan(send(how, pieces, code.code_bytes(), out));
    });
    return inwards_ ? kernels_ : copies_;
  }

  void drain_sync() noexcept
  {
    drain_stream_sync(*device_, copies_);
    drain_stream_sync(*device_, kernels_);
  }

 private:
  /// How far behind the code at `last` the next one lies, if they are neighbours: nothing but the rest of a frame between them, for
  /// all codes of a memory are of one size. 0: they are not.
  [[nodiscard]] static std::size_t apart(const std::byte* last, const std::byte* next, std::size_t code_bytes) noexcept
  {
    const std::size_t bytes = reinterpret_cast<std::uintptr_t>(next) - reinterpret_cast<std::uintptr_t>(last);
    const bool beside = bytes >= code_bytes && bytes < code_bytes + 256 && bytes < 2 * code_bytes;
    return beside && bytes % 16 == 0 ? bytes : 0;
  }

  /// Queues both stages of as many of these as fit into a slot, and turns to the next. For how many.
  [[nodiscard]] std::size_t send(coding how, std::span<const coded_piece> pieces, std::size_t code_bytes, copied& out)
  {
    std::byte* const slot = memory_.data() + next_ * SlotBytes;
    travelling_.clear();
    coded_.clear();
    const std::byte* last = nullptr;
    std::size_t at = 0;  // of a code in the slot
    for (const coded_piece& piece : pieces) {
      const std::byte* const below = inwards_ ? piece.src : piece.dst;
      const std::size_t step = last == nullptr ? 0 : apart(last, below, code_bytes);
      if (step != 0) at += step;
      else if (last != nullptr) at = (at + code_bytes + 255) / 256 * 256;
      if (at + code_bytes > SlotBytes) break;
      std::byte* const staged = slot + at;
      if (step != 0) travelling_.back().bytes += step;
      else if (inwards_) travelling_.push_back({staged, piece.src, code_bytes});
      else travelling_.push_back({piece.dst, staged, code_bytes});
      coded_.push_back(piece);
      if (inwards_) coded_.back().src = staged;
      else coded_.back().dst = staged;
      last = below;
    }
    const stream_id first = inwards_ ? copies_ : kernels_;
    const stream_id second = inwards_ ? kernels_ : copies_;
    device_->wait(first, last_use_[next_]);
    stage(first, how, out);
    device_->wait(second, device_->record(first));
    stage(second, how, out);
    last_use_[next_] = device_->record(second);
    next_ = (next_ + 1) % Slots;
    return coded_.size();
  }

  void stage(stream_id stream, coding how, copied& out)
  {
    if (stream == kernels_) {
      device_->code_kernel_launch(
          stream, {.label = inwards_ ? "decode" : "encode", .route = copy_route::on_device, .sms = Sms}, how, coded_);
      ++out.calls;
      out.pieces += coded_.size();
      return;
    }
    const copy_direction direction = inwards_ ? copy_direction::to_device : copy_direction::from_device;
    if constexpr (batches_copies<Device>) {
      device_->copy_batch(stream, direction, travelling_);
      ++out.calls;
    } else {
      for (const copy_piece& piece : travelling_) device_->copy(stream, direction, piece.dst, piece.src, piece.bytes);
      out.calls += travelling_.size();
    }
    out.pieces += travelling_.size();
  }

  Device* device_;
  bool inwards_;
  stream_id copies_;
  stream_id kernels_;
  typename Device::memory memory_;
  std::array<event, Slots> last_use_{};
  std::size_t next_ = 0;  // the slot at hand
  std::vector<coded_piece> pieces_;
  std::vector<coded_piece> coded_;      // between the slot and the pages
  std::vector<copy_piece> travelling_;  // between the slot and the memory below
};

}  // namespace kvstrata
