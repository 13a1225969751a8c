// The form of a policy for a caller who can spare it memory: one whose objects may all take one byte, and who keeps the hooks
// of those who left for as long as the policy remembers them (replacement/ghost_hooks.hpp). It decides alike.
#pragma once

#include <kvstrata/replacement/held_bytes.hpp>
#include <kvstrata/replacement/object_info.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// The policy itself, where it has no such form. One that has says so by a specialisation, which does not hold for those
/// derived from it. Bytes: told_bytes or one_byte.
template <class Policy, class Bytes>
struct lean_form
{
  using type = Policy;
};
template <class Policy, class Bytes>
using lean_form_t = typename lean_form<Policy, Bytes>::type;

/// Does it want hooks kept? Then the caller says who comes by ghosts().expect() first, before any other call about them, and
/// takes back afterwards what ghosts().forgotten() gives. A hook that evict() leaves kept (ghost_memory::keeps()) stays where
/// it is until it is given back, or inserted again.
template <class Policy>
concept remembers_by_hook = requires(Policy& p, typename Policy::hook& hook, const object_info& info) {
  p.ghosts().expect(&hook);
  { p.insert(hook, info) } noexcept;
};

}  // namespace kvstrata
