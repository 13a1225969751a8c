// int8, fp8 and int4: their bounds, against double; what they refuse, and what they keep as it is.
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace kvstrata_test;
using namespace kvstrata;

template <class Coder>
std::vector<unit_kind> encode_all(const Coder& coder, const piece_bytes& raw, piece_bytes& code)
{
  std::vector<unit_kind> kinds;
  for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
    kinds.push_back(coder.encode(unit, raw.data(), code.data()));
    CHECK(coder.kind_of(unit, code.data()) == kinds.back());
  }
  return kinds;
}

template <class Coder>
piece_bytes round_trip(const Coder& coder, const piece_bytes& raw)
{
  piece_bytes code(coder.code_bytes());
  code.fill(0xa5);
  for (const unit_kind kind : encode_all(coder, raw, code)) REQUIRE(kind == unit_kind::coded);
  piece_bytes back(raw.size());
  back.fill(0x5a);
  for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
    REQUIRE(coder.decode(unit, code.data(), back.data()) == unit_kind::coded);
  }
  return back;
}

/// Calls visit(value number, token, channel) for each value of a unit.
template <class Visit>
void each_value(const piece_shape& shape, std::uint32_t unit, Visit&& visit)
{
  const std::size_t side = unit / shape.kv_heads;
  const std::size_t head = unit % shape.kv_heads;
  for (std::size_t token = 0; token < shape.tokens; ++token) {
    for (std::size_t d = 0; d < shape.head_dim; ++d) {
      visit(((side * shape.tokens + token) * shape.kv_heads + head) * shape.head_dim + d, token, d);
    }
  }
}

enum class bound_of { symmetric, from_minimum, e4m3 };

/// Holds all values to what the codec's text says. `group(channel)`: values that share a scale, for int4; steps of a scale.
struct held
{
  const piece_shape& shape;
  bound_of bound;
  double steps = 0;
  bool by_channel = false;
  double minimum = 0;
  double slack = 1;  ///< int4 rounds its scales up

  void check(const piece_bytes& raw, const piece_bytes& back) const
  {
    for (std::uint32_t unit = 0; unit < 2 * shape.kv_heads; ++unit) {
      std::vector<double> reach(by_channel ? shape.head_dim : 1);
      const auto group = [&](std::size_t d) { return by_channel ? d : 0; };
      each_value(shape, unit, [&](std::size_t i, std::size_t, std::size_t d) {
        const double value = value_at(raw, shape.element, i);
        double& r = reach[group(d)];
        r = (std::max)(r, bound == bound_of::from_minimum ? value - minimum : std::fabs(value));
      });
      each_value(shape, unit, [&](std::size_t i, std::size_t, std::size_t d) {
        const double value = value_at(raw, shape.element, i);
        const double decoded = value_at(back, shape.element, i);
        double most = 0;
        if (bound == bound_of::e4m3) {
          const double scale = (std::max)(std::exp2(std::ceil(std::log2(reach[0] / 448))), 0x1p-118);
          most = (std::max)(std::fabs(value) / 16, std::ldexp(scale, -10));
          if (std::fabs(decoded) < std::ldexp(1.0, shape.element == element_type::f16 ? -14 : -126))
            most += half_step(shape.element, 0);
        } else {
          const double target = bound == bound_of::from_minimum ? (std::max)(value, minimum) : value;
          const double scale = (std::max)(reach[group(d)] / steps * slack, 0x1p-120);
          most = (target > value ? 0 : 0.501 * scale) + half_step(shape.element, decoded);
          if (!(std::fabs(decoded - target) <= most)) {
            CAPTURE(unit, i, value, decoded, most);
            CHECK(std::fabs(decoded - target) <= most);
          }
          return;
        }
        if (!(std::fabs(decoded - value) <= most)) {
          CAPTURE(unit, i, value, decoded, most);
          CHECK(std::fabs(decoded - value) <= most);
        }
      });
    }
  }
};

const float minimum = codec::silu_minimum;

void hold_all(const piece_shape& shape, const piece_bytes& raw)
{
  held{shape, bound_of::symmetric, 127}.check(raw, round_trip(codec::int8::coder(shape, {}), raw));
  held{shape, bound_of::from_minimum, 255, false, static_cast<double>(minimum)}.check(
      raw, round_trip(codec::int8::coder(shape, {minimum}), raw));
  held{shape, bound_of::e4m3}.check(raw, round_trip(codec::fp8::coder(shape, {}), raw));
  const double up = 1 + 0x1p-7;
  held{shape, bound_of::symmetric, 7, true, 0, up}.check(raw, round_trip(codec::int4::coder(shape, {}), raw));
  held{shape, bound_of::from_minimum, 15, true, static_cast<double>(minimum), up}.check(
      raw, round_trip(codec::int4::coder(shape, {minimum}), raw));
}

