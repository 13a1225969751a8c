// The shipped position policies and one of a third party under the suite; what rotary positions refuse, and angles by the table.
#include "position/position_conformance.hpp"

#include "support/sentence_of.hpp"

#include <kvstrata/position/angle_table.hpp>
#include <kvstrata/position/none.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/position/rotate_on_copy.hpp>

#include <limits>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

// As a third party would write one: kept as at a position in the midst of contexts, so that turns are short where keys are read.
struct from_the_middle
{
  static constexpr std::string_view name = "from_the_middle";
  static constexpr bool encodes = true;
  static constexpr bool turns_reads = true;
  [[nodiscard]] constexpr turn_by kept(token_count /*token*/) const noexcept { return 2048; }
  [[nodiscard]] constexpr turn_by copied(token_count /*start*/) const noexcept { return 0; }
  [[nodiscard]] constexpr turn_by read(token_count position) const noexcept { return turn_by{position} - 2048; }
};

// A wrong one: turned within its page, and by where the page begins where it is read.
struct turned_within
{
  token_count page = 16;
  [[nodiscard]] constexpr turn_by kept(token_count token) const noexcept { return token % page; }
  [[nodiscard]] constexpr turn_by copied(token_count start) const noexcept { return start % page; }
  [[nodiscard]] constexpr turn_by read(token_count position) const noexcept { return position / page * page; }
};

// What the suite must find.
template <class P>
bool law_holds(const P& p, token_count start, token_count token)
{
  return p.kept(token) + p.copied(start) + p.read(start + token) == turn_by{start} + token;
}

}  // namespace

TEST_CASE("position policies under the suite", "[position]")
{
  SECTION("position_free") { position_conformance(position::position_free{}); }
  SECTION("rotate_on_copy") { position_conformance(position::rotate_on_copy{}); }
  SECTION("rotate_on_copy, with another base") { position_conformance(position::rotate_on_copy{.base = 100}); }
  SECTION("a third party's") { position_conformance(from_the_middle{}); }
  SECTION("none") { position_conformance(position::none{}); }
}

TEST_CASE("position policies: one that turns by pages breaks the law where a block begins within one", "[position]")
{
  CHECK(law_holds(turned_within{}, 32, 5));
  CHECK(law_holds(turned_within{}, 3, 5));
  CHECK(!law_holds(turned_within{}, 12, 5));  // 12 + 5 goes over the edge of a page
  CHECK(law_holds(position::position_free{}, 12, 5));
  CHECK(law_holds(position::rotate_on_copy{.base = 40}, 12, 5));
}

TEST_CASE("position policies: who copies, and who does not", "[position]")
{
  CHECK(!is_copied(position::position_free{}, 77));
  CHECK(!is_copied(position::none{}, 77));
  CHECK(is_copied(position::rotate_on_copy{}, 77));
  CHECK(!is_copied(position::rotate_on_copy{}, 0));
  CHECK(!is_copied(position::rotate_on_copy{.base = 77}, 77));
  CHECK(is_copied(position::rotate_on_copy{.base = 77}, 0));
}

TEST_CASE("rotary positions: turning back gives the key again, and a whole table the same angles", "[position]")
{
  const rotary by(8, 500);
  CHECK(by.pairs() == 4);
  angle_table<position::position_free> table(by);
  table.reserve(300);
  table.reserve(20);
  CHECK(table.size() == 300);
  turn_angles one;
  for (const token_count position : {0U, 1U, 299U}) {
    one.set(by, position);
    for (std::size_t i = 0; i < 4; ++i) {
      REQUIRE(table.view().cosines_at(position)[i] == one.cosines[i]);
      REQUIRE(table.view().sines_at(position)[i] == one.sines[i]);
    }
  }
  angle_table<position::rotate_on_copy> nothing(by);
  nothing.reserve(300);
  CHECK(!nothing.view().turn());
  const geometry shape{.layers = 1, .kv_heads = 1, .head_dim = 8, .element = element_type::f32};
  const float key[8] = {1, -2, 3, 0.5F, 4, 0, -1, 2};
  float there[8], back[8];
  one.set(by, 1234);
  turn_keys(shape, reinterpret_cast<const std::byte*>(key), reinterpret_cast<std::byte*>(there), 1, one.cosines.data(),
            one.sines.data());
  one.set(by, -1234);
  turn_keys(shape, reinterpret_cast<const std::byte*>(there), reinterpret_cast<std::byte*>(back), 1, one.cosines.data(),
            one.sines.data());
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(std::abs(back[i] - key[i]) < 1e-5F);
    if (i != 3) CHECK(there[i] != key[i]);
  }
}

TEST_CASE("rotary positions: what is refused", "[position]")
{
  CHECK(sentence_of<config_error>([] { rotary(0); }) == "rotary.head_dim is 0, but it must be at least 2");
  CHECK(sentence_of<config_error>([] { rotary(7); }) == "rotary.head_dim is 7, but it must be even: pairs are turned");
  CHECK(sentence_of<config_error>([] { rotary(8, 0); }) ==
        "rotary.base is 0.000000, but it must be above 0 and finite");
  CHECK_THROWS_AS(rotary(8, std::numeric_limits<float>::infinity()), config_error);
  CHECK(sentence_of<config_error>([] {
          check_turned({.layers = 1, .kv_heads = 1, .head_dim = 8, .element = element_type::fp8_e4m3});
        }) == "geometry.element is fp8_e4m3, but only f32, bf16 and f16 keys can be turned");
  CHECK(sentence_of<config_error>([] {
          check_turned({.layers = 1, .kv_heads = 1, .head_dim = 9, .element = element_type::bf16});
        }) == "geometry.head_dim is 9, but it must be even: rotary positions turn pairs");
}
