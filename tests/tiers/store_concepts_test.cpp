// The concepts of stores take every model and turn down, by name, each type that lacks one thing; and what stands where in
// a stack.
#include "support/catch.hpp"

#include "tiers/mapped_file.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/memory_store.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#include <array>
#include <string_view>
#include <tuple>

namespace {

using namespace kvstrata;
using D = emulated_device;
using complete = memory_store<>::on<D>;

// --- what there is ------------------------------------------------------------------------------------------------------
static_assert(store_tier<memory_store<>, D> && store_recipe<memory_store<>> && bound_store<complete>);
static_assert(!memory_tier<memory_store<>, D> && !store_tier<pinned_arena<>, D> && !store_recipe<pinned_arena<>>);
static_assert(std::same_as<store_writes_t<memory_store<>>, write_back>);
static_assert(std::same_as<store_writes_t<memory_store<token_write_through>>, token_write_through>);
static_assert(name_of_store<memory_store<>>() == "memory_store");
static_assert(!std::copyable<complete> && !std::movable<complete>);

// --- the bound store: each lacks one thing; what is missing is hidden by a member of the same name -----------------------
template <class S>
constexpr int parts = finds_records<S> + puts_records<S> + gets_records<S> + erases_records<S> + tells_outcomes<S> +
                      flushes_and_closes<S>;
static_assert(parts<complete> == 6);

struct finds_at_once_or_never : complete
{
  std::optional<record_header> find(const sequence_key&);
};
static_assert(!finds_records<finds_at_once_or_never> && parts<finds_at_once_or_never> == 5);

struct cannot_be_asked : complete
{
  void ask() = delete;
};
static_assert(!finds_records<cannot_be_asked> && parts<cannot_be_asked> == 5 && !bound_store<cannot_be_asked>);

struct puts_and_waits : complete
{
  bool put(const sequence_key&, const record_header&, std::span<const io_piece>, const fence&);
};
static_assert(!puts_records<puts_and_waits> && parts<puts_and_waits> == 5 && !bound_store<puts_and_waits>);

struct gets_whole_records : complete
{
  std::optional<store_promise> get(const sequence_key&, std::span<const io_piece>, const fence&);
};
static_assert(!gets_records<gets_whole_records> && parts<gets_whole_records> == 5);

struct erases_nothing : complete
{
  void erase() = delete;
};
static_assert(!erases_records<erases_nothing> && parts<erases_nothing> == 5 && !bound_store<erases_nothing>);

struct erases_and_may_throw : complete
{
  void erase(const sequence_key&);
};
static_assert(parts<erases_and_may_throw> == 6 && !erases_noexcept<erases_and_may_throw>);

struct tells_and_may_throw : complete
{
  std::optional<store_outcome> poll(const store_promise&);
};
static_assert(!tells_outcomes<tells_and_may_throw> && parts<tells_and_may_throw> == 5);

struct never_gives_up : complete
{
  void give_up_sync() = delete;
};
static_assert(!tells_outcomes<never_gives_up> && parts<never_gives_up> == 5 && !bound_store<never_gives_up>);

struct cannot_be_flushed : complete
{
  void flush() = delete;
};
static_assert(!flushes_and_closes<cannot_be_flushed> && parts<cannot_be_flushed> == 5);

struct cannot_be_closed : complete
{
  void close() = delete;
};
static_assert(!flushes_and_closes<cannot_be_closed> && parts<cannot_be_closed> == 5);

// --- the recipe ---------------------------------------------------------------------------------------------------------
struct says_nothing
{
  using tier_kind = store_kind;
  template <class Device>
  using on = memory_store<>::on<Device>;
};
static_assert(store_tier<says_nothing, D> && std::same_as<store_writes_t<says_nothing>, write_back>);
static_assert(name_of_store<says_nothing>() == "store");

struct of_no_kind
{
  template <class Device>
  using on = memory_store<>::on<Device>;
};
static_assert(!store_recipe<of_no_kind> && !store_tier<of_no_kind, D>);

struct bad_writes : says_nothing
{
  using writes = int;
};
static_assert(!store_tier<bad_writes, D>);

struct unbound_store
{
  using tier_kind = store_kind;
};
static_assert(store_recipe<unbound_store> && !store_tier<unbound_store, D>);

// --- in a stack: what is wrong there is said in a sentence (tests/static/refused) -----------------------------------------
using slab = device_slab<D>;
using arena = pinned_arena<>;
using file = example::mapped_file<>;
using one_store = tier_stack<slab, arena, memory_store<>>;
static_assert(one_store::depth == 3 && one_store::memories == 2 && one_store::stores == 1);
static_assert(std::same_as<one_store::tier<2>, memory_store<>> && tiers<one_store>);
static_assert(std::same_as<one_store::config, std::tuple<slab::config, arena::config, store_ref<complete>>>);
static_assert(one_store::names == std::array<std::string_view, 3>{"slab", "arena", "memory_store"});
using two_stores = tier_stack<slab, arena, file, memory_store<>, says_nothing>;
static_assert(two_stores::memories == 3 && two_stores::stores == 2 && two_stores::names[4] == "store");
using no_store = tier_stack<slab, arena>;
static_assert(no_store::stores == 0 && no_store::depth == no_store::memories);

}  // namespace

TEST_CASE("a stack's configuration names its stores")
{
  D d;
  complete store(d);
  const one_store::config sizes{{.bytes = 1}, {.bytes = 2}, {.store = &store}};
  REQUIRE(std::get<2>(sizes).store == &store);
  REQUIRE(std::get<2>(one_store::config{}).store == nullptr);
}
