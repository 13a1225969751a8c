// The page coders with loss, held to what every page coder must keep to. Their bounds: lossy_test.cpp.
#include "codec/codec_conformance.hpp"
#include "codec/kv_values.hpp"
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <cmath>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

/// `share` of the largest magnitude: no unit may be worse, whatever its scale.
codec_values values_of(const piece_shape& shape, double share)
{
  return {[shape](guarded_bytes& raw, unsigned seed) {
            const piece_bytes drawn = drawn_piece(shape, seed);
            std::copy_n(drawn.data(), drawn.size(), raw.data());
          },
          [shape, share](const guarded_bytes& raw, const guarded_bytes& back) {
            piece_bytes before(raw.size()), after(raw.size());
            std::copy_n(raw.data(), raw.size(), before.data());
            std::copy_n(back.data(), back.size(), after.data());
            double largest = 0;
            for (std::size_t i = 0; i < shape.values(); ++i) {
              largest = (std::max)(largest, std::fabs(value_at(before, shape.element, i)));
            }
            for (std::size_t i = 0; i < shape.values(); ++i) {
              const double error = value_at(after, shape.element, i) - value_at(before, shape.element, i);
              if (!(std::fabs(error) <= share * largest)) return false;
            }
            return true;
          }};
}

template <page_codec C>
void conforms(const typename C::config& told, double share)
{
  for (const element_type element : {element_type::bf16, element_type::f16, element_type::f32}) {
    for (const piece_shape shape : {piece_shape{16, 2, 16, element}, piece_shape{3, 2, 5, element},
                                    piece_shape{2, 1, 66, element}, piece_shape{1, 1, 1, element}}) {
      CAPTURE(name_of(element), shape.tokens, shape.kv_heads, shape.head_dim);
      check_page_coder(C::coder(shape, told), shape.bytes(), values_of(shape, share));
      check_body_coder(codec::as_body<C>::coder(shape, told), shape.bytes(), values_of(shape, share));
    }
  }
}

}  // namespace

TEST_CASE("int8 is a page coder")
{
  conforms<codec::int8>({}, 0.008);
  conforms<codec::int8>({codec::silu_minimum}, 0.01);
}

TEST_CASE("fp8 is a page coder")
{
  conforms<codec::fp8>({}, 0.0625);
  conforms<codec::fp8>({false}, 0.0625);
}

TEST_CASE("int4 is a page coder")
{
  conforms<codec::int4>({}, 0.08);
  conforms<codec::int4>({codec::silu_minimum}, 0.08);
}
