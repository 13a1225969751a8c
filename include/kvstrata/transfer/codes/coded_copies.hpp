// An engine, and beside it what moves the pages of which a level keeps a code.
#pragma once

#include <kvstrata/transfer/codes/direct_codes.hpp>
#include <kvstrata/transfer/copy_engine.hpp>

#include <memory>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// An engine on a device, through which codes travel: `Codes` (direct_codes, staged_codes) is made when the first list with encoded
/// pages comes. Lists without are the engine's alone until then; a layer of one with both is there when both have done their
/// part, and its event lies on the codes' stream. Not synchronised.
template <class Engine, class Codes, device Device>
class coded_copies
{
 public:
  coded_copies(Device& d, copy_direction direction) : device_(&d), direction_(direction), plain_(d, direction) {}

  /// As an engine's. Throws usage_error where the device has no code kernels.
  [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
  {
    if (list.coded.empty() && codes_ == nullptr) return plain_.copy(list, layer, after);
    if (list.empty()) return {};
    if constexpr (codes_pieces<Device>) {
      if (codes_ == nullptr) codes_ = std::make_unique<codes_on>(*device_, direction_);
      copied out;
      if (!list.runs.empty()) out = plain_.copy(list, layer, after);
      const stream_id last = codes_->copy(list, layer, after, out);
      if (!list.runs.empty()) device_->wait(last, out.done);
      out.done = device_->record(last);
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
    if (codes_ != nullptr) codes_->drain_sync();
  }

 private:
  using codes_on = typename Codes::template on<Device>;

  Device* device_;
  copy_direction direction_;
  Engine plain_;
  std::unique_ptr<codes_on> codes_;
};

}  // namespace kvstrata
