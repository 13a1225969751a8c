// Stands in for observe/concepts.hpp: a library that tells nobody anything. What the cache would tell is not even
// worked out. tracker_cost.cpp is compiled against this and against the real one.
#pragma once

#include <kvstrata/observe/events.hpp>

#include <concepts>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class T>
concept tracker = std::default_initializable<T>;

template <class T, class Event>
concept tracks = false;

struct call_scope
{
  template <class T>
  constexpr call_scope(const T&, call_name) noexcept
  {
  }
};

struct no_tracker
{
};

}  // namespace kvstrata

// A function would evaluate its arguments.
#define tell(...) static_cast<void>(0)
