// The conversions that lossy codecs stand on, against tables of all elements and plain arithmetic.
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/e4m3.hpp>
#include <kvstrata/codec/values.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace {

using kvstrata::element_type;
using kvstrata::codec::element_bits;
using kvstrata::codec::from_e4m3;
using kvstrata::codec::to_e4m3;

/// What the format says.
double e4m3_value(unsigned code)
{
  const double sign = (code & 128U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(code >> 3U & 15U);
  const int mantissa = static_cast<int>(code & 7U);
  if (exponent == 15 && mantissa == 7) return std::nan("");
  return sign * (exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10));
}

/// The nearest code, ties to the even one, looked for among all of them.
unsigned nearest_e4m3(double value)
{
  unsigned best = 0;
  double best_error = HUGE_VAL;
  for (unsigned code = 0; code < 127; ++code) {
    const double error = std::fabs(std::fabs(value) - e4m3_value(code));
    if (error < best_error || (error == best_error && code % 2 == 0)) {
      best = code;
      best_error = error;
    }
  }
  return best | (std::signbit(value) ? 128U : 0U);
}

/// The element next to a value, likewise by search: `bits` are in order.
template <element_type E>
std::uint32_t nearest_element(double value)
{
  using traits = element_bits<E>;
  std::uint32_t low = 0;
  std::uint32_t high = traits::infinity - 1U;
  const double magnitude = std::fabs(value);
  const auto at = [](std::uint32_t bits) {
    return static_cast<double>(traits::to_f32(static_cast<typename traits::bits>(bits)));
  };
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (at(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - at(low);
  const double above = at(high) - magnitude;
  const std::uint32_t best = below < above || (below == above && low % 2 == 0) ? low : high;
  return best | (std::signbit(value) ? traits::magnitude + 1U : 0U);
}

}  // namespace

TEST_CASE("e4m3: all codes are the values that the format says, and come back")
{
  for (unsigned code = 0; code < 256; ++code) {
    const float value = from_e4m3(static_cast<std::uint8_t>(code));
    CAPTURE(code, value);
    if ((code & 127U) == 127) {
      CHECK(std::isnan(value));
      CHECK(std::signbit(value) == ((code & 128U) != 0));
    } else {
      CHECK(static_cast<double>(value) == e4m3_value(code));
      CHECK(std::signbit(value) == ((code & 128U) != 0));
    }
    CHECK(to_e4m3(value) == code);
  }
}

TEST_CASE("e4m3: the nearest value, ties to even, from every bf16 and from between")
{
  std::mt19937 random(1);
  for (unsigned bits = 0; bits < 65'536; ++bits) {
    const float value = element_bits<element_type::bf16>::to_f32(static_cast<std::uint16_t>(bits));
    if (!std::isfinite(value)) continue;
    if (std::fabs(value) > 1e6F || (std::fabs(value) < 1e-4F && bits % 64 != 0)) continue;
    const float between =
        std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) + static_cast<std::uint32_t>(random() % 65'536));
    for (const float one : {value, between}) {
      CAPTURE(one);
      REQUIRE(to_e4m3(one) == nearest_e4m3(static_cast<double>(one)));
    }
  }
}

TEST_CASE("e4m3: what is beyond the largest saturates, infinity becomes NaN, and signs stay")
{
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(to_e4m3(448) == 0x7e);
  CHECK(to_e4m3(464) == 0x7e);
  CHECK(to_e4m3(480) == 0x7e);
  CHECK(to_e4m3((std::numeric_limits<float>::max)()) == 0x7e);
  CHECK(to_e4m3(-1e30F) == 0xfe);
  CHECK(to_e4m3(infinity) == 0x7f);
  CHECK(to_e4m3(-infinity) == 0xff);
  CHECK(to_e4m3(std::bit_cast<float>(0x7f80'0001U)) == 0x7f);
  CHECK(to_e4m3(std::bit_cast<float>(0xffff'ffffU)) == 0xff);
  CHECK(to_e4m3(0.0F) == 0);
  CHECK(to_e4m3(-0.0F) == 0x80);
  CHECK(to_e4m3(std::numeric_limits<float>::denorm_min()) == 0);
}

TEST_CASE("elements: every finite bf16 and f16 comes back from f32")
{
  for (unsigned bits = 0; bits < 65'536; ++bits) {
    const auto element = static_cast<std::uint16_t>(bits);
    if ((bits & 0x7fffU) < 0x7f80U) {
      using bf16 = element_bits<element_type::bf16>;
      REQUIRE(bf16::from_f32(bf16::to_f32(element)) == element);
    }
    if ((bits & 0x7fffU) < 0x7c00U) {
      using f16 = element_bits<element_type::f16>;
      REQUIRE(f16::from_f32(f16::to_f32(element)) == element);
      kvstrata_test::piece_bytes one(2);
      std::memcpy(one.data(), &element, 2);
      REQUIRE(static_cast<double>(f16::to_f32(element)) == kvstrata_test::value_at(one, element_type::f16, 0));
    }
  }
}

TEST_CASE("elements: f32 becomes the nearest element, ties to even")
{
  std::mt19937 random(2);
  for (int i = 0; i < 20'000; ++i) {
    // Exponents around those of f16, subnormals included; every fourth a tie.
    const auto draw = static_cast<std::uint32_t>(random());
    const std::uint32_t exponent = 100 + static_cast<std::uint32_t>(random() % 42);
    std::uint32_t mantissa = draw & 0x7f'ffffU;
    if (i % 4 == 0) mantissa = (mantissa & ~0xffffU) | 0x8000U;
    if (i % 4 == 1) mantissa = (mantissa & ~0x1fffU) | 0x1000U;
    const float value = std::bit_cast<float>((draw & 0x8000'0000U) | exponent << 23U | mantissa);
    CAPTURE(value);
    REQUIRE(element_bits<element_type::bf16>::from_f32(value) ==
            nearest_element<element_type::bf16>(static_cast<double>(value)));
    REQUIRE(element_bits<element_type::f16>::from_f32(value) ==
            nearest_element<element_type::f16>(static_cast<double>(value)));
  }
}
