// Values like those of cached K and V, as tests of exp4 want them: what a SiLU makes of normally distributed numbers, and the
// pages of a trained model where they lie beside the checkout.
#pragma once

#include "codec/guarded_bytes.hpp"
#include "support/data.hpp"

#include <kvstrata/core/geometry.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <random>

namespace kvstrata_test {

/// bf16 or f32 of silu(spread x a normally distributed number). Trained weights spread about 2, random ones a fraction.
inline void draw_silu(guarded_bytes& raw, kvstrata::element_type element, double spread, unsigned seed)
{
  std::mt19937 draw(seed);
  const auto uniform = [&] { return (static_cast<double>(draw()) + 0.5) / 4294967296.0; };
  const std::size_t width = kvstrata::bytes_of(element);
  for (std::size_t at = 0; at + width <= raw.size(); at += width) {
    const double x = spread * std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform());
    const auto value = static_cast<float>(x / (1 + std::exp(-x)));
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    if (width == 4) {
      std::memcpy(raw.data() + at, &bits, sizeof(bits));
      continue;
    }
    const auto top = static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    std::memcpy(raw.data() + at, &top, sizeof(top));
  }
}

/// bf16 K and V of a trained HSTU, 32 pieces of 32 KiB (32 tokens, 4 heads of 64).
[[nodiscard]] inline std::optional<guarded_bytes> trained_pages()
{
  const auto path = find_data("trained_hstu/pages_b.bin");
  if (!path) return std::nullopt;
  std::ifstream file(*path, std::ios::binary);
  std::optional<guarded_bytes> out(std::in_place, std::size_t{1} << 20);
  file.read(reinterpret_cast<char*>(out->data()), static_cast<std::streamsize>(out->size()));
  if (!file) return std::nullopt;
  return out;
}

}  // namespace kvstrata_test
