// How a copy list is carried out, and when.
//
// A copy engine E is a recipe; E::on<Device> is the engine, bound to a device and a direction:
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename E::option_kind                copy_engine_option
// E::on<D> e(device, direction)          creates its streams ("onload" or "offload" the first), and takes what device
//                                        memory it needs; throws as the device does
// e.copy(list, layer, after) -> copied   queues one layer after `after`; does not block. Work of later calls starts
//                                        after `after`, too: a fence is told once. `done` of all calls lie on one
//                                        stream and ascend. An empty list queues nothing and gives copied{}
// e.drain_sync()                         blocks until all it queued is done; noexcept, for a failed device too
//
// E::check_piece(bytes)                  absent: any size will do. Static; throws config_error when it cannot move pages of
//                                        so many bytes a layer. Asked when a cache is built
//
// An engine or a transfer policy whose check_piece is not that is refused.
//
// An engine whose onload lands elsewhere than on the pages (window_copy) says so, and can bring it there:
//
// E::lands_in_window -> bool             absent: false
// e.relocate(list, layer, after)         queues one layer of copies within the slab after `after`, on a stream of its
//   -> copied                            own ("relocate"); as copy otherwise
//
// A transfer policy T is a recipe; T::on<Device> is the channel:
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename T::split                      what is computed again rather than fetched (transfer/split_policy.hpp)
// T::lands_in_window -> bool             does the onload land in a window and want relocate()?
// T::check_piece(bytes)                  as an engine's; absent: any size will do
// T::on<D> t(device)                     creates its streams
// t.onload(list, after) -> ticket        memories -> slab, all layers, ascending; each layer starts after `after`
// t.offload(list, ready, after)          slab -> a memory; layer l starts after `after` and, where `ready` is not
//   -> ticket                            empty, after ready[l]
// t.relocate(list, landed, after)        window -> pages, only where it lands in a window; layer l starts after
//   -> ticket                            landed.layer(l) and after `after`
//
// When onload, offload or relocate throws, none of its copies is under way any more. From one memory to another bytes go
// by demotion (transfer/demotion.hpp), which is nobody's choice.
//
// The ticket's event l comes to pass when layer l has arrived. Events of one ticket lie on one stream and ascend.
// Not synchronised: the cache holds a lock. Models: per_page_copy, coalesced_copy, batched_copy, staged_copy,
// kernel_copy, window_copy (transfer/engines/); layerwise_transfer, immediate_transfer.
#pragma once

#include <kvstrata/core/member_names.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/transfer/copy_engine.hpp>
#include <kvstrata/transfer/split_policy.hpp>
#include <kvstrata/transfer/ticket.hpp>

#include <concepts>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class E>
concept carries_copy_lists = requires(E& engine, const copy_list& list, layer_index layer, const fence& after) {
  { engine.copy(list, layer, after) } -> std::same_as<copied>;
};

template <class E>
concept drains_all_queued = requires(E& engine) {
  { engine.drain_sync() } noexcept;
};

template <class E>
concept relocates_layers = requires(E& engine, const copy_list& list, layer_index layer, const fence& after) {
  { engine.relocate(list, layer, after) } -> std::same_as<copied>;
};

/// A recipe of a copy engine; whether it is one on a given device says copy_engine.
template <class E>
concept engine_recipe = option<E> && std::same_as<typename E::option_kind, copy_engine_option>;

namespace detail {

template <class E>
struct window_of
{
  static constexpr bool lands = false;
};

template <class E>
  requires requires { E::lands_in_window; }
struct window_of<E>
{
  static constexpr bool lands = E::lands_in_window;
};

}  // namespace detail

/// Does the engine's onload land in a window, to be relocated from there?
template <class E>
inline constexpr bool lands_in_window = detail::window_of<E>::lands;

template <class E, class Device>
concept relocates_if_window = !lands_in_window<E> || relocates_layers<typename E::template on<Device>>;

template <class E, class Device>
concept binds_a_direction = std::constructible_from<typename E::template on<Device>, Device&, copy_direction>;

namespace detail {

struct name_check_piece
{
  int check_piece;
};
template <class T>
concept has_member_check_piece = may_be_a_base<T> && !requires { &named_twice<T, name_check_piece>::check_piece; };

template <class T>
concept checks_pieces = requires(std::size_t bytes) { T::check_piece(bytes); };

/// Refuses with a sentence: engines and transfer policies.
template <class T>
struct refuse_check_piece
{
  static_assert(checks_pieces<T> || !has_member_check_piece<T>,
                "an engine or a transfer policy has a member check_piece, but not a static check_piece(bytes), with a "
                "std::size_t: nobody would call it");
  static constexpr bool value = true;
};

}  // namespace detail

/// Where only a check_piece is in the way that nobody would call, the program does not compile, and is told why.
template <class E, class Device>
concept copy_engine =
    device<Device> && engine_recipe<E> && binds_a_direction<E, Device> &&
    carries_copy_lists<typename E::template on<Device>> && drains_all_queued<typename E::template on<Device>> &&
    relocates_if_window<E, Device> && detail::refuse_check_piece<E>::value;

template <class C>
concept onloads = requires(C& channel, const copy_list& list, const fence& after) {
  { channel.onload(list, after) } -> std::same_as<ticket>;
};

template <class C>
concept offloads = requires(C& channel, const copy_list& list, std::span<const event> ready, const fence& after) {
  { channel.offload(list, ready, after) } -> std::same_as<ticket>;
};

template <class C>
concept relocates = requires(C& channel, const copy_list& list, const ticket& landed, const fence& after) {
  { channel.relocate(list, landed, after) } -> std::same_as<ticket>;
};

template <class T>
concept names_split_policy = split_policy<typename T::split>;

template <class T>
concept tells_where_it_lands = requires {
  { T::lands_in_window } -> std::convertible_to<bool>;
};

template <class T, class Device>
concept relocates_where_it_lands = !T::lands_in_window || relocates<typename T::template on<Device>>;

template <class T, class Device>
concept transfer_policy = device<Device> && names_split_policy<T> && tells_where_it_lands<T> &&
                          std::constructible_from<typename T::template on<Device>, Device&> &&
                          onloads<typename T::template on<Device>> && offloads<typename T::template on<Device>> &&
                          relocates_where_it_lands<T, Device> && detail::refuse_check_piece<T>::value;

}  // namespace kvstrata
