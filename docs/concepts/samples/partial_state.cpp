// A sample of docs/concepts/partial_state.md.
#include <kvstrata/attention/partial_state.hpp>

#include <algorithm>
#include <cstddef>

// The largest of each dimension over the keys of a part: max pooling is a monoid, too.
struct largest_state
{
  using value_type = float;
  float* o;

  void clear(std::size_t dim) const noexcept { std::fill(o, o + dim, -__builtin_inff()); }
  void merge(const largest_state& other, std::size_t dim) const noexcept
  {
    for (std::size_t i = 0; i < dim; ++i) o[i] = std::max(o[i], other.o[i]);
  }
};
static_assert(kvstrata::partial_state<largest_state>);

#ifndef KVSTRATA_RIGHT
// says: partial_state
struct may_throw : largest_state
{
  void merge(const may_throw& other, std::size_t dim) const { largest_state::merge(other, dim); }
};
static_assert(kvstrata::partial_state<may_throw>);
#endif
