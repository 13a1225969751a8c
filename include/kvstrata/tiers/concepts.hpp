// What a level of the hierarchy is made of. The top one is a device_slab; those below it are memories: tiers that a copy
// can address, which satisfy the table below.
//
// A memory tier T is a recipe: options and a config. T::on<Device> is the tier itself, bound to a device.
//
// expression                             meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename T::config                     aggregate of sizes; what the cache's config carries for this tier
// typename T::shedding                   evict_front or evict_whole: how much of a victim goes
// typename T::replacement                replaced_by<Policy>, or replaced_as_cache
// T::on<D> t(device, config, frame)      reserves the tier; `frame` is the bytes of a page in all layers. Throws
//                                        config_error or capacity_error
// t.capacity(), t.free() -> page_count   frames in all; frames that nobody has
// t.try_take(most)                       a run of consecutive frames, at most `most`, with the fence of its last use;
//   -> std::optional<taken_run>          empty when nothing is free or wanted. As long as can be: a run is one copy.
//                                        When it throws, nothing is taken
// t.give_back(run, fence)                takes back frames that were taken, whole runs or parts of them; the fence is
//                                        what still uses them. noexcept. Waits for work only where there is no memory to
//                                        remember it
// t.in_flight() -> page_count            free frames that queued work still uses, or more where uses were joined; 0
//                                        once all that was given back with them has come to pass
// t.data() -> std::byte*                 where frame 0 begins; frame f lies f * frame bytes behind it. Copies to and
//                                        from the device address it directly, whatever the medium is
// t.drain_sync()                         blocks until no queued work uses a free frame
//
// fallback when absent                   meaning
// -------------------------------------- ------------------------------------------------------------------------
// typename T::admission                  always. An admission policy: which users the tier takes at all
// typename T::writes                     page_write_through. A write policy: what comes down to the tier, and when
// T::name -> std::string_view            "memory". What texts call the tier
//
// A member of these names that is something else is refused. A tier_stack says of a tier what it lacks.
//
// t.try_take(most, theirs)               try_take(most). As that, but frames that others still use, theirs(event) says of
//                                        whose points that holds, come last, and taken_run::waits tells of them
//
// A tier is destroyed after drain_sync(), and after its taken frames' users are done. tiers/frame_store.hpp is all of
// this but the memory. Not synchronised: the cache holds a lock. Minimum model: tiers/pinned_arena.hpp. Models:
// pinned_arena; examples/04_write_a_tier.cpp shows one over a mapped file.
#pragma once

#include <kvstrata/core/member_names.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/shedding.hpp>
#include <kvstrata/tiers/frame_run.hpp>
#include <kvstrata/tiers/write_policy.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class T>
concept tier_recipe = std::default_initializable<typename T::config> && shedding_policy<typename T::shedding> &&
                      option<typename T::replacement>;

namespace detail {

template <class T>
struct tier_admission
{
  using type = always;
};

template <class T>
  requires requires { typename T::admission; }
struct tier_admission<T>
{
  using type = typename T::admission;
};

template <class T>
struct tier_writes
{
  using type = page_write_through;
};

template <class T>
  requires requires { typename T::writes; }
struct tier_writes<T>
{
  using type = typename T::writes;
};

}  // namespace detail

/// Who may come into a tier.
template <tier_recipe T>
using tier_admission_t = typename detail::tier_admission<T>::type;

/// What comes down to a tier, and when.
template <tier_recipe T>
using tier_writes_t = typename detail::tier_writes<T>::type;

/// What texts call a tier.
template <class T>
[[nodiscard]] constexpr std::string_view name_of_tier() noexcept
{
  if constexpr (requires { std::string_view(T::name); }) return T::name;
  else return "memory";
}

template <class B>
concept hands_out_frames = requires(B& tier, page_count most) {
  { tier.try_take(most) } -> std::same_as<std::optional<taken_run>>;
};

template <class B>
concept takes_frames_back = requires(B& tier, frame_run run, fence last_use) { tier.give_back(run, last_use); };

template <class B>
concept takes_back_noexcept = requires(B& tier, frame_run run, fence last_use) {
  { tier.give_back(run, last_use) } noexcept;
};

namespace detail {

/// Refuses with a sentence.
template <takes_frames_back B>
struct refuse_throwing_tier
{
  static_assert(takes_back_noexcept<B>,
                "a tier's give_back(run, fence) must be noexcept: it is called while users' copies are dropped, and a "
                "throw there would leave frames to two owners");
  static constexpr bool value = true;
};

}  // namespace detail

template <class B>
concept accounts_for_frames = requires(B& tier) {
  { std::as_const(tier).capacity() } -> std::same_as<page_count>;
  { std::as_const(tier).free() } -> std::same_as<page_count>;
  { tier.in_flight() } -> std::same_as<page_count>;
};

template <class B>
concept addressable = requires(B& tier) {
  { tier.data() } -> std::same_as<std::byte*>;
};

template <class B>
concept drains = requires(B& tier) { tier.drain_sync(); };

/// Where only a give_back that may throw is in the way, the program does not compile, and is told why.
template <class B>
concept bound_tier = hands_out_frames<B> && takes_frames_back<B> && accounts_for_frames<B> && addressable<B> &&
                     drains<B> && detail::refuse_throwing_tier<B>::value;

namespace detail {

struct name_name
{
  int name;
};
template <class T>
concept has_member_name = may_be_a_base<T> && !requires { &named_twice<T, name_name>::name; };

template <class T>
concept is_named = requires { typename std::integral_constant<std::size_t, std::string_view(T::name).size()>; };

/// Refuses with a sentence.
template <class T>
struct refuse_tier_name
{
  static_assert(is_named<T> || !has_member_name<T>,
                "a tier has a member name, but no static constexpr one that a std::string_view can be made of: nobody "
                "would read it");
  static constexpr bool value = true;
};

}  // namespace detail

template <class T, class Device>
concept binds_to =
    device<Device> &&
    std::constructible_from<typename T::template on<Device>, Device&, const typename T::config&, std::size_t>;

/// A tier below the slab that copies to and from the device address directly.
template <class T, class Device>
concept memory_tier =
    tier_recipe<T> && binds_to<T, Device> && bound_tier<typename T::template on<Device>> &&
    write_policy<tier_writes_t<T>> && admission_policy<tier_admission_t<T>> && detail::refuse_tier_name<T>::value;

}  // namespace kvstrata
