// Who may come in. An admission policy stands at the door of one tier: an object that is not in the tier, and could be,
// comes in only if it says so. An object that is turned away is not lost: it is computed or read again next time.
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// typename A::option_kind             admission_option
// A a;                                a policy that has seen nobody
// a.admits(candidate, victim) -> bool may the candidate come in? `victim` is who would go first for it, or null when
//                                     there is room. Asked once a time that it could come in; may count
//
// fallback when absent                meaning
// ----------------------------------- ---------------------------------------------------------------------------
// A(tier_size)                        default construction. Constructed with what the tier has room for: all that a
//                                     policy allocates, it allocates here
// a.requested(info)                   nothing. An object was requested, whether the tier has it or not; comes before
//                                     admits() is asked for the same request
//
// Not synchronised: the caller holds a lock. Minimum model and default: always (below). Models: second_use,
// lru_k_admission, tiny_lfu, worth_writing, write_rate, each in its own header.
#pragma once

#include <kvstrata/core/member_names.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <concepts>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct admission_option;

template <class A>
concept is_admission_option = option<A> && std::same_as<typename A::option_kind, admission_option>;

template <class A>
concept decides_admission = requires(A& a, const object_info& candidate, const object_info* victim) {
  { a.admits(candidate, victim) } -> std::same_as<bool>;
};

template <class A>
concept admission_constructible = std::default_initializable<A> || std::constructible_from<A, const tier_size&>;

/// Does the policy want to know of requests?
template <class A>
concept hears_of_requests = requires(A& a, const object_info& info) { a.requested(info); };

namespace detail {

struct name_requested
{
  int requested;
};
template <class A>
concept has_member_requested = may_be_a_base<A> && !requires { &named_twice<A, name_requested>::requested; };

/// Refuses with a sentence.
template <decides_admission A>
struct refuse_admission
{
  static_assert(
      hears_of_requests<A> || !has_member_requested<A>,
      "an admission policy has a member requested, but not requested(info), with a const object_info&: nobody "
      "would call it");
  static constexpr bool value = true;
};

}  // namespace detail

/// Where only a requested is in the way that nobody would call, the program does not compile, and is told why.
template <class A>
concept admission_policy =
    is_admission_option<A> && decides_admission<A> && admission_constructible<A> && detail::refuse_admission<A>::value;

/// Makes an admission policy for a tier.
template <admission_policy A>
[[nodiscard]] A make_admission([[maybe_unused]] const tier_size& size)
{
  if constexpr (std::constructible_from<A, const tier_size&>) return A(size);
  else return A();
}

/// Tells the policy of a request, if it wants to know.
template <admission_policy A>
void notify_requested([[maybe_unused]] A& admission, [[maybe_unused]] const object_info& info)
{
  if constexpr (hears_of_requests<A>) admission.requested(info);
}

/// Everybody.
struct always
{
  using option_kind = admission_option;
  [[nodiscard]] static constexpr bool admits(const object_info&, const object_info*) noexcept { return true; }
};

static_assert(admission_policy<always>);

}  // namespace kvstrata
