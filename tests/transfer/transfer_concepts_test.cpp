// The transfer concepts take every model and turn down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/write_policy.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace {

using namespace kvstrata;
using D = emulated_device;

// --- what there is ------------------------------------------------------------------------------------------------------
static_assert(copy_engine<per_page_copy, D> && copy_engine<coalesced_copy, D>);
static_assert(copy_engine<batched_copy<>, D> && copy_engine<batched_copy<1>, D>);
static_assert(copy_engine<staged_copy<>, D> && copy_engine<staged_copy<4096, 2>, D>);
static_assert(copy_engine<kernel_copy<>, D> && copy_engine<kernel_copy<0>, D>);
static_assert(copy_engine<window_copy<>, D> && copy_engine<window_copy<staged_copy<>>, D>);
static_assert(lands_in_window<window_copy<>> && !lands_in_window<coalesced_copy> && !lands_in_window<staged_copy<>>);
static_assert(transfer_policy<layerwise_transfer<>, D> && transfer_policy<immediate_transfer<>, D>);
static_assert(transfer_policy<layerwise_transfer<per_page_copy, split_by_cost>, D>);
static_assert(split_policy<always_fetch> && split_policy<fetch_or_recompute> && split_policy<split_by_cost>);
static_assert(std::is_trivially_copyable_v<event> && std::is_standard_layout_v<event>);
static_assert(std::is_nothrow_move_constructible_v<fence> && std::copyable<fence>);
static_assert(std::copyable<ticket> && std::is_nothrow_move_constructible_v<ticket>);

// --- options: any order, one of a kind ----------------------------------------------------------------------------------
template <class... Options>
concept makes_a_transfer = requires {
  typename layerwise_transfer<Options...>;
  typename immediate_transfer<Options...>;
};

using mixed = layerwise_transfer<split_by_cost, offload_by<kernel_copy<>>, staged_copy<>>;
static_assert(std::same_as<mixed::onload_engine, staged_copy<>> && std::same_as<mixed::offload_engine, kernel_copy<>>);
static_assert(std::same_as<mixed::split, split_by_cost>);
static_assert(transfer_policy<mixed, D> && !mixed::lands_in_window);
using defaults = immediate_transfer<>;
static_assert(std::same_as<defaults::onload_engine, coalesced_copy>);
static_assert(std::same_as<defaults::offload_engine, coalesced_copy>);
static_assert(std::same_as<defaults::split, always_fetch>);
using by_direction = immediate_transfer<onload_by<window_copy<>>, offload_by<per_page_copy>>;
static_assert(std::same_as<by_direction::onload_engine, window_copy<>> && by_direction::lands_in_window);
static_assert(std::same_as<by_direction::offload_engine, per_page_copy>);
static_assert(!layerwise_transfer<offload_by<window_copy<>>>::lands_in_window);  // nothing is onloaded by it

static_assert(makes_a_transfer<> && makes_a_transfer<coalesced_copy, onload_by<kernel_copy<>>, split_by_cost>);
static_assert(!transfer_option<int> && !makes_a_transfer<int>);
static_assert(option<replaced_by<int>> && !transfer_option<replaced_by<int>> && !makes_a_transfer<replaced_by<int>>);
static_assert(option<write_back> && !transfer_option<write_back> &&
              !makes_a_transfer<write_back>);  // the tier's to say
static_assert(transfer_option<split_by_cost> && transfer_option<fetch_or_recompute>);
static_assert(!one_of_each_kind<split_by_cost, fetch_or_recompute>);
static_assert(!makes_a_transfer<per_page_copy, coalesced_copy>);
static_assert(!makes_a_transfer<onload_by<per_page_copy>, coalesced_copy, onload_by<per_page_copy>>);
static_assert(!makes_a_transfer<split_by_cost, always_fetch>);

// --- engines ------------------------------------------------------------------------------------------------------------
static_assert(!copy_engine<per_page_copy, int> && !copy_engine<int, D>);

