// The tier concepts take every model and turn down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include "tiers/mapped_file.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#include <array>
#include <string>
#include <string_view>
#include <tuple>

namespace {

using namespace kvstrata;
using D = emulated_device;

// --- what there is ------------------------------------------------------------------------------------------------------
static_assert(memory_tier<pinned_arena<>, D> && memory_tier<pinned_arena<evict_whole, replaced_by<lru>>, D>);
static_assert(memory_tier<example::mapped_file<>, D> && memory_tier<example::mapped_file<replaced_by<lru>>, D>);
static_assert(slab_tier<device_slab<D>> && slab_tier<device_slab<D, evict_whole, replaced_by<lru>>>);
static_assert(bound_tier<device_slab<D>::bound> && bound_tier<pinned_arena<>::on<D>>);
static_assert(poisons<D>);

// options in any order
static_assert(std::same_as<pinned_arena<replaced_by<lru>, evict_whole>::shedding, evict_whole>);
static_assert(std::same_as<pinned_arena<replaced_by<lru>, evict_whole>::replacement, replaced_by<lru>>);
static_assert(std::same_as<pinned_arena<>::shedding, evict_front>);
static_assert(std::same_as<device_slab<D, evict_whole>::replacement, replaced_as_cache>);

// what texts call them, what comes down to them and who may come in: optional
static_assert(name_of_tier<pinned_arena<>>() == "arena" && name_of_tier<device_slab<D>>() == "slab");
static_assert(std::same_as<tier_writes_t<pinned_arena<>>, page_write_through>);
static_assert(std::same_as<tier_writes_t<pinned_arena<evict_whole, write_back>>, write_back>);
static_assert(std::same_as<tier_admission_t<pinned_arena<>>, always>);
static_assert(std::same_as<tier_admission_t<pinned_arena<write_back, second_use>>, second_use>);

// A run and its fence move, a tier's frames do not copy.
static_assert(std::is_trivially_copyable_v<frame_run> && std::movable<taken_run>);
static_assert(!std::copyable<run_pool> && !std::copyable<pinned_arena<>::on<D>>);

// --- the recipe ---------------------------------------------------------------------------------------------------------
static_assert(!tier_recipe<int>);

struct no_config : pinned_arena<>
{
  using config = void;
};
static_assert(!tier_recipe<no_config> && !memory_tier<no_config, D>);

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
static_assert(tier_recipe<unbound> && !binds_to<unbound, D> && !memory_tier<unbound, D>);
static_assert(name_of_tier<unbound>() == "memory" && std::same_as<tier_writes_t<unbound>, page_write_through>);
static_assert(std::same_as<tier_admission_t<unbound>, always>);

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

struct no_data : complete
{
  void data() = delete;
};
static_assert(!addressable<no_data> && parts<no_data> == 4 && !bound_tier<no_data>);

struct data_of_nothing : complete
{
  void* data();
};
static_assert(!addressable<data_of_nothing> && parts<data_of_nothing> == 4);

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

// Whatever is no tier, a stack says (a sentence, tests/static/refused).
template <class... Tiers>
concept stacks = requires { typename tier_stack<Tiers...>; };
using slab = device_slab<D>;
using arena = pinned_arena<>;
using file = example::mapped_file<>;
static_assert(stacks<slab> && stacks<slab, arena> && stacks<slab, file> && stacks<slab, arena, file, arena>);

struct arena_without_name
{
  using config = arena::config;
  using shedding = arena::shedding;
  using replacement = arena::replacement;
  template <class Device>
  using on = arena::on<Device>;
};
using four = tier_stack<slab, arena, file, arena_without_name>;
static_assert(tier_stack<slab>::memories == 1 && tier_stack<slab, arena>::memories == 2 && four::memories == 4);
static_assert(std::same_as<four::tier<0>, slab> && std::same_as<four::tier<2>, file>);
static_assert(
    std::same_as<four::config, std::tuple<slab::config, arena::config, file::config, arena_without_name::config>>);
static_assert(four::names == std::array<std::string_view, 4>{"slab", "arena", name_of_tier<file>(), "memory"});
static_assert(std::same_as<four::device_type, D>);

// As many as figures are kept for, the slab included.
static_assert(most_levels == 8);
static_assert(tier_stack<slab, arena, arena, arena, arena, arena, arena, arena>::memories == most_levels);

struct named_stack : tier_stack<slab, arena>
{
};
static_assert(tiers<tier_stack<slab>> && tiers<four> && tiers<named_stack>);
static_assert(!tiers<int> && !tiers<slab> && !tiers<arena>);

struct stack_without_slab : four
{
  template <level_index I>
  using tier = arena;
};
static_assert(!tiers<stack_without_slab>);

template <class D2, class... Options>
concept slab_takes = requires { typename device_slab<D2, Options...>; };
static_assert(slab_takes<D, evict_front> && !slab_takes<D, lru> && !slab_takes<int>);

// --- write policies -----------------------------------------------------------------------------------------------------
static_assert(write_policy<page_write_through> && write_policy<chunk_write_through> && write_policy<write_back>);

struct writes
{
  using option_kind = write_policy_option;
};

struct never_flushes : writes
{
  static bool writes_back(const write_facts&);
};
static_assert(decides_write_back<never_flushes> && !writes_at_commit<never_flushes> && !write_policy<never_flushes>);

struct silent_on_eviction : writes
{
  static token_count flushed_end(const write_facts&);
};
static_assert(writes_at_commit<silent_on_eviction> && !decides_write_back<silent_on_eviction>);
static_assert(!write_policy<silent_on_eviction>);

struct flushes_by_member : never_flushes
{
  token_count flushed_end(const write_facts&);
};
static_assert(!writes_at_commit<flushes_by_member> && !write_policy<flushes_by_member> && !write_policy<int>);

struct is_no_option
{
  static token_count flushed_end(const write_facts&);
  static bool writes_back(const write_facts&);
};
static_assert(writes_at_commit<is_no_option> && decides_write_back<is_no_option> && !is_write_option<is_no_option>);
static_assert(!write_policy<is_no_option>);

struct tier_with_no_write_policy : arena
{
  using writes = never_flushes;
};
static_assert(tier_recipe<tier_with_no_write_policy> && !memory_tier<tier_with_no_write_policy, D>);

struct tier_with_a_write_policy : arena
{
  using writes = selective_write<3>;
};
static_assert(memory_tier<tier_with_a_write_policy, D>);

// --- poisoning is optional ----------------------------------------------------------------------------------------------
struct never_poisons : D
{
  void poison() = delete;
};
static_assert(!poisons<never_poisons>);

}  // namespace

TEST_CASE("tier concepts are checked by the compiler") { SUCCEED(); }
