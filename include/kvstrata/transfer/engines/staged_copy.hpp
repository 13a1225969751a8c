// Large copies through a ring of staging slots in device memory.
//
// Onload: pages that lie side by side below, wherever they go on the device, travel as one copy into a slot; then one
// kernel scatters the slot to its pages. Offload is the mirror image: a kernel gathers pages into a slot, and large
// copies take them down. The link sees few large copies even when device pages are scattered; the price is a second
// trip through device memory, which is fast.
//
// Copies and kernels run on streams of their own, so one slot travels while another is scattered. A slot is filled
// again only after the last work that read it: the ring keeps the event of that. A kernel may take Sms
// multiprocessors (0: all).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/transfer/concepts.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <std::size_t SlotBytes = (std::size_t{2} << 20), std::size_t Slots = 4, std::uint32_t Sms = 8>
  requires(SlotBytes > 0 && Slots > 0 && Slots <= (std::numeric_limits<std::size_t>::max)() / SlotBytes)
struct staged_copy
{
  using option_kind = copy_engine_option;

  /// Throws config_error when a page of one layer does not fit into a slot: a page is never split.
  static void check_piece(std::size_t piece_bytes)
  {
    if (piece_bytes <= SlotBytes) return;
    throw config_error("staged_copy's SlotBytes", SlotBytes,
                       "a page of one layer, which is never split, is " + std::to_string(piece_bytes) + " bytes");
  }

  template <device Device>
    requires runs_copy_kernels<Device>
  class on;
};

/// Owns Slots * SlotBytes bytes of device memory, of which every direction has its own.
template <std::size_t SlotBytes, std::size_t Slots, std::uint32_t Sms>
  requires(SlotBytes > 0 && Slots > 0 && Slots <= (std::numeric_limits<std::size_t>::max)() / SlotBytes)
template <device Device>
  requires runs_copy_kernels<Device>
class staged_copy<SlotBytes, Slots, Sms>::on
{
 public:
  /// Throws capacity_error when the device has not the memory.
  on(Device& d, copy_direction direction)
      : device_(&d),
        inwards_(direction == copy_direction::to_device),
        copies_(create_copy_stream(d, copy_stream_name(direction))),
        kernels_(create_copy_stream(d, inwards_ ? "onload scatter" : "offload gather")),
        memory_(d.allocate_device(SlotBytes * Slots, inwards_ ? "onload staging" : "offload staging"))
  {
  }

  on(const on&) = delete;
  on& operator=(const on&) = delete;
  ~on() { drain_sync(); }  // the slots must outlive what uses them

  /// Throws config_error when a page does not fit into a slot.
  [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
  {
    copied out;
    if (list.empty()) return out;
    staged_copy::check_piece(list.piece_bytes);
    start_slot();
    wait_for(*device_, inwards_ ? copies_ : kernels_, after);
    each_piece(list, layer, true, [&](copy_piece piece) {
      while (piece.bytes != 0) {
        const std::size_t room = (SlotBytes - filled_) / list.piece_bytes * list.piece_bytes;
        if (room == 0) {
          send_slot(out);
          continue;
        }
        const std::size_t bytes = piece.bytes < room ? piece.bytes : room;
        add({piece.dst, piece.src, bytes});
        piece = {piece.dst + bytes, piece.src + bytes, piece.bytes - bytes};
      }
    });
    if (filled_ != 0) send_slot(out);
    out.done = device_->record(inwards_ ? kernels_ : copies_);
    return out;
  }

  void drain_sync() noexcept
  {
    drain_stream_sync(*device_, copies_);
    drain_stream_sync(*device_, kernels_);
  }

 private:
  void start_slot()
  {
    filled_ = 0;
    large_.clear();
    small_.clear();
  }

  /// What goes from src to dst goes through the slot at hand.
  void add(const copy_piece& piece)
  {
    std::byte* const staged = memory_.data() + next_ * SlotBytes + filled_;
    append_joined(inwards_ ? large_ : small_, {staged, piece.src, piece.bytes});
    append_joined(inwards_ ? small_ : large_, {piece.dst, staged, piece.bytes});
    filled_ += piece.bytes;
  }

  /// Queues the slot's two stages, and turns to the next slot.
  void send_slot(copied& out)
  {
    event& last_use = last_use_[next_];
    const stream_id first = inwards_ ? copies_ : kernels_;
    const stream_id second = inwards_ ? kernels_ : copies_;
    device_->wait(first, last_use);
    stage(first, out);
    device_->wait(second, device_->record(first));
    stage(second, out);
    last_use = device_->record(second);
    next_ = (next_ + 1) % Slots;
    start_slot();
  }

  void stage(stream_id stream, copied& out)
  {
    if (stream == kernels_) {
      device_->copy_kernel_launch(
          stream, {.label = inwards_ ? "scatter" : "gather", .route = copy_route::on_device, .sms = Sms}, small_);
      ++out.calls;
      out.pieces += small_.size();
      return;
    }
    const copy_direction direction = inwards_ ? copy_direction::to_device : copy_direction::from_device;
    for (const copy_piece& piece : large_) device_->copy(stream, direction, piece.dst, piece.src, piece.bytes);
    out.calls += large_.size();
    out.pieces += large_.size();
  }

  Device* device_;
  bool inwards_;
  stream_id copies_;
  stream_id kernels_;
  typename Device::memory memory_;
  std::array<event, Slots> last_use_{};
  std::size_t next_ = 0;           // the slot at hand
  std::size_t filled_ = 0;         // bytes of it
  std::vector<copy_piece> large_;  // between the memory below and the slot
  std::vector<copy_piece> small_;  // between the slot and the pages
};

static_assert(copy_engine<staged_copy<>, detail::device_archetype>);

}  // namespace kvstrata
