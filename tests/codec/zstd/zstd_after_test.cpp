// A page codec with zstd behind it: it loses what the page codec loses and no more, and saves more.
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/codec/zstd_after.hpp>

#include <cstring>
#include <vector>

namespace {

using namespace kvstrata_test;
using namespace kvstrata;
using codec::zstd_after;

static_assert(body_codec<zstd_after<codec::int8>>);
static_assert(zstd_after<codec::int8>::lossy);
static_assert(zstd_after<codec::int8>::name == "zstd_after<int8>");

/// Returns the bytes of the code.
template <page_codec C>
std::size_t comes_back_as_from(const piece_shape& shape, const typename C::config& told, const piece_bytes& raw)
{
  const auto page = C::coder(shape, told);
  piece_bytes page_code(page.code_bytes());
  piece_bytes expected(raw.size());
  for (std::uint32_t unit = 0; unit < page.units(); ++unit) {
    REQUIRE(page.encode(unit, raw.data(), page_code.data()) == unit_kind::coded);
    REQUIRE(page.decode(unit, page_code.data(), expected.data()) == unit_kind::coded);
  }
  const auto body = zstd_after<C>::coder(shape, told);
  std::vector<std::byte> code(body.most_bytes());
  code.resize(body.encode(raw.span(), code));
  piece_bytes back(raw.size());
  REQUIRE(body.decode(code, back.span()));
  CHECK(back == expected);
  back.fill(0x5a);
  const piece_bytes untouched = back;
  for (std::size_t length = 0; length < code.size(); length += 1 + length / 16) {
    CAPTURE(length);
    CHECK(!body.decode(std::span(code).first(length), back.span()));
  }
  for (std::size_t at = 0; at < 16; ++at) {
    std::vector<std::byte> lie = code;
    lie[at] ^= std::byte{0x82};
    CAPTURE(at);
    CHECK(!body.decode(lie, back.span()));
  }
  CHECK(back == untouched);
  for (std::size_t at = 16; at < code.size(); at += 1 + code.size() / 500) {
    std::vector<std::byte> lie = code;
    lie[at] ^= std::byte{0x41};
    if (!body.decode(lie, back.span())) CHECK(back == untouched);
    back.fill(0x5a);
  }
  return code.size();
}

}  // namespace

TEST_CASE("zstd behind lossy codecs gives what these give, in fewer bytes")
{
  const piece_shape shape{32, 4, 64, element_type::bf16};
  const piece_bytes raw = drawn_piece(shape, 1);
  CHECK(comes_back_as_from<codec::int8>(shape, {}, raw) < shape.bytes() / 2);
  CHECK(comes_back_as_from<codec::int8>(shape, {codec::silu_minimum}, raw) < shape.bytes() / 2);
  CHECK(comes_back_as_from<codec::fp8>(shape, {}, raw) < shape.bytes() / 2);
  CHECK(comes_back_as_from<codec::int4>(shape, {}, raw) < shape.bytes() * 10 / 35);
  const piece_shape odd{3, 1, 5, element_type::f32};
  comes_back_as_from<codec::int8>(odd, {}, drawn_piece(odd, 2));
  comes_back_as_from<codec::int4>(odd, {}, drawn_piece(odd, 3));
}

TEST_CASE("zstd behind a lossy codec keeps a piece that is not finite as it is")
{
  const piece_shape shape{4, 2, 16, element_type::f32};
  const auto body = zstd_after<codec::int8>::coder(shape, {});
  piece_bytes raw = drawn_piece(shape, 4);
  const std::uint32_t nan = 0x7fc0'1234;
  std::memcpy(raw.data() + 64, &nan, 4);
  std::vector<std::byte> code(body.most_bytes());
  code.resize(body.encode(raw.span(), code));
  CHECK(code.size() == 16 + raw.size());
  piece_bytes back(raw.size());
  REQUIRE(body.decode(code, back.span()));
  CHECK(back == raw);
}

TEST_CASE("zstd behind int8 on pages of a trained model")
{
  const std::vector<piece_bytes> pieces = trained_pieces();
  if (pieces.empty()) SKIP_TEST("trained_hstu is not on this machine");
  std::size_t bytes = 0;
  for (const piece_bytes& piece : pieces) bytes += comes_back_as_from<codec::int8>(trained_shape, {}, piece);
  CHECK(double(pieces.size() * trained_shape.bytes()) / double(bytes) > 2.85);
}
