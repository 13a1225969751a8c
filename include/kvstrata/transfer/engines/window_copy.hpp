// Lands in an onload window, and relocates later: MTServe's way (arXiv 2604.22881).
//
// The window is a part of the slab with ordinary page ids, so attention reads what has landed in place. Bringing it to
// the pages where it shall stay (the paper calls it promotion) is a copy kernel on a stream of its own ("relocate"), off
// the way from the host to the model. Unlike in the paper's code, it waits for the event of the layer that it reads: the
// transfer passes it. Copies travel as Engine does; a relocation may take Sms multiprocessors (0: all).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>

#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <engine_recipe Engine = coalesced_copy, std::uint32_t Sms = 8>
  requires(!lands_in_window<Engine>)
struct window_copy
{
  using option_kind = copy_engine_option;
  static constexpr bool lands_in_window = true;

  static void check_piece(std::size_t bytes) { detail::check_piece<Engine>(bytes); }

  template <device Device>
    requires copy_engine<Engine, Device> && runs_copy_kernels<Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction) : device_(&d), direction_(direction), copies_(d, direction)
    {
      if (direction == copy_direction::to_device) relocate_ = create_copy_stream(d, "relocate");
    }

    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      return copies_.copy(list, layer, after);
    }

    /// Throws usage_error when this is the engine of offloads.
    [[nodiscard]] copied relocate(const copy_list& list, layer_index layer, const fence& after)
    {
      if (direction_ != copy_direction::to_device) {
        throw usage_error("relocate was called on a window_copy that offloads, but only onloads land in a window");
      }
      if (list.empty()) return {};
      const std::span<const copy_piece> all = pieces_.of(list, layer);
      wait_for(*device_, relocate_, after);
      device_->copy_kernel_launch(relocate_, {.label = "relocate", .route = copy_route::on_device, .sms = Sms}, all);
      return {.calls = 1, .pieces = all.size(), .done = device_->record(relocate_)};
    }

    void drain_sync() noexcept
    {
      copies_.drain_sync();
      if (direction_ == copy_direction::to_device) drain_stream_sync(*device_, relocate_);
    }

   private:
    Device* device_;
    copy_direction direction_;
    typename Engine::template on<Device> copies_;
    stream_id relocate_{};
    layer_pieces pieces_;
  };
};

static_assert(copy_engine<window_copy<>, detail::device_archetype> && lands_in_window<window_copy<>>);

}  // namespace kvstrata
