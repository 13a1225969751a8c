// Who goes first. A replacement policy orders objects (a user's copy in one tier); it owns none of them, moves no
// bytes, and knows neither tiers nor devices, so the same type runs in a simulator.
//
// expression                          meaning
// ----------------------------------- ---------------------------------------------------------------------------
// typename P::hook                    what the policy keeps inside each object: a default constructible class that
//                                     objects derive from; stays where it is while inserted
// P p;                                an empty policy. It may be destroyed before objects that are still in it: it
//                                     leaves them so that they can be destroyed afterwards
// p.insert(hook, info)                the object came into the tier; it is not in the policy. With a request, unless
//                                     info.requested says otherwise
// p.touch(hook, info)                 the object, which is in the policy, was used
// p.remove(hook)                      the object left the tier, for whatever reason; noexcept
// p.victims(visit)                    calls visit(hook&) -> bool for each object, the first to go first, until visit
//                                     returns false. Visits each object at most once, and all when visit never
//                                     returns false. Removes nothing (the caller removes what it takes afterwards;
//                                     what it does not take stays), but may age its own marks and write to hooks, as a
//                                     clock hand does: asked twice, it may answer otherwise. visit calls nothing of p
//
// fallback when absent                meaning
// ----------------------------------- ---------------------------------------------------------------------------
// P(tier_size)                        default construction. Constructed with what the tier has room for: all that a
//                                     policy allocates, it allocates here
// p.victims(visit, coming)            p.victims(visit). The same, when one is known for whom room is made; `coming` says
//                                     at least who it is. They need not come in. Callers that make room for several at
//                                     once do not say
// p.changed(hook, info)               nothing. The object's size or dirtiness changed other than by its use; noexcept
// p.evict(hook, info)                 p.remove(hook). The object leaves under pressure; `info` is what it was. Policies
//                                     that remember who was here (ghosts) learn it here; noexcept
//
// remove, changed and evict end lives in the midst of giving memory back: a policy whose versions are not noexcept is
// refused. So is one that has a member of an optional name and it cannot be called like this. insert, touch and victims may
// throw (an object whose insert threw is not in the policy and is dropped); visit may throw, too.
//
// A policy may have a form that takes less memory and time in a cache of objects: replacement/lean_form.hpp.
//
// Not synchronised: the caller holds a lock. checked<P> (replacement/checked.hpp) holds a policy of yours to this table in any
// cache. Minimum model: replacement/lru.hpp. Models: the menu in
// replacement/replacement.hpp; examples/03_write_a_replacement_policy.cpp writes one.
#pragma once

#include <kvstrata/core/member_names.hpp>
#include <kvstrata/replacement/object_info.hpp>

#include <concepts>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class P>
concept has_replacement_hook = std::is_class_v<typename P::hook> && !std::is_final_v<typename P::hook> &&
                               std::default_initializable<typename P::hook>;

template <class P>
concept tracks_objects = has_replacement_hook<P> && requires(P& p, typename P::hook& hook, const object_info& info) {
  p.insert(hook, info);
  p.touch(hook, info);
  p.remove(hook);
};

/// Does the policy want to know of changes?
template <class P>
concept hears_of_changes = has_replacement_hook<P> &&
                           requires(P& p, typename P::hook& hook, const object_info& info) { p.changed(hook, info); };

/// Does the policy look at what it is told of an object? One that never does may say so by `using looks_at_no_object =`
/// its own name, which does not hold for those derived from it: then nobody works it out, and it is told nothing.
template <class P>
concept looks_at_objects = !requires { requires std::same_as<typename P::looks_at_no_object, P>; };

/// Does the policy weigh what objects cost (object_info::loss_seconds)? One that does may say so by a type `weighs_costs`:
/// then a configuration without costs gets a warning (cache/warnings.hpp).
template <class P>
concept weighs_costs = requires { typename P::weighs_costs; };

/// Does it matter to the policy for whom room is made?
template <class P>
concept asks_who_comes = has_replacement_hook<P> && requires(P& p, bool (*visit)(typename P::hook&),
                                                             const object_info& coming) { p.victims(visit, coming); };

/// Does the policy want to know what leaves under pressure?
template <class P>
concept remembers_evicted =
    has_replacement_hook<P> && requires(P& p, typename P::hook& hook, const object_info& info) { p.evict(hook, info); };

// What ends lives, in the midst of giving memory back, is noexcept.
template <class P>
concept removes_noexcept = requires(P& p, typename P::hook& hook) {
  { p.remove(hook) } noexcept;
};

