// What a codec encodes: K and V of a page in one layer.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// [K, V][token][head][dim], dense, as a page lies in one layer everywhere (layout/concepts.hpp). Of a page that a history
/// fills in part the other tokens hold anything.
struct piece_shape
{
  token_count tokens = 0;  ///< of a page
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  element_type element = element_type::bf16;

  /// Values of K and of V together.
  [[nodiscard]] constexpr std::size_t values() const noexcept { return std::size_t{2} * tokens * kv_heads * head_dim; }
  [[nodiscard]] constexpr std::size_t bytes() const noexcept { return values() * bytes_of(element); }

  friend constexpr bool operator==(const piece_shape&, const piece_shape&) = default;
};

[[nodiscard]] constexpr piece_shape piece_of(const geometry& shape, token_count page_tokens) noexcept
{
  return {page_tokens, shape.kv_heads, shape.head_dim, shape.element};
}

}  // namespace kvstrata
