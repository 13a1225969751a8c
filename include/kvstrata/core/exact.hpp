// Floating-point numbers that are compared to the bit, and meant to be: set rather than reckoned, or ties of an order.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <concepts>
#include <functional>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// a == b, where -Wfloat-equal has nothing to say. Also on a GPU.
template <std::floating_point T>
[[nodiscard]] constexpr bool is_exactly(T a, std::type_identity_t<T> b) noexcept
{
  return std::equal_to<T>()(a, b);
}

}  // namespace kvstrata
