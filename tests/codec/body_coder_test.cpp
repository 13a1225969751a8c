// Page coders as body coders, for stores: whole or not at all.
#include "codec/values_of_pieces.hpp"
#include "support/catch.hpp"

#include <kvstrata/codec/body_coder.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>

#include <cstring>
#include <limits>
#include <vector>

namespace {

using namespace kvstrata_test;
using namespace kvstrata;

static_assert(body_codec<codec::as_body<codec::int8>>);
static_assert(!page_codec<codec::as_body<codec::int8>>);
static_assert(codec::as_body<codec::fp8>::lossy);
static_assert(codec::as_body<codec::fp8>::name == "fp8");

template <page_codec C>
void holds(typename C::config told)
{
  const piece_shape shape{6, 2, 24, element_type::bf16};
  const piece_bytes raw = drawn_piece(shape, 1);
  const auto page = C::coder(shape, told);
  const auto body = codec::as_body<C>::coder(shape, told);
  std::vector<std::byte> code(body.most_bytes() + 1, std::byte{0xa5});
  const std::size_t bytes = body.encode(raw.span(), std::span(code).first(body.most_bytes()));
  CHECK(bytes == 16 + page.code_bytes());
  CHECK(code.back() == std::byte{0xa5});

  // As the page coder decodes, from any address.
  piece_bytes page_code(page.code_bytes());
  piece_bytes expected(raw.size());
  for (std::uint32_t unit = 0; unit < page.units(); ++unit) {
    REQUIRE(page.encode(unit, raw.data(), page_code.data()) == unit_kind::coded);
    REQUIRE(page.decode(unit, page_code.data(), expected.data()) == unit_kind::coded);
  }
  for (std::size_t shift = 0; shift < 3; ++shift) {
    std::vector<std::byte> moved(shift + bytes);
    std::memcpy(moved.data() + shift, code.data(), bytes);
    piece_bytes back(raw.size());
    REQUIRE(body.decode(std::span(moved).subspan(shift), back.span()));
    CHECK(back == expected);
  }

  // Cut short, too long, or with another head: nothing is written.
  piece_bytes back(raw.size());
  back.fill(0x5a);
  const piece_bytes untouched = back;
  for (std::size_t length = 0; length < bytes; ++length) {
    CAPTURE(length);
    REQUIRE(!body.decode(std::span(code).first(length), back.span()));
  }
  CHECK(!body.decode(std::span(code).first(bytes + 1), back.span()));
  for (std::size_t at = 0; at < 16; ++at) {
    for (const unsigned flip : {1U, 2U, 128U}) {
      std::vector<std::byte> lie(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(bytes));
      lie[at] ^= static_cast<std::byte>(flip);
      CAPTURE(at, flip);
      CHECK(!body.decode(lie, back.span()));
    }
  }
  std::vector<std::byte> lie(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(bytes));
  lie[16 + page.code_bytes() / page.units() * (page.units() - 1)] ^= std::byte{1};  // the last unit's head
  CHECK(!body.decode(lie, back.span()));
  CHECK(back == untouched);

  // One value that is not finite, and the piece is kept as it is.
  piece_bytes strange = raw;
  const std::uint16_t infinity = 0xff80;
  std::memcpy(strange.data() + 100, &infinity, 2);
  const std::size_t as_it_is = body.encode(strange.span(), std::span(code).first(body.most_bytes()));
  CHECK(as_it_is == 16 + raw.size());
  REQUIRE(body.decode(std::span(code).first(as_it_is), back.span()));
  CHECK(back == strange);
}

}  // namespace

TEST_CASE("A page coder as a body coder: its code, and malformed or whole")
{
  holds<codec::int8>({});
  holds<codec::int8>({codec::silu_minimum});
  holds<codec::fp8>({});
  holds<codec::int4>({});
}
