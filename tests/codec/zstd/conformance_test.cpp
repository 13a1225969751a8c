// What needs zstd, held to what every body coder must keep to.
#include "codec/codec_conformance.hpp"
#include "codec/kv_values.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/exp_zstd.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/codec/zstd_after.hpp>

#include <algorithm>

namespace {

using namespace kvstrata;
using namespace kvstrata_test;

codec_values silu_values(element_type element)
{
  return {[element](guarded_bytes& raw, unsigned seed) { draw_silu(raw, element, 2, seed); }, {}};
}

/// What comes back is the page coder's affair; lossy_test.cpp has its bounds.
codec_values any_loss(element_type element)
{
  codec_values values = silu_values(element);
  values.may_become = [](const guarded_bytes&, const guarded_bytes&) { return true; };
  return values;
}

}  // namespace

TEST_CASE("exp_zstd is a body coder")
{
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    for (const piece_shape shape : {piece_shape{32, 2, 64, element}, piece_shape{3, 2, 5, element},
                                    piece_shape{7, 1, 66, element}, piece_shape{1, 1, 1, element}}) {
      CAPTURE(name_of(element), shape.tokens, shape.head_dim);
      for (const codec::exp_zstd::config& told : {codec::exp_zstd::config{}, codec::exp_zstd::config{381}}) {
        check_body_coder(codec::exp_zstd::coder(shape, told), shape.bytes(), silu_values(element));
      }
    }
  }
}

TEST_CASE("exp_zstd is a body coder for pages of a trained model")
{
  const auto pages = trained_pages();
  if (!pages) SKIP_TEST("trained_hstu is not on this machine");
  const piece_shape shape{32, 4, 64, element_type::bf16};
  codec_values values;
  values.draw = [&](guarded_bytes& raw, unsigned seed) {
    std::copy_n(pages->data() + seed % 32 * raw.size(), raw.size(), raw.data());
  };
  check_body_coder(codec::exp_zstd::coder(shape, {}), shape.bytes(), values);
}

TEST_CASE("Page coders with zstd behind them are body coders")
{
  for (const element_type element : {element_type::bf16, element_type::f32}) {
    const piece_shape shape{7, 2, 34, element};
    check_body_coder(codec::zstd_after<codec::int8>::coder(shape, {}), shape.bytes(), any_loss(element));
    check_body_coder(codec::zstd_after<codec::int8>::coder(shape, {codec::silu_minimum}), shape.bytes(),
                     any_loss(element));
    check_body_coder(codec::zstd_after<codec::fp8>::coder(shape, {}), shape.bytes(), any_loss(element));
    check_body_coder(codec::zstd_after<codec::int4>::coder(shape, {}), shape.bytes(), any_loss(element));
  }
}
