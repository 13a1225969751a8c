// The transfer concepts take every model and turn down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <type_traits>

namespace {

using namespace kvstrata;
using D = emulated_device;

// --- what there is ------------------------------------------------------------------------------------------------------
static_assert(copy_engine<per_page_copy, D> && copy_engine<coalesced_copy, D>);
static_assert(transfer_policy<layerwise_transfer<>, D> && transfer_policy<immediate_transfer<>, D>);
static_assert(transfer_policy<layerwise_transfer<per_page_copy, chunk_write_through>, D>);
static_assert(write_policy<page_write_through> && write_policy<chunk_write_through>);
static_assert(std::is_trivially_copyable_v<event> && std::is_standard_layout_v<event>);
static_assert(std::is_nothrow_move_constructible_v<fence> && std::copyable<fence>);
static_assert(std::copyable<ticket> && std::is_nothrow_move_constructible_v<ticket>);

// --- engines ------------------------------------------------------------------------------------------------------------
static_assert(!copy_engine<per_page_copy, int> && !copy_engine<int, D>);

struct counts_nothing
{
  template <class Device>
  struct on
  {
    explicit on(Device&);
    void copy(stream_id, copy_direction, const copy_list&, layer_index);
  };
};
static_assert(!carries_copy_lists<counts_nothing::on<D>> && !copy_engine<counts_nothing, D>);

struct all_layers_at_once
{
  template <class Device>
  struct on
  {
    explicit on(Device&);
    std::uint64_t copy(stream_id, copy_direction, const copy_list&);
  };
};
static_assert(!carries_copy_lists<all_layers_at_once::on<D>> && !copy_engine<all_layers_at_once, D>);

struct wants_to_change_the_list
{
  template <class Device>
  struct on
  {
    explicit on(Device&);
    std::uint64_t copy(stream_id, copy_direction, copy_list&, layer_index);
  };
};
static_assert(!carries_copy_lists<wants_to_change_the_list::on<D>>);

struct needs_more_than_a_device
{
  template <class Device>
  struct on : coalesced_copy::on<Device>
  {
    on(Device&, int slots);
  };
};
static_assert(carries_copy_lists<needs_more_than_a_device::on<D>> && !copy_engine<needs_more_than_a_device, D>);

// A transfer over an engine that is none is no transfer.
static_assert(!transfer_policy<layerwise_transfer<counts_nothing>, D>);
static_assert(!transfer_policy<immediate_transfer<all_layers_at_once>, D>);

// --- transfers ----------------------------------------------------------------------------------------------------------
using complete = layerwise_transfer<>;

struct no_write_policy : complete
{
  using writes = void;
};
static_assert(!names_write_policy<no_write_policy> && !transfer_policy<no_write_policy, D>);

template <class C>
struct recipe_of
{
  using writes = page_write_through;
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

// --- write policies -----------------------------------------------------------------------------------------------------
struct never_flushes
{
  [[maybe_unused]] static constexpr bool writes_back = true;
};
static_assert(!write_policy<never_flushes>);

struct silent_on_eviction
{
  static token_count flushed_end(token_count, token_count, token_count);
};
static_assert(!write_policy<silent_on_eviction>);

struct flushes_by_member : never_flushes
{
  token_count flushed_end(token_count, token_count, token_count);
};
static_assert(!write_policy<flushes_by_member> && !write_policy<int>);

}  // namespace

TEST_CASE("transfer concepts are checked by the compiler") { SUCCEED(); }
