// Pieces of K and V that tests of codecs encode: drawn, and of a trained model where its pages lie beside the checkout.
#pragma once

#include "codec/kv_values.hpp"

#include <kvstrata/codec/piece.hpp>
#include <kvstrata/codec/values.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

namespace kvstrata_test {

/// Bytes of a piece, aligned to 16 as coders want them.
class piece_bytes
{
 public:
  explicit piece_bytes(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::byte* data() noexcept { return bytes_.data(); }
  [[nodiscard]] const std::byte* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] std::span<std::byte> span() noexcept { return bytes_; }
  [[nodiscard]] std::span<const std::byte> span() const noexcept { return bytes_; }
  [[nodiscard]] bool operator==(const piece_bytes&) const = default;
  void fill(int value) { std::fill(bytes_.begin(), bytes_.end(), static_cast<std::byte>(value)); }

 private:
  static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 16);
  std::vector<std::byte> bytes_;
};

/// Value i of a piece, by plain arithmetic of double: an oracle of the element formats.
[[nodiscard]] inline double value_at(const piece_bytes& piece, kvstrata::element_type element, std::size_t i)
{
  std::uint32_t bits = 0;
  const std::size_t size = kvstrata::bytes_of(element);
  std::memcpy(&bits, piece.data() + i * size, size);
  if (element == kvstrata::element_type::bf16) bits <<= 16U;
  if (element != kvstrata::element_type::f16) {
    float value = 0;
    std::memcpy(&value, &bits, 4);
    return static_cast<double>(value);
  }
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> 10U & 31U);
  const double mantissa = bits & 1023U;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

/// Half of the distance between elements at a value of that magnitude.
[[nodiscard]] inline double half_step(kvstrata::element_type element, double value)
{
  const int digits = element == kvstrata::element_type::f32 ? 24 : element == kvstrata::element_type::f16 ? 11 : 8;
  const int least = element == kvstrata::element_type::f16 ? -14 : -126;  // exponent of the least normal value
  const int exponent = value == 0 ? least : (std::max)(least, std::ilogb(std::fabs(value)));
  return std::ldexp(1.0, exponent - digits);
}

inline void put(piece_bytes& piece, kvstrata::element_type element, std::size_t i, float value)
{
  using kvstrata::element_type;
  using kvstrata::codec::element_bits;
  const auto store = [&](const auto bits) { std::memcpy(piece.data() + i * sizeof(bits), &bits, sizeof(bits)); };
  switch (element) {
    case element_type::f32: store(element_bits<element_type::f32>::from_f32(value)); return;
    case element_type::f16: store(element_bits<element_type::f16>::from_f32(value)); return;
    default: store(element_bits<element_type::bf16>::from_f32(value)); return;
  }
}

/// SiLU of normal values with that deviation, like K and V of a layer whose projection is activated.
[[nodiscard]] inline piece_bytes drawn_piece(const kvstrata::piece_shape& shape, std::uint32_t seed, bool silu = true,
                                             float deviation = 2)
{
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  piece_bytes piece(shape.bytes());
  for (std::size_t i = 0; i < shape.values(); ++i) {
    const float x = normal(random);
    put(piece, shape.element, i, silu ? x / (1 + std::exp(-x)) : x);
  }
  return piece;
}

/// One of its pages: K and V of a layer.
inline constexpr kvstrata::piece_shape trained_shape{32, 4, 64, kvstrata::element_type::bf16};

/// K and V of all pages and layers of the trained model, in bf16; empty where they are not on this machine.
[[nodiscard]] inline std::vector<piece_bytes> trained_pieces()
{
  std::vector<piece_bytes> pieces;
  const auto pages = trained_pages();
  for (std::size_t at = 0; pages && at < pages->size(); at += trained_shape.bytes()) {
    std::copy_n(pages->data() + at, trained_shape.bytes(), pieces.emplace_back(trained_shape.bytes()).data());
  }
  return pieces;
}

}  // namespace kvstrata_test
