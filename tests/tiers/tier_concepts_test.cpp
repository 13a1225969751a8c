// The tier concepts take every model and turn down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include "tiers/mapped_file.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#include <string>

namespace {

using namespace kvstrata;
using D = emulated_device;

// --- what there is ------------------------------------------------------------------------------------------------------
static_assert(lower_tier<pinned_arena<>, D> && lower_tier<pinned_arena<evict_whole, replaced_by<lru>>, D>);
static_assert(lower_tier<example::mapped_file<>, D> && lower_tier<example::mapped_file<replaced_by<lru>>, D>);
static_assert(slab_tier<device_slab<D>> && slab_tier<device_slab<D, evict_whole, replaced_by<lru>>>);
static_assert(bound_tier<device_slab<D>::bound> && bound_tier<pinned_arena<>::on<D>>);
static_assert(poisons<D>);

// options in any order
static_assert(std::same_as<pinned_arena<replaced_by<lru>, evict_whole>::shedding, evict_whole>);
static_assert(std::same_as<pinned_arena<replaced_by<lru>, evict_whole>::replacement, replaced_by<lru>>);
static_assert(std::same_as<pinned_arena<>::shedding, evict_front>);
static_assert(std::same_as<device_slab<D, evict_whole>::replacement, replaced_as_cache>);

static_assert(tier_stack<device_slab<D>, pinned_arena<>>::has_lower && !tier_stack<device_slab<D>>::has_lower);
static_assert(std::same_as<tier_stack<device_slab<D>>::lower, no_lower_tier>);

// A run and its fence move, a tier's frames do not copy.
static_assert(std::is_trivially_copyable_v<frame_run> && std::movable<taken_run>);
static_assert(!std::copyable<run_pool> && !std::copyable<pinned_arena<>::on<D>>);

// --- the recipe ---------------------------------------------------------------------------------------------------------
static_assert(!tier_recipe<no_lower_tier> && !tier_recipe<int>);

struct no_config : pinned_arena<>
{
  using config = void;
};
static_assert(!tier_recipe<no_config> && !lower_tier<no_config, D>);

struct config_that_must_be_given_something : pinned_arena<>
{
  struct config
  {
    explicit config(std::string);
  };
};
static_assert(!tier_recipe<config_that_must_be_given_something>);

struct no_shedding : pinned_arena<>
{
  using shedding = void;
};
static_assert(!tier_recipe<no_shedding> && binds_to<no_shedding, D>);

struct sheds_by_replacement : pinned_arena<>
{
  using shedding = replaced_as_cache;
};
static_assert(!tier_recipe<sheds_by_replacement>);

struct no_replacement : pinned_arena<>
{
  using replacement = lru;  // must be replaced_by<lru>
};
static_assert(!tier_recipe<no_replacement> && binds_to<no_replacement, D>);

// --- binding ------------------------------------------------------------------------------------------------------------
struct unbound
{
  using config = pinned_arena<>::config;
  using shedding = evict_front;
  using replacement = replaced_as_cache;
};
static_assert(tier_recipe<unbound> && !binds_to<unbound, D> && !lower_tier<unbound, D>);

struct takes_no_frame_size : unbound
{
  template <class Device>
  struct on : pinned_arena<>::on<Device>
  {
    on(Device&, const config&);
  };
};
static_assert(tier_recipe<takes_no_frame_size> && !binds_to<takes_no_frame_size, D>);
static_assert(!binds_to<pinned_arena<>, int>);

// --- the bound tier: each lacks one thing; what is missing is hidden by a member of the same name ------------------------
using complete = pinned_arena<>::on<D>;

template <class B>
constexpr int parts = hands_out_frames<B> + takes_frames_back<B> + accounts_for_frames<B> + addressable<B> + drains<B>;
static_assert(parts<complete> == 5);

struct gives_no_fence : complete
{
  std::optional<frame_run> try_take(page_count);
};
static_assert(!hands_out_frames<gives_no_fence> && parts<gives_no_fence> == 4 && !bound_tier<gives_no_fence>);

struct no_give_back : complete
{
  void give_back() = delete;
};
static_assert(!takes_frames_back<no_give_back> && parts<no_give_back> == 4 && !bound_tier<no_give_back>);

struct takes_back_without_fence : complete
{
  void give_back(frame_run);
};
static_assert(!takes_frames_back<takes_back_without_fence> && parts<takes_back_without_fence> == 4);

struct takes_back_and_may_throw : complete
{
  void give_back(frame_run, fence);
};
static_assert(parts<takes_back_and_may_throw> == 5 && !takes_back_noexcept<takes_back_and_may_throw>);

struct no_capacity : complete
{
  void capacity() = delete;
};
static_assert(!accounts_for_frames<no_capacity> && parts<no_capacity> == 4 && !bound_tier<no_capacity>);

struct counts_bytes : complete
{
  [[nodiscard]] std::uint64_t free() const;
};
static_assert(!accounts_for_frames<counts_bytes> && parts<counts_bytes> == 4);

struct no_in_flight : complete
{
  void in_flight() = delete;
};
static_assert(!accounts_for_frames<no_in_flight> && parts<no_in_flight> == 4);

struct no_base : complete
{
  void base() = delete;
};
static_assert(!addressable<no_base> && parts<no_base> == 4 && !bound_tier<no_base>);

struct base_of_nothing : complete
{
  void* base();
};
static_assert(!addressable<base_of_nothing> && parts<base_of_nothing> == 4);

struct no_drain : complete
{
  void drain_sync() = delete;
};
static_assert(!drains<no_drain> && parts<no_drain> == 4 && !bound_tier<no_drain>);

// --- the slab and the stack ---------------------------------------------------------------------------------------------
static_assert(!slab_tier<pinned_arena<>>);

struct slab_without_bound
{
  using device_type = D;
  using config = device_slab<D>::config;
  using shedding = evict_front;
  using replacement = replaced_as_cache;
};
static_assert(!slab_tier<slab_without_bound> && tier_recipe<slab_without_bound>);

template <class Slab, class Lower>
concept stacks = requires { typename tier_stack<Slab, Lower>; };
static_assert(stacks<device_slab<D>, pinned_arena<>> && stacks<device_slab<D>, example::mapped_file<>>);
static_assert(!stacks<pinned_arena<>, pinned_arena<>> && !stacks<device_slab<D>, unbound>);
static_assert(!stacks<device_slab<D>, device_slab<D>>);

template <class D2, class... Options>
concept slab_takes = requires { typename device_slab<D2, Options...>; };
static_assert(slab_takes<D, evict_front> && !slab_takes<D, lru> && !slab_takes<int>);

// --- poisoning is optional ----------------------------------------------------------------------------------------------
struct never_poisons : D
{
  void poison() = delete;
};
static_assert(!poisons<never_poisons>);

}  // namespace

TEST_CASE("tier concepts are checked by the compiler") { SUCCEED(); }