const element_type elements[] = {element_type::f32, element_type::f16, element_type::bf16};

}  // namespace

TEST_CASE("Lossy codecs keep their bounds on drawn values")
{
  for (const element_type element : elements) {
    for (const piece_shape shape : {piece_shape{32, 4, 64, element}, piece_shape{5, 3, 7, element},
                                    piece_shape{16, 1, 130, element}, piece_shape{1, 1, 1, element}}) {
      CAPTURE(name_of(element), shape.tokens, shape.head_dim);
      hold_all(shape, drawn_piece(shape, 3));
      hold_all(shape, drawn_piece(shape, 4, false));
      hold_all(shape, drawn_piece(shape, 5, false, 1e-6F));
      hold_all(shape, drawn_piece(shape, 6, false, 5'000));
      hold_all(shape, piece_bytes(shape.bytes()));  // zeros
    }
  }
}

TEST_CASE("Lossy codecs keep their bounds at the ends of the elements' ranges")
{
  for (const element_type element : elements) {
    const piece_shape shape{4, 2, 16, element};
    const float largest = element == element_type::f16 ? 65'504.0F : 0x1p120F;
    piece_bytes raw = drawn_piece(shape, 7, false);
    for (std::size_t i = 0; i < shape.values(); i += 5) put(raw, element, i, i % 2 == 0 ? largest : -largest);
    hold_all(shape, raw);
    const float least = element == element_type::f16 ? 0x1p-24F : 0x1p-133F;
    for (std::size_t i = 0; i < shape.values(); ++i) put(raw, element, i, i % 3 == 0 ? least : -least);
    hold_all(shape, raw);
  }
}

TEST_CASE("fp8: the largest elements do not become infinite")
{
  for (const element_type element : elements) {
    const piece_shape shape{1, 1, 8, element};
    piece_bytes raw(shape.bytes());
    const float largest = element == element_type::f32    ? (std::numeric_limits<float>::max)()
                          : element == element_type::bf16 ? 0x1.fep127F
                                                          : 65'504.0F;
    for (std::size_t i = 0; i < shape.values(); ++i) put(raw, element, i, i % 2 == 0 ? largest : -largest);
    held{shape, bound_of::e4m3}.check(raw, round_trip(codec::fp8::coder(shape, {}), raw));
  }
}

TEST_CASE("Lossy codecs keep their bounds on pages of a trained model")
{
  const std::vector<piece_bytes> pieces = trained_pieces();
  if (pieces.empty()) SKIP_TEST("trained_hstu is not on this machine");
  for (const piece_bytes& piece : pieces) hold_all(trained_shape, piece);
}

TEST_CASE("From the minimum: what gathers there is exact, and what is below becomes it")
{
  const piece_shape shape{8, 1, 16, element_type::bf16};
  piece_bytes raw = drawn_piece(shape, 8);
  put(raw, shape.element, 3, minimum);
  put(raw, shape.element, 5, -1.5F);
  for (const piece_bytes& back :
       {round_trip(codec::int8::coder(shape, {minimum}), raw), round_trip(codec::int4::coder(shape, {minimum}), raw)}) {
    CHECK(value_at(back, shape.element, 3) == static_cast<double>(minimum));
    CHECK(value_at(back, shape.element, 5) == static_cast<double>(minimum));
  }
  CHECK(minimum <= -0.2784645F);  // SiLU's, in f32
}

namespace {

template <codec_recipe C>
void keeps_what_is_not_finite(typename C::config told, const std::vector<float>& strangers)
{
  for (const element_type element : elements) {
    const piece_shape shape{4, 3, 8, element};
    const auto coder = C::coder(shape, told);
    for (const float stranger : strangers) {
      piece_bytes raw = drawn_piece(shape, 9);
      const std::size_t where = 40;  // token 1, head 2, of K
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(stranger);
      if (element == element_type::f32) std::memcpy(raw.data() + 4 * where, &bits, 4);
      else if (element == element_type::bf16)
        std::memcpy(raw.data() + 2 * where, reinterpret_cast<const char*>(&bits) + 2, 2);
      else {
        const auto half = static_cast<std::uint16_t>(std::isnan(stranger) ? 0x7e01 : 0xfc00);
        std::memcpy(raw.data() + 2 * where, &half, 2);
      }
      piece_bytes code(coder.code_bytes());
      code.fill(0xa5);
      const std::vector<unit_kind> kinds = encode_all(coder, raw, code);
      for (std::uint32_t unit = 0; unit < coder.units(); ++unit) {
        CHECK(kinds[unit] == (unit == 2 ? unit_kind::raw : unit_kind::coded));
      }
      piece_bytes back(raw.size());
      CHECK(coder.decode(2, code.data(), back.data()) == unit_kind::raw);
      CHECK(back == piece_bytes(raw.size()));
      coder.copy_raw(2, raw.data(), back.data());
      each_value(shape, 2, [&](std::size_t i, std::size_t, std::size_t) {
        const std::size_t size = bytes_of(element);
        CHECK(std::memcmp(back.data() + i * size, raw.data() + i * size, size) == 0);
      });
    }
  }
}

}  // namespace

TEST_CASE("Lossy codecs keep a unit with a value that is not finite as it is, and only that one")
{
  const std::vector<float> strangers{std::bit_cast<float>(0x7fc0'0000U), std::bit_cast<float>(0xff81'0000U),
                                     -std::numeric_limits<float>::infinity()};
  keeps_what_is_not_finite<codec::int8>({}, strangers);
  keeps_what_is_not_finite<codec::int8>({minimum}, strangers);
  keeps_what_is_not_finite<codec::fp8>({}, strangers);
  keeps_what_is_not_finite<codec::fp8>({false}, strangers);
  keeps_what_is_not_finite<codec::int4>({}, strangers);
  keeps_what_is_not_finite<codec::int4>({minimum}, strangers);
}

TEST_CASE("fp8 without a scale keeps a unit that would saturate as it is")
{
  const piece_shape shape{2, 2, 8, element_type::f32};
  const auto coder = codec::fp8::coder(shape, {false});
  piece_bytes raw = drawn_piece(shape, 10);
  put(raw, shape.element, 0, 448.5F);
  piece_bytes code(coder.code_bytes());
  const std::vector<unit_kind> kinds = encode_all(coder, raw, code);
  CHECK(kinds == std::vector<unit_kind>{unit_kind::raw, unit_kind::coded, unit_kind::coded, unit_kind::coded});
  CHECK(coder.scale_of(1, code.data()) == 1);
}

TEST_CASE("Codes that lie are malformed, and nothing is written")
{
  const piece_shape shape{4, 1, 16, element_type::bf16};
  const piece_bytes raw = drawn_piece(shape, 11);
  const auto hold = [&](const auto& coder, std::size_t at, std::uint32_t value, std::size_t bytes) {
    piece_bytes code(coder.code_bytes());
    encode_all(coder, raw, code);
    std::memcpy(code.data() + at, &value, bytes);
    piece_bytes back(raw.size());
    back.fill(0x5a);
    const piece_bytes before = back;
    CHECK(coder.decode(0, code.data(), back.data()) == unit_kind::malformed);
    CHECK(back == before);
  };
  const auto heads = [&](const auto& coder) {
    hold(coder, 0, 0x12345678, 4);
    hold(coder, 4, 0x7f80'0000, 4);  // the scale: infinite, NaN, negative
    hold(coder, 4, 0x7fc0'0000, 4);
    hold(coder, 4, 0xbf80'0000, 4);
    hold(coder, 8, 0xff80'0000, 4);
    hold(coder, 12, 1, 4);
    hold(coder, 0, codec::raw_letters, 4);  // raw, with a scale
  };
  heads(codec::int8::coder(shape, {}));
  heads(codec::int8::coder(shape, {minimum}));
  heads(codec::fp8::coder(shape, {}));
  heads(codec::int4::coder(shape, {}));
  hold(codec::fp8::coder(shape, {}), 16 + 63, 0x7f, 1);
  hold(codec::fp8::coder(shape, {}), 16, 0xff, 1);
  hold(codec::int4::coder(shape, {}), 16 + 30, 0x8001, 2);
  hold(codec::int4::coder(shape, {}), 16, 0x7f80, 2);
  piece_bytes code(codec::int8::coder(shape, {}).code_bytes());
  encode_all(codec::int8::coder(shape, {}), raw, code);
  CHECK(codec::int8::coder(shape, {minimum}).kind_of(0, code.data()) == unit_kind::malformed);
}

TEST_CASE("Lossy codecs refuse what they do not know in a sentence")
{
  const auto refusal = []<class C>(const C&, const piece_shape& shape, const typename C::config& told = {}) {
    return sentence_of<config_error>([&] { static_cast<void>(C::coder(shape, told)); });
  };
  CHECK(refusal(codec::int8(), {4, 1, 8, element_type::fp8_e4m3}) ==
        "geometry.element is fp8_e4m3, but int8 encodes f32, f16 and bf16; what has a byte a value is stored as it is");
  CHECK(refusal(codec::fp8(), {4, 1, 8, element_type::int8}) ==
        "geometry.element is int8, but fp8 encodes f32, f16 and bf16; what has a byte a value is stored as it is");
  CHECK(refusal(codec::int4(), {1U << 20U, 64, 64, element_type::f32}) ==
        "bytes of a piece is 34359738368, but int4 encodes at most 2^30 at a time");
  CHECK(refusal(codec::int8(), {4, 1, 8, element_type::bf16}, {std::numeric_limits<float>::quiet_NaN()}) ==
        "int8.minimum is nan, but it must be finite and at most 2^120 from 0");
}
