// What the model's products on the CPU are computed in.
#pragma once

#include <cstdint>
#include <string_view>

namespace hstu {

/// Sums are f32 in both, and so is all that lies between products: residuals, norms, SiLU, keys and values in pages.
enum class precision : std::uint8_t {
  f32,
  bf16,  ///< both sides of a product are rounded to bf16 first (to the nearest, of two the even one)
};

[[nodiscard]] constexpr std::string_view name_of(precision p) noexcept { return p == precision::f32 ? "f32" : "bf16"; }

/// Has this machine instructions for it? Of bf16: AMX or AVX-512 with BF16, and oneDNN uses them. Elsewhere its products
/// would be slower than in f32.
[[nodiscard]] bool is_fast(precision p) noexcept;

/// Throws kvstrata::config_error where is_fast(p) is false; `field` is what asked for it.
void check(precision p, std::string_view field = "precision");

}  // namespace hstu
