// K is kept as if its position were 0, and turned where it is read: pages serve every start as they are, and attention pays a
// turn a key it reads. As MiniPIC (arXiv 2606.13126) and LazyAttention (arXiv 2606.04302) keep it.
#pragma once

#include <kvstrata/position/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::position {

/// A position policy.
struct position_free
{
  static constexpr std::string_view name = "position_free";
  static constexpr bool encodes = true;
  static constexpr bool turns_reads = true;

  [[nodiscard]] constexpr turn_by kept(token_count /*token*/) const noexcept { return 0; }
  [[nodiscard]] constexpr turn_by copied(token_count /*start*/) const noexcept { return 0; }
  [[nodiscard]] constexpr turn_by read(token_count position) const noexcept { return position; }

  friend constexpr bool operator==(position_free, position_free) = default;
};

static_assert(position_policy<position_free>);

}  // namespace kvstrata::position
