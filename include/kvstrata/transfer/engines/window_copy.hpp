// Lands in an onload window, and promotes later: MTServe's way (arXiv 2604.22881).
//
// The window is a part of the slab with ordinary page ids, so attention reads what has landed in place. Bringing it to
// the pages where it shall stay is a copy kernel on a stream of its own ("promote"), off the way from the host to the
// model. Unlike in the paper's code, the promotion waits for the event of the layer that it reads: the transfer passes
// it. Copies travel as Engine does; a promotion may take Sms multiprocessors (0: all).
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>

#include <cstdint>
#include <vector>

namespace kvstrata {

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
      if (direction == copy_direction::to_device) promote_ = create_copy_stream(d, "promote");
    }

    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      return copies_.copy(list, layer, after);
    }

    /// Throws usage_error when this is the engine of offloads.
    [[nodiscard]] copied promote(const promotion_list& list, layer_index layer, const fence& after)
    {
      if (direction_ != copy_direction::to_device) {
        throw usage_error("promote was called on a window_copy that offloads, but only onloads land in a window");
      }
      if (list.empty()) return {};
      list_promotions(list, layer);
      wait_for(*device_, promote_, after);
      device_->copy_kernel_launch(promote_, {.label = "promote", .route = copy_route::on_device, .sms = Sms}, pieces_);
      return {.calls = 1, .pieces = pieces_.size(), .done = device_->record(promote_)};
    }

    void drain_sync() noexcept
    {
      copies_.drain_sync();
      if (direction_ == copy_direction::to_device) drain_stream_sync(*device_, promote_);
    }

   private:
    void list_promotions(const promotion_list& list, layer_index layer)
    {
      pieces_.clear();
      for (const promotion_run& run : list.runs) {
        for (page_count page = 0; page < run.pages; ++page) {
          append_joined(pieces_, {.dst = list.device_base + list.place.offset(layer, std::uint64_t{run.to} + page),
                                  .src = list.device_base + list.place.offset(layer, std::uint64_t{run.from} + page),
                                  .bytes = list.piece_bytes});
        }
      }
    }

    Device* device_;
    copy_direction direction_;
    typename Engine::template on<Device> copies_;
    stream_id promote_{};
    std::vector<copy_piece> pieces_;  // of the promotion at hand
  };
};

static_assert(engine_recipe<window_copy<>> && lands_in_window<window_copy<>>);

}  // namespace kvstrata
