// Layer by layer, on streams for each direction: the model computes layer l while layer l + 1 travels.
//
//   layerwise_transfer<[Engine], [onload_by<Engine>], [offload_by<Engine>], [Codes], [SplitPolicy]>
//
// Asynchronous transfer pipeline after MTServe (arXiv 2604.22881); how bytes travel is the engine's matter, and what
// orders them are events alone. The host never blocks.
#pragma once

#include <kvstrata/device/device_archetype.hpp>
#include <kvstrata/transfer/codes/coded_copies.hpp>
#include <kvstrata/transfer/concepts.hpp>
#include <kvstrata/transfer/options.hpp>
#include <kvstrata/transfer/queue_layers.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Defaults: coalesced_copy both ways, always_fetch.
template <transfer_option... Options>
  requires one_of_each_kind<Options...>
struct layerwise_transfer
{
  using onload_engine = typename transfer_choice<Options...>::onload_engine;
  using offload_engine = typename transfer_choice<Options...>::offload_engine;
  using split = typename transfer_choice<Options...>::split;
  using codes = typename transfer_choice<Options...>::codes;
  static constexpr bool lands_in_window = kvstrata::lands_in_window<onload_engine>;

  static void check_piece(std::size_t bytes) { transfer_choice<Options...>::check_piece(bytes); }

  template <device Device>
    requires copy_engine<onload_engine, Device> && copy_engine<offload_engine, Device>
  class on
  {
   public:
    explicit on(Device& d) : onload_(d, copy_direction::to_device), offload_(d, copy_direction::from_device) {}

    [[nodiscard]] ticket onload(const copy_list& list, const fence& after)
    {
      const fence nothing;  // the first layer's wait holds for the others
      const auto layer = [&](layer_index l) { return onload_.copy(list, l, l == 0 ? after : nothing); };
      return queue_layers(onload_, list, layer);
    }

    [[nodiscard]] ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      const auto layer = [&](layer_index l) {
        fence start;
        if (l == 0) start = after;
        if (!ready.empty()) start.add(ready[l]);
        return offload_.copy(list, l, start);
      };
      return queue_layers(offload_, list, layer);
    }

    [[nodiscard]] ticket relocate(const copy_list& list, const ticket& landed, const fence& after)
      requires lands_in_window
    {
      const auto layer = [&](layer_index l) {
        fence start;
        if (l == 0) start = after;
        start.add(landed.layer(l));
        return onload_.relocate(list, l, start);
      };
      return queue_layers(onload_, list, layer);
    }

   private:
    coded_copies<typename onload_engine::template on<Device>, codes, Device> onload_;
    coded_copies<typename offload_engine::template on<Device>, codes, Device> offload_;
  };
};

static_assert(transfer_policy<layerwise_transfer<>, detail::device_archetype>);

}  // namespace kvstrata
