// K is kept turned, as if each block began at `base`, and attention reads it as any other. At another start a block is copied into
// pages of the lease's own, turned on by the difference: as LMCache turns it, but never in a page that others read.
#pragma once

#include <kvstrata/position/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::position {

/// A position policy. Of a block that begins at `base` nothing is copied: with the base where most blocks begin, most cost nothing.
struct rotate_on_copy
{
  static constexpr std::string_view name = "rotate_on_copy";
  static constexpr bool encodes = true;
  static constexpr bool turns_reads = false;

  token_count base = 0;  ///< the same for all who use the block, below most_positions

  [[nodiscard]] constexpr turn_by kept(token_count token) const noexcept { return turn_by{base} + token; }
  [[nodiscard]] constexpr turn_by copied(token_count start) const noexcept { return turn_by{start} - base; }
  [[nodiscard]] constexpr turn_by read(token_count /*position*/) const noexcept { return 0; }

  friend constexpr bool operator==(rotate_on_copy, rotate_on_copy) = default;
};

static_assert(position_policy<rotate_on_copy>);

}  // namespace kvstrata::position
