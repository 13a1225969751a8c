// A sample of docs/concepts/beam_layout.md.
#include <kvstrata/beams/ancestor_indexed.hpp>

#include <cstdint>

// ancestor_indexed, whose rows begin behind `ahead` rows that the model keeps for itself.
struct behind_eight : kvstrata::ancestor_indexed
{
  using kvstrata::ancestor_indexed::ancestor_indexed;
  static constexpr std::uint32_t ahead = 8;
  std::uint32_t rows() const { return ahead + kvstrata::ancestor_indexed::rows(); }
  std::uint32_t row(std::uint32_t step, std::uint32_t beam) const
  {
    return ahead + kvstrata::ancestor_indexed::row(step, beam);
  }
};
static_assert(kvstrata::beam_layout<behind_eight>);

#ifndef KVSTRATA_RIGHT
// says: beam_layout
struct moves_unsaid : kvstrata::ancestor_indexed  // whoever serves beams must be told what to move
{
  using kvstrata::ancestor_indexed::ancestor_indexed;
  void fork(std::span<const std::uint32_t>) {}
};
static_assert(kvstrata::beam_layout<moves_unsaid>);
#endif
