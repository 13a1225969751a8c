// How a copy list is carried out, and when.
//
// A copy engine E is a recipe; E::on<Device> is the engine, bound to a device:
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// E::on<D> e(device)                     streams, rings or kernels it needs, if any
// e.copy(stream, direction, list, layer) queues the copies of one layer on the stream; does not block. Returns how
//   -> std::uint64_t                     many copy calls it made
//
// A transfer policy T is a recipe; T::on<Device> is the channel:
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename T::writes                     when tokens go down (transfer/write_policy.hpp)
// T::on<D> t(device)                     creates its streams
// t.onload(list, after) -> ticket        lower tier -> device, all layers, ascending; each layer starts after `after`
// t.offload(list, ready, after)          device -> lower tier; layer l starts after `after` and, where `ready` is not
//   -> ticket                            empty, after ready[l]
//
// When onload or offload throws, none of its copies is under way any more.
//
// The ticket's event l comes to pass when layer l has arrived. Events of one ticket lie on one stream and ascend.
// Not synchronised: the cache holds a lock. Models: coalesced_copy, per_page_copy; layerwise_transfer,
// immediate_transfer.
#pragma once

#include <kvstrata/device/concepts.hpp>
#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/transfer/ticket.hpp>
#include <kvstrata/transfer/write_policy.hpp>

#include <concepts>
#include <span>

namespace kvstrata {

template <class E>
concept carries_copy_lists =
    requires(E& engine, stream_id stream, copy_direction direction, const copy_list& list, layer_index layer) {
      { engine.copy(stream, direction, list, layer) } -> std::same_as<std::uint64_t>;
    };

template <class E, class Device>
concept copy_engine = device<Device> && std::constructible_from<typename E::template on<Device>, Device&> &&
                      carries_copy_lists<typename E::template on<Device>>;

template <class C>
concept onloads = requires(C& channel, const copy_list& list, const fence& after) {
  { channel.onload(list, after) } -> std::same_as<ticket>;
};

template <class C>
concept offloads = requires(C& channel, const copy_list& list, std::span<const event> ready, const fence& after) {
  { channel.offload(list, ready, after) } -> std::same_as<ticket>;
};

template <class T>
concept names_write_policy = write_policy<typename T::writes>;

template <class T, class Device>
concept transfer_policy =
    device<Device> && names_write_policy<T> && std::constructible_from<typename T::template on<Device>, Device&> &&
    onloads<typename T::template on<Device>> && offloads<typename T::template on<Device>>;

}  // namespace kvstrata