struct engine
{
  using option_kind = copy_engine_option;
};

struct lacks_a_kind
{
  template <class Device>
  using on = coalesced_copy::on<Device>;
};
static_assert(!engine_recipe<lacks_a_kind> && !copy_engine<lacks_a_kind, D>);

struct is_of_another_kind : lacks_a_kind
{
  using option_kind = split_policy_option;
};
static_assert(!engine_recipe<is_of_another_kind> && !copy_engine<is_of_another_kind, D>);

struct counts_nothing : engine
{
  template <class Device>
  struct on
  {
    on(Device&, copy_direction);
    void copy(const copy_list&, layer_index, const fence&);
    void drain_sync() noexcept;
  };
};
static_assert(!carries_copy_lists<counts_nothing::on<D>> && !copy_engine<counts_nothing, D>);

struct all_layers_at_once : engine
{
  template <class Device>
  struct on
  {
    on(Device&, copy_direction);
    copied copy(const copy_list&, const fence&);
    void drain_sync() noexcept;
  };
};
static_assert(!carries_copy_lists<all_layers_at_once::on<D>> && !copy_engine<all_layers_at_once, D>);

struct wants_to_change_the_list : engine
{
  template <class Device>
  struct on
  {
    on(Device&, copy_direction);
    copied copy(copy_list&, layer_index, const fence&);
    void drain_sync() noexcept;
  };
};
static_assert(!carries_copy_lists<wants_to_change_the_list::on<D>> && !copy_engine<wants_to_change_the_list, D>);

struct needs_more_than_a_device : engine
{
  template <class Device>
  struct on : coalesced_copy::on<Device>
  {
    on(Device&, copy_direction, int slots);
  };
};
static_assert(carries_copy_lists<needs_more_than_a_device::on<D>> && !binds_a_direction<needs_more_than_a_device, D>);
static_assert(!copy_engine<needs_more_than_a_device, D>);

struct cannot_be_drained : engine
{
  template <class Device>
  struct on
  {
    on(Device&, copy_direction);
    copied copy(const copy_list&, layer_index, const fence&);
  };
};
static_assert(carries_copy_lists<cannot_be_drained::on<D>> && !drains_all_queued<cannot_be_drained::on<D>>);
static_assert(!copy_engine<cannot_be_drained, D>);

struct may_throw_when_drained : engine
{
  template <class Device>
  struct on : cannot_be_drained::on<Device>
  {
    using cannot_be_drained::on<Device>::on;
    void drain_sync();
  };
};
static_assert(!drains_all_queued<may_throw_when_drained::on<D>> && !copy_engine<may_throw_when_drained, D>);

struct lands_and_leaves_it_there : engine
{
  static constexpr bool lands_in_window = true;
  template <class Device>
  using on = coalesced_copy::on<Device>;
};
static_assert(!relocates_layers<coalesced_copy::on<D>> && relocates_layers<window_copy<>::on<D>>);
static_assert(!relocates_if_window<lands_and_leaves_it_there, D> && !copy_engine<lands_and_leaves_it_there, D>);

struct lands_on_the_pages : lands_and_leaves_it_there
{
  static constexpr bool lands_in_window = false;
};
static_assert(copy_engine<lands_on_the_pages, D>);

// A window behind a window, a batch of nothing, a ring without slots.
template <class Engine>
concept makes_a_window = requires { typename window_copy<Engine>; };
static_assert(makes_a_window<per_page_copy> && !makes_a_window<window_copy<>> && !makes_a_window<int>);
template <std::size_t N>
concept makes_a_batch = requires { typename batched_copy<N>; };
static_assert(makes_a_batch<1> && !makes_a_batch<0>);
template <std::size_t Bytes, std::size_t Slots>
concept makes_a_ring = requires { typename staged_copy<Bytes, Slots>; };
static_assert(makes_a_ring<1, 1> && !makes_a_ring<0, 1> && !makes_a_ring<1, 0>);