template <class P>
concept changes_noexcept = !hears_of_changes<P> || requires(P& p, typename P::hook& hook, const object_info& info) {
  { p.changed(hook, info) } noexcept;
};

template <class P>
concept evicts_noexcept = !remembers_evicted<P> || requires(P& p, typename P::hook& hook, const object_info& info) {
  { p.evict(hook, info) } noexcept;
};

namespace detail {

struct name_evict
{
  int evict;
};
struct name_changed
{
  int changed;
};
template <class P>
concept has_member_evict = may_be_a_base<P> && !requires { &named_twice<P, name_evict>::evict; };
template <class P>
concept has_member_changed = may_be_a_base<P> && !requires { &named_twice<P, name_changed>::changed; };

/// What a policy visits with: its hook, or what is derived from it, as an lvalue. With anything else a sentence.
template <class Hook>
struct visit_archetype
{
  bool operator()(Hook&) const { return false; }
  template <class Other>
    requires(!std::convertible_to<Other, Hook&>)
  bool operator()(Other&&) const
  {
    static_assert(std::convertible_to<Other, Hook&>,
                  "a replacement policy's victims(visit) must call visit(hook&), with the hook of an object");
    return false;
  }
};

}  // namespace detail

template <class P>
concept orders_victims =
    has_replacement_hook<P> && requires(P& p, detail::visit_archetype<typename P::hook> visit) { p.victims(visit); };

namespace detail {

template <class P>
concept visits_for_something =
    requires(P& p, visit_archetype<typename P::hook> visit) { p.victims(visit, anything{}); };

/// Never called: where it is looked at, the compiler looks into victims(visit).
template <class P>
void look_into_victims(P& p)
{
  p.victims(visit_archetype<typename P::hook>{});
}

/// Refuses with a sentence.
template <tracks_objects P>
struct refuse_policy
{
  static_assert(removes_noexcept<P>,
                "a replacement policy's remove(hook) must be noexcept: it is called while memory is given back, and a "
                "throw there would mix users");
  static_assert(changes_noexcept<P>,
                "a replacement policy's changed(hook, info) must be noexcept: it is called while leases end and memory "
                "is given back, and a throw there would leave users held");
  static_assert(
      evicts_noexcept<P>,
      "a replacement policy's evict(hook, info) must be noexcept: it is called while memory is given back, and "
      "a throw there would mix users");
  static_assert(remembers_evicted<P> || !has_member_evict<P>,
                "a replacement policy has a member evict, but not evict(hook, info), with a hook& and a const "
                "object_info&: nobody would call it");
  static_assert(hears_of_changes<P> || !has_member_changed<P>,
                "a replacement policy has a member changed, but not changed(hook, info), with a hook& and a const "
                "object_info&: nobody would call it");
  static_assert(asks_who_comes<P> || !visits_for_something<P>,
                "a replacement policy has a victims with two arguments, but not victims(visit, coming), with a const "
                "object_info&: nobody would call it");
  static_assert((static_cast<void>(&look_into_victims<P>), true));
  static constexpr bool value = true;
};

}  // namespace detail

template <class P>
concept constructible_for_tier = std::default_initializable<P> || std::constructible_from<P, const tier_size&>;

/// Where only a member is in the way that may throw, or that nobody would call, the program does not compile, and is told
/// why.
template <class P>
concept replacement_policy =
    tracks_objects<P> && orders_victims<P> && constructible_for_tier<P> && detail::refuse_policy<P>::value;

/// Makes a policy for a tier.
template <replacement_policy P>
[[nodiscard]] P make_replacement([[maybe_unused]] const tier_size& size)
{
  if constexpr (std::constructible_from<P, const tier_size&>) return P(size);
  else return P();
}

/// Victims to make room for one who comes.
template <replacement_policy P, class Visit>
void visit_victims(P& policy, Visit&& visit, [[maybe_unused]] const object_info& coming)
{
  if constexpr (asks_who_comes<P>) policy.victims(visit, coming);
  else policy.victims(visit);
}

/// Tells the policy of a change, if it wants to know.
template <replacement_policy P>
void notify_changed([[maybe_unused]] P& policy, [[maybe_unused]] typename P::hook& hook,
                    [[maybe_unused]] const object_info& info) noexcept
{
  if constexpr (hears_of_changes<P>) policy.changed(hook, info);
}

/// Takes an object out that leaves under pressure.
template <replacement_policy P>
void notify_evicted(P& policy, typename P::hook& hook, [[maybe_unused]] const object_info& info) noexcept
{
  if constexpr (remembers_evicted<P>) policy.evict(hook, info);
  else policy.remove(hook);
}

}  // namespace kvstrata
