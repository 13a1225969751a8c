// The shape of the KV that is cached: what one token costs in one layer.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class element_type : std::uint8_t { f32, f16, bf16, fp8_e4m3, fp8_e5m2, int8 };

[[nodiscard]] constexpr std::size_t bytes_of(element_type type) noexcept
{
  switch (type) {
    case element_type::f32: return 4;
    case element_type::f16:
    case element_type::bf16: return 2;
    case element_type::fp8_e4m3:
    case element_type::fp8_e5m2:
    case element_type::int8: return 1;
  }
  return 0;
}

[[nodiscard]] constexpr std::string_view name_of(element_type type) noexcept
{
  switch (type) {
    case element_type::f32: return "f32";
    case element_type::f16: return "f16";
    case element_type::bf16: return "bf16";
    case element_type::fp8_e4m3: return "fp8_e4m3";
    case element_type::fp8_e5m2: return "fp8_e5m2";
    case element_type::int8: return "int8";
  }
  return "unknown";
}

struct geometry
{
  std::uint32_t layers = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  element_type element = element_type::bf16;

  /// Bytes of K alone (as many again are V) of one token in one layer.
  [[nodiscard]] constexpr std::size_t key_bytes() const noexcept
  {
    return std::size_t{kv_heads} * head_dim * bytes_of(element);
  }
  /// Bytes of K and V of one token in one layer.
  [[nodiscard]] constexpr std::size_t token_layer_bytes() const noexcept { return 2 * key_bytes(); }
  /// Bytes of K and V of one token in all layers.
  [[nodiscard]] constexpr std::size_t token_bytes() const noexcept { return layers * token_layer_bytes(); }

  friend constexpr bool operator==(const geometry&, const geometry&) = default;
};

[[nodiscard]] inline std::string to_string(const geometry& g)
{
  return std::to_string(g.layers) + " layers x " + std::to_string(g.kv_heads) + " heads x " +
         std::to_string(g.head_dim) + " " + std::string(name_of(g.element));
}

/// Throws config_error when a dimension is zero or absurdly large, or the element none of the above.
inline void check(const geometry& g)
{
  constexpr std::uint32_t most_layers = 4096;
  constexpr std::uint32_t most_heads = 4096;
  constexpr std::uint32_t widest_head = 65536;
  const auto within = [](std::string_view field, std::uint32_t value, std::uint32_t most) {
    if (value == 0) throw config_error(field, value, "it must be at least 1");
    if (value > most) throw config_error(field, value, "it may be at most " + std::to_string(most));
  };
  within("geometry.layers", g.layers, most_layers);
  within("geometry.kv_heads", g.kv_heads, most_heads);
  within("geometry.head_dim", g.head_dim, widest_head);
  if (bytes_of(g.element) == 0) {
    throw config_error("geometry.element", static_cast<std::uint64_t>(g.element), "there is no such element type");
  }
}

}  // namespace kvstrata
