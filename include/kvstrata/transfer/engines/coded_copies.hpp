// An engine, and the code kernels beside it that move the pages of which a level keeps a code.
#pragma once

#include <kvstrata/transfer/copy_engine.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace kvstrata {

/// The pieces of one layer that are kept alike at both ends.
struct coded_pieces
{
  coding how;
  std::vector<coded_piece> pieces;
};

/// Calls each(coding, pieces) for the encoded pieces of a layer, once for each way of coding that follows another.
/// O(pages).
template <class Each>
void each_coding(const copy_list& list, layer_index layer, std::vector<coded_piece>& room, Each&& each)
{
  room.clear();
  coding now;
  for (const coded_page& page : list.coded) {
    if (!room.empty() && page.how != now) {
      each(now, std::span<const coded_piece>(room));
      room.clear();
    }
    now = page.how;
    room.push_back(page.piece(layer, list.piece_bytes));
  }
  if (!room.empty()) each(now, std::span<const coded_piece>(room));
}

/// An engine on a device. Lists without encoded pages are the engine's; with some, a kernel reads or writes codes in pinned
/// memory directly, on a stream of its own, and the layer is there when both have done their part. With `Sms` as in
/// kernel_copy. Not synchronised.
template <class Engine, device Device>
class coded_copies
{
 public:
  coded_copies(Device& d, copy_direction direction) : device_(&d), direction_(direction), plain_(d, direction) {}

  /// As an engine's.
  [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
  {
    if (list.coded.empty() && !codes_) return plain_.copy(list, layer, after);
    if (list.empty()) return {};
    if constexpr (codes_pieces<Device>) {
      copied out;
      if (!list.runs.empty()) out = plain_.copy(list, layer, after);
      if (!codes_) codes_ = create_copy_stream(*device_, stream_name());
      wait_for(*device_, *codes_, after);
      each_coding(list, layer, pieces_, [&](coding how, std::span<const coded_piece> pieces) {
        device_->code_kernel_launch(*codes_, {.label = stream_name(), .route = route(), .sms = Sms_}, how, pieces);
        ++out.calls;
        out.pieces += pieces.size();
      });
      if (!list.runs.empty()) device_->wait(*codes_, out.done);
      out.done = device_->record(*codes_);
      return out;
    } else {
      throw usage_error("a copy list has encoded pages, but the device has no code kernels");
    }
  }

  [[nodiscard]] copied relocate(const copy_list& list, layer_index layer, const fence& after)
    requires requires(Engine& e) { e.relocate(list, layer, after); }
  {
    return plain_.relocate(list, layer, after);
  }

  void drain_sync() noexcept
  {
    plain_.drain_sync();
    if (codes_) drain_stream_sync(*device_, *codes_);
  }

 private:
  static constexpr std::uint32_t Sms_ = 16;

  [[nodiscard]] std::string_view stream_name() const noexcept
  {
    return direction_ == copy_direction::to_device     ? "onload decode"
           : direction_ == copy_direction::from_device ? "offload encode"
                                                       : "demote codes";
  }
  [[nodiscard]] copy_route route() const noexcept
  {
    return direction_ == copy_direction::to_device     ? copy_route::to_device
           : direction_ == copy_direction::from_device ? copy_route::from_device
                                                       : copy_route::on_host;
  }

  Device* device_;
  copy_direction direction_;
  Engine plain_;
  std::optional<stream_id> codes_;  // there once it is used
  std::vector<coded_piece> pieces_;
};

}  // namespace kvstrata
