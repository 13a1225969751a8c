// Copies and waits: the baseline that everyone must beat. Onload, offload and relocation block the host until the bytes
// are where they belong.
//
//   immediate_transfer<[Engine], [onload_by<Engine>], [offload_by<Engine>], [Codes], [SplitPolicy]>
#pragma once

#include <kvstrata/transfer/layerwise_transfer.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Defaults: coalesced_copy both ways, always_fetch.
template <transfer_option... Options>
  requires one_of_each_kind<Options...>
struct immediate_transfer
{
  using onload_engine = typename transfer_choice<Options...>::onload_engine;
  using offload_engine = typename transfer_choice<Options...>::offload_engine;
  using split = typename transfer_choice<Options...>::split;
  static constexpr bool lands_in_window = kvstrata::lands_in_window<onload_engine>;

  static void check_piece(std::size_t bytes) { transfer_choice<Options...>::check_piece(bytes); }

  template <device Device>
    requires copy_engine<onload_engine, Device> && copy_engine<offload_engine, Device>
  class on
  {
   public:
    explicit on(Device& d) : device_(&d), copies_(d) {}

    [[nodiscard]] ticket onload(const copy_list& list, const fence& after)
    {
      return finish_sync(copies_.onload(list, after));
    }
    [[nodiscard]] ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      return finish_sync(copies_.offload(list, ready, after));
    }
    [[nodiscard]] ticket relocate(const copy_list& list, const ticket& landed, const fence& after)
      requires lands_in_window
    {
      return finish_sync(copies_.relocate(list, landed, after));
    }

   private:
    ticket finish_sync(ticket queued)
    {
      device_->wait_sync(queued.last());
      return queued;
    }

    Device* device_;
    typename layerwise_transfer<Options...>::template on<Device> copies_;
  };
};

static_assert(transfer_policy<immediate_transfer<>, detail::device_archetype>);

}  // namespace kvstrata
