// The partial state of softmax attention: the mean of the values seen, and the logarithm of the sum of their weights.
//
// Merging is the online softmax (Milakov, Gimelshein: Online normalizer calculation for softmax, 2018), as FlashInfer's
// cascades do it. The base of the logarithm is part of the type: kernels count in base 2, references in base e, and a
// state of the one does not take in one of the other. (All is constexpr so that kernels may call it; nvcc calls constexpr
// functions on the device.)
#pragma once

#include <kvstrata/attention/partial_state.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class log_base : std::uint8_t { e, two };

/// Base ^ x.
template <log_base Base, std::floating_point Float>
[[nodiscard]] constexpr Float power_of(Float x) noexcept
{
  if constexpr (Base == log_base::two) return std::exp2(x);
  else return std::exp(x);
}

/// The logarithm of x in Base.
template <log_base Base, std::floating_point Float>
[[nodiscard]] constexpr Float log_of(Float x) noexcept
{
  if constexpr (Base == log_base::two) return std::log2(x);
  else return std::log(x);
}

/// A logarithm of one base as one of another. That of nothing stays -infinity.
template <log_base To, log_base From, std::floating_point Float>
[[nodiscard]] constexpr Float rebased(Float lse) noexcept
{
  if constexpr (To == From) return lse;
  else if constexpr (To == log_base::two) return lse * std::numbers::log2e_v<Float>;
  else return lse * std::numbers::ln2_v<Float>;
}

/// One query's and head's state of softmax attention over some keys with scores x_i and values v_i:
///   lse = log sum B^x_i,   o = sum B^(x_i - lse) v_i     with B the base.
/// Without keys lse is -infinity, and o means nothing: it is never read, so it may be memory that nobody wrote. The states'
/// sum of weights must be finite; a NaN in either part is one in both together.
template <log_base Base = log_base::two, std::floating_point Float = float>
struct softmax_state
{
  using value_type = Float;
  static constexpr log_base base = Base;
  static constexpr Float lse_of_nothing = -std::numeric_limits<Float>::infinity();

  Float* o = nullptr;    ///< [dim]
  Float* lse = nullptr;  ///< one number

  [[nodiscard]] constexpr bool empty() const noexcept { return *lse == lse_of_nothing; }

  /// o becomes 0: what attention to nothing gives.
  constexpr void clear(std::size_t dim) const noexcept
  {
    for (std::size_t i = 0; i < dim; ++i) o[i] = 0;
    *lse = lse_of_nothing;
  }

  constexpr void merge(const softmax_state& other, std::size_t dim) const noexcept
  {
    if (other.empty()) {
      if (empty()) clear(dim);
      return;
    }
    if (empty()) {
      for (std::size_t i = 0; i < dim; ++i) o[i] = other.o[i];
      *lse = *other.lse;
      return;
    }
    const Float most = *lse > *other.lse ? *lse : *other.lse;
    const Float mine = power_of<Base>(*lse - most);
    const Float theirs = power_of<Base>(*other.lse - most);
    const Float sum = mine + theirs;
    const Float keep = mine / sum;
    const Float take = theirs / sum;
    for (std::size_t i = 0; i < dim; ++i) o[i] = keep * o[i] + take * other.o[i];
    *lse = most + log_of<Base>(sum);
  }
};

static_assert(partial_state<softmax_state<>>);
static_assert(!merges_with<softmax_state<log_base::two>, softmax_state<log_base::e>>);

}  // namespace kvstrata
