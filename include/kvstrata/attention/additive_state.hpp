// The partial state of attention without a softmax: SiLU(QK^T) V / N over several parts is the sum of what each part gives,
// as long as N is a constant of the model and no length.
#pragma once

#include <kvstrata/attention/partial_state.hpp>

#include <concepts>
#include <cstddef>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// One query's and head's sum over some keys. Without keys all of it is -0.0, which leaves every x as it is, to the bit
/// (0.0 would turn -0.0 into itself).
template <std::floating_point Float = float>
struct additive_state
{
  using value_type = Float;

  Float* o = nullptr;  ///< [dim]

  constexpr void clear(std::size_t dim) const noexcept
  {
    for (std::size_t i = 0; i < dim; ++i) o[i] = -Float{0};
  }
  constexpr void merge(const additive_state& other, std::size_t dim) const noexcept
  {
    for (std::size_t i = 0; i < dim; ++i) o[i] += other.o[i];
  }
};

static_assert(partial_state<additive_state<>>);

}  // namespace kvstrata
