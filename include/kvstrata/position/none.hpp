// K carries no position: the model adds a bias by distance or time where it compares Q and K, as HSTU does, and counts it from
// true positions. Blocks serve every start as they are.
#pragma once

#include <kvstrata/position/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::position {

/// A position policy.
struct none
{
  static constexpr std::string_view name = "none";
  static constexpr bool encodes = false;
  static constexpr bool turns_reads = false;

  [[nodiscard]] constexpr turn_by kept(token_count /*token*/) const noexcept { return 0; }
  [[nodiscard]] constexpr turn_by copied(token_count /*start*/) const noexcept { return 0; }
  [[nodiscard]] constexpr turn_by read(token_count /*position*/) const noexcept { return 0; }

  friend constexpr bool operator==(none, none) = default;
};

static_assert(position_policy<none>);

}  // namespace kvstrata::position