// A transfer over an engine that is none is no transfer.
static_assert(!transfer_policy<layerwise_transfer<counts_nothing>, D>);
static_assert(!transfer_policy<immediate_transfer<offload_by<all_layers_at_once>>, D>);

// --- transfers ----------------------------------------------------------------------------------------------------------
using complete = layerwise_transfer<>;

struct no_split_policy : complete
{
  using split = page_write_through;
};
static_assert(!names_split_policy<no_split_policy> && !transfer_policy<no_split_policy, D>);

struct silent_about_windows
{
  using split = always_fetch;
  template <class Device>
  using on = complete::on<Device>;
};
static_assert(!tells_where_it_lands<silent_about_windows> && !transfer_policy<silent_about_windows, D>);

struct lands_without_relocating : silent_about_windows
{
  static constexpr bool lands_in_window = true;
};
static_assert(!relocates_where_it_lands<lands_without_relocating, D> && !transfer_policy<lands_without_relocating, D>);
static_assert(!relocates<complete::on<D>> && relocates<layerwise_transfer<window_copy<>>::on<D>>);
static_assert(relocates<immediate_transfer<window_copy<>>::on<D>>);

template <class C>
struct recipe_of
{
  using split = always_fetch;
  static constexpr bool lands_in_window = false;
  template <class Device>
  using on = C;
};

struct no_onload : complete::on<D>
{
  using complete::on<D>::on;
  void onload() = delete;
};
static_assert(!onloads<no_onload> && offloads<no_onload> && !transfer_policy<recipe_of<no_onload>, D>);

struct onload_without_after : complete::on<D>
{
  using complete::on<D>::on;
  ticket onload(const copy_list&);
};
static_assert(!onloads<onload_without_after> && !transfer_policy<recipe_of<onload_without_after>, D>);

struct onload_of_an_event : complete::on<D>
{
  using complete::on<D>::on;
  event onload(const copy_list&, const fence&);
};
static_assert(!onloads<onload_of_an_event>);

struct no_offload : complete::on<D>
{
  using complete::on<D>::on;
  void offload() = delete;
};
static_assert(onloads<no_offload> && !offloads<no_offload> && !transfer_policy<recipe_of<no_offload>, D>);

struct offload_of_what_is_ready_at_once : complete::on<D>
{
  using complete::on<D>::on;
  ticket offload(const copy_list&, const fence&);
};
static_assert(!offloads<offload_of_what_is_ready_at_once>);

struct cannot_be_made : complete::on<D>
{
};
static_assert(onloads<cannot_be_made> && offloads<cannot_be_made> && !transfer_policy<recipe_of<cannot_be_made>, D>);
static_assert(transfer_policy<recipe_of<complete::on<D>>, D> && !transfer_policy<complete, int>);

// --- split policies -----------------------------------------------------------------------------------------------------
struct splits_nothing
{
  using option_kind = split_policy_option;
};
static_assert(is_split_option<splits_nothing> && !splits<splits_nothing> && !split_policy<splits_nothing>);

struct changes_while_asked : splits_nothing
{
  void recompute_until(const split_batch&, std::span<token_count>);
};
static_assert(!splits<changes_while_asked> && !split_policy<changes_while_asked>);

struct has_no_default : splits_nothing
{
  explicit has_no_default(int);
  void recompute_until(const split_batch&, std::span<token_count>) const;
};
static_assert(splits<has_no_default> && !split_policy<has_no_default>);

struct splits_without_a_kind
{
  void recompute_until(const split_batch&, std::span<token_count>) const;
};
static_assert(splits<splits_without_a_kind> && !split_policy<splits_without_a_kind> && !split_policy<int>);

}  // namespace

TEST_CASE("transfer concepts are checked by the compiler") { SUCCEED(); }
