// Has a class a member of some name, whatever it is and whoever may call it? A concept's optional member that exists, but
// cannot be called as the concept's table says, would be silence: nobody calls it, and nobody says so. With this it is
// refused by its name.
//
//   struct name_evict { int evict; };
//   template <class P>
//   concept has_member_evict = detail::may_be_a_base<P> && !requires { &detail::named_twice<P, name_evict>::evict; };
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// A name that both bases have is ambiguous, which shows before anybody looks at what it is. No object of it is ever made.
template <class T, class Name>
struct named_twice : T, Name
{
};

/// What cannot be a base class is not looked at.
template <class T>
concept may_be_a_base = std::is_class_v<T> && !std::is_final_v<T>;

/// Whatever a function asks for, where it says what that is.
struct anything
{
  template <class T>
  operator T&() const;  // implicit, as an argument must be
};

}  // namespace kvstrata::detail
