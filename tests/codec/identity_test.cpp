// identity is the smallest body coder.
#include "codec/codec_conformance.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/identity.hpp>

using namespace kvstrata;
using namespace kvstrata_test;

TEST_CASE("identity conforms")
{
  codec_values values;
  values.draw = [](guarded_bytes& raw, unsigned seed) { raw.fill_with_noise(seed); };
  for (const element_type element : {element_type::int8, element_type::bf16, element_type::f32}) {
    const piece_shape piece{8, 3, 7, element};
    check_body_coder(codec::identity::coder(piece, {}), piece.bytes(), values);
  }
}
