// What a tier below the slab lacks, said member by member: a constraint that fails says no more than that it does.
#pragma once

#include <kvstrata/tiers/concepts.hpp>
#include <kvstrata/tiers/stores/concepts.hpp>

#include <concepts>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

template <class T>
concept names_config = std::default_initializable<typename T::config>;
template <class T>
concept names_shedding = shedding_policy<typename T::shedding>;
template <class T>
concept names_replacement = option<typename T::replacement>;

template <class T>
concept has_write_policy = write_policy<tier_writes_t<T>>;
template <class T>
concept has_admission = admission_policy<tier_admission_t<T>>;

template <class T, class Device>
concept has_bound = requires { typename T::template on<Device>; };

struct no_bound
{
};
/// A tier on a device, or nothing.
template <class T, class Device>
struct bound_of
{
  using type = no_bound;
};
template <class T, class Device>
  requires has_bound<T, Device>
struct bound_of<T, Device>
{
  using type = typename T::template on<Device>;
};

template <class B>
concept tells_frames = requires(const B& tier) {
  { tier.capacity() } -> std::same_as<page_count>;
  { tier.free() } -> std::same_as<page_count>;
};
template <class B>
concept tells_in_flight = requires(B& tier) {
  { tier.in_flight() } -> std::same_as<page_count>;
};

/// Refuses with a sentence.
template <class T, class Device>
struct refuse_memory
{
  using bound = typename bound_of<T, Device>::type;
  static constexpr bool is_bound = has_bound<T, Device>;

  static_assert(names_config<T>,
                "a tier below the slab must have a type config that can be made of nothing (or, if it is a "
                "store, tier_kind = store_kind)");
  static_assert(names_shedding<T>, "a tier below the slab must have a type shedding: evict_front or evict_whole");
  static_assert(names_replacement<T>,
                "a tier below the slab must have a type replacement: replaced_by<Policy> or replaced_as_cache");
  static_assert(is_bound, "a tier below the slab must have a class template on<Device>, the tier itself");
  static_assert(!is_bound || !names_config<T> || binds_to<T, Device>,
                "a tier's on<Device> must be made of (Device&, const config&, std::size_t frame_bytes)");
  static_assert(!is_bound || hands_out_frames<bound>,
                "a tier's on<Device> must have try_take(page_count) -> std::optional<taken_run>");
  static_assert(!is_bound || takes_frames_back<bound>, "a tier's on<Device> must have give_back(frame_run, fence)");
  static_assert(!is_bound || tells_frames<bound>,
                "a tier's on<Device> must have capacity() const and free() const -> page_count");
  static_assert(!is_bound || tells_in_flight<bound>, "a tier's on<Device> must have in_flight() -> page_count");
  static_assert(!is_bound || addressable<bound>,
                "a tier's on<Device> must have data() -> std::byte*, where frame 0 begins");
  static_assert(!is_bound || drains<bound>, "a tier's on<Device> must have drain_sync()");
  static_assert(!tier_recipe<T> || has_write_policy<T>, "a tier's type writes must be a write policy");
  static_assert(!tier_recipe<T> || has_admission<T>, "a tier's type admission must be an admission policy");
  static constexpr bool value = memory_tier<T, Device>;
};

/// Refuses with a sentence. Whether the device can meet stores is asked elsewhere.
template <class T, class Device>
struct refuse_store
{
  using bound = typename bound_of<T, Device>::type;
  static constexpr bool is_bound = has_bound<T, Device>;

  static_assert(is_bound || !host_stream_device<Device>,
                "a store must have a class template on<Device>, the store itself");
  static_assert(!is_bound || finds_records<bound>,
                "a store must have find(key) -> found_record and ask(key) -> std::optional<store_promise>");
  static_assert(!is_bound || puts_records<bound>,
                "a store must have put(key, header, from, ready) -> std::optional<store_promise>");
  static_assert(!is_bound || gets_records<bound>,
                "a store must have get(key, header, wanted, into, ready) -> std::optional<store_promise>");
  static_assert(!is_bound || erases_records<bound>, "a store must have erase(key)");
  static_assert(
      !is_bound || tells_outcomes<bound>,
      "a store must have poll(promise) -> std::optional<store_outcome> and give_up_sync(promise), both noexcept");
  static_assert(!is_bound || flushes_and_closes<bound>,
                "a store must have flush() -> std::optional<store_promise> and close()");
  static_assert(write_policy<store_writes_t<T>>, "a store's type writes must be a write policy");
  static_assert(admission_policy<store_admission_t<T>>, "a store's type admission must be an admission policy");
  static constexpr bool value = store_tier<T, Device>;
};

/// A tier that may stand below the slab; with anything else the program does not compile, and is told why.
template <class T, class Device>
inline constexpr bool is_lower_tier = refuse_memory<T, Device>::value;
template <store_recipe T, class Device>
inline constexpr bool is_lower_tier<T, Device> = refuse_store<T, Device>::value;

}  // namespace kvstrata::detail
