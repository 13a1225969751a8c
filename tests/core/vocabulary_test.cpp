// Geometry, errors and their sentences, results, options, ids.
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/options.hpp>
#include <kvstrata/core/result.hpp>
#include <kvstrata/core/sizes.hpp>

#include <memory>
#include <string>
#include <type_traits>

namespace {

using namespace kvstrata;

/// The sentence of the Error that `call` throws; empty when it throws none.
template <class Error, class Call>
std::string sentence(Call&& call)
{
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

// --- ids: nothing converts into anything else by accident ---------------------------------------------------------------
static_assert(!std::is_convertible_v<std::uint64_t, user_id> && !std::is_convertible_v<user_id, std::uint64_t>);
static_assert(!std::is_convertible_v<user_id, epoch_id> && !std::is_convertible_v<epoch_id, user_id>);
static_assert(!std::is_convertible_v<std::int32_t, page_id> && sizeof(page_id) == 4);
static_assert(to_number(to_page(7)) == 7 && to_number(user_id{~0ULL}) == ~0ULL && to_number(epoch_id{3}) == 3);

// --- geometry -----------------------------------------------------------------------------------------------------------
namespace {

constexpr geometry paper{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
static_assert(paper.key_bytes() == 1024 && paper.token_layer_bytes() == 2048 && paper.token_bytes() == 16 * 1024);
static_assert(std::is_trivially_copyable_v<geometry>);

}  // namespace

TEST_CASE("every element type has a size and a name of its own")
{
  const element_type all[] = {element_type::f32,      element_type::f16,      element_type::bf16,
                              element_type::fp8_e4m3, element_type::fp8_e5m2, element_type::int8};
  const std::size_t sizes[] = {4, 2, 2, 1, 1, 1};
  for (std::size_t i = 0; i < 6; ++i) {
    REQUIRE(bytes_of(all[i]) == sizes[i]);
    REQUIRE(name_of(all[i]) != "unknown");
    for (std::size_t k = 0; k < i; ++k) REQUIRE(name_of(all[i]) != name_of(all[k]));
    geometry g = paper;
    g.element = all[i];
    REQUIRE(g.token_bytes() == 8 * 2 * 4 * 128 * sizes[i]);
  }
}

TEST_CASE("a geometry says what it is, and is refused with field, value and limit")
{
  REQUIRE(to_string(paper) == "8 layers x 4 heads x 128 bf16");
  REQUIRE_NOTHROW(check(paper));
  const auto refused = [](geometry g) { return sentence<config_error>([&] { check(g); }); };
  REQUIRE(refused({.layers = 0, .kv_heads = 1, .head_dim = 1}) == "geometry.layers is 0, but it must be at least 1");
  REQUIRE(refused({.layers = 1, .kv_heads = 0, .head_dim = 1}) == "geometry.kv_heads is 0, but it must be at least 1");
  REQUIRE(refused({.layers = 1, .kv_heads = 1, .head_dim = 0}) == "geometry.head_dim is 0, but it must be at least 1");
  REQUIRE(refused({.layers = 4097, .kv_heads = 1, .head_dim = 1}) ==
          "geometry.layers is 4097, but it may be at most 4096");
  REQUIRE(refused({.layers = 1, .kv_heads = 4097, .head_dim = 1}) ==
          "geometry.kv_heads is 4097, but it may be at most 4096");
  REQUIRE(refused({.layers = 1, .kv_heads = 1, .head_dim = 65537}) ==
          "geometry.head_dim is 65537, but it may be at most 65536");
  REQUIRE(refused({.layers = 1, .kv_heads = 1, .head_dim = 1, .element = static_cast<element_type>(9)}) ==
          "geometry.element is 9, but there is no such element type");
  // The largest that is let through does not overflow.
  const geometry largest{.layers = 4096, .kv_heads = 4096, .head_dim = 65536, .element = element_type::f32};
  REQUIRE_NOTHROW(check(largest));
  REQUIRE(largest.token_bytes() == 1ULL << 43U);
}

// --- sizes --------------------------------------------------------------------------------------------------------------
TEST_CASE("sizes are multiplied and added in 64 bits, or refused, or the largest")
{
  STATIC_REQUIRE(checked_product("x", 1ULL << 32U, (1ULL << 32U) - 1) == largest_size - ((1ULL << 32U) - 1));
  STATIC_REQUIRE(checked_product("x", largest_size, 1) == largest_size);
  STATIC_REQUIRE(checked_product("x", 0, largest_size) == 0);
  STATIC_REQUIRE(checked_product("x", largest_size, 0) == 0);
  STATIC_REQUIRE(checked_sum("x", largest_size - 1, 1) == largest_size);
  REQUIRE(sentence<config_error>([] { static_cast<void>(checked_product("a page", 1ULL << 43U, 1ULL << 21U)); }) ==
          "a page is 8796093022208 x 2097152, but it may be at most 18446744073709551615");
  REQUIRE(sentence<config_error>([] { static_cast<void>(checked_sum("both", largest_size, 1)); }) ==
          "both is 18446744073709551615 + 1, but it may be at most 18446744073709551615");
  STATIC_REQUIRE(saturated_sum(5, 6) == 11);
  STATIC_REQUIRE(saturated_sum(largest_size - 4, 5) == largest_size);
  REQUIRE(scaled_size(10, 0.25) == 3);
  REQUIRE(scaled_size(10, 0) == 1);
  REQUIRE(scaled_size(1ULL << 63U, 0.75) == 3ULL << 61U);
  REQUIRE(scaled_size(1ULL << 63U, 1.9) > 1ULL << 63U);
  REQUIRE(scaled_size(1ULL << 63U, 2) == largest_size);
}

TEST_CASE("geometries differ in every member")
{
  geometry other = paper;
  REQUIRE(other == paper);
  other.element = element_type::f16;  // of the same size
  REQUIRE_FALSE(other == paper);
  REQUIRE_FALSE(geometry{.layers = 4, .kv_heads = 8, .head_dim = 128} == paper);
}

// --- errors -------------------------------------------------------------------------------------------------------------
TEST_CASE("every error is an error, and a runtime_error")
{
  REQUIRE_THROWS_AS(throw config_error("a", 1, "b"), error);
  REQUIRE_THROWS_AS(throw geometry_error("a"), error);
  REQUIRE_THROWS_AS(throw capacity_error("a"), error);
  REQUIRE_THROWS_AS(throw history_error("a"), error);
  REQUIRE_THROWS_AS(throw usage_error("a"), error);
  REQUIRE_THROWS_AS(throw device_error("a"), error);
  REQUIRE_THROWS_AS(throw data_error("a", 1, "b"), error);
  REQUIRE_THROWS_AS(throw pressure_error(pressure{}), error);
  STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, error>);
}

TEST_CASE("errors are sentences that name the thing, the value and the limit")
{
  REQUIRE(std::string(config_error("device.bytes", 12, "it must hold a page").what()) ==
          "device.bytes is 12, but it must hold a page");
  REQUIRE(std::string(config_error("link", "-1", "it must be at least 0").what()) ==
          "link is -1, but it must be at least 0");
  REQUIRE(std::string(data_error("log.tsv", 17, "no such column").what()) == "log.tsv:17: no such column");
  REQUIRE(std::string(data_error("log.tsv", 0, "cannot be opened").what()) == "log.tsv: cannot be opened");
}

// --- result -------------------------------------------------------------------------------------------------------------
TEST_CASE("a result holds a value, or why there is none")
{
  result<std::string> good(std::string("value"));
  REQUIRE(good.has_value());
  REQUIRE(static_cast<bool>(good));
  REQUIRE(*good == "value");
  REQUIRE(good->size() == 5);
  good.value() += "s";
  REQUIRE(std::as_const(good).value() == "values");
  REQUIRE(std::move(good).value() == "values");

  const result<std::string> bad(pressure{.why = pressure::reason::user_held, .user = 9});
  REQUIRE_FALSE(bad.has_value());
  REQUIRE(bad.why().user == 9);
  REQUIRE(sentence<pressure_error>([&] { static_cast<void>(bad.value()); }) ==
          "user 9 is under another lease; release it first");
}

TEST_CASE("pressure says why, and of several shards which")
{
  pressure why{.why = pressure::reason::stale_epoch, .user = 9, .request_epoch = 3, .cache_epoch = 4};
  REQUIRE(
      to_string(why) ==
      "the request of user 9 names epoch 3, but the cache is at epoch 4; a model of an older epoch cannot be served "
      "any more");
  why = {.why = pressure::reason::early_epoch, .user = 9, .request_epoch = 5, .cache_epoch = 4, .shard = 2};
  REQUIRE(
      to_string(why) ==
      "shard 2: the request of user 9 names epoch 5, but the cache is at epoch 4; call advance_epoch before the first "
      "request of a new model");
  why = {.why = pressure::reason::arriving, .user = 9};
  REQUIRE(to_string(why) == "what a store has of user 9 is on its way; call again when it has arrived");
  why.by_commit = true;
  REQUIRE(to_string(why) == "user 9 is being computed by another lease; call again when that is committed or released");
  why = {.pages_needed = 7, .pages_free = 1, .pages_evictable = 2, .pages_held = 5, .shard = 0};
  REQUIRE(to_string(why) == "shard 0: 7 pages are needed, but only 1 are free and 2 can be evicted; leases hold 5");
  for (std::uint8_t i = 0; i < pressure_reasons; ++i) {
    REQUIRE(name_of(static_cast<pressure::reason>(i)) != "unknown");
  }
  REQUIRE(name_of(static_cast<pressure::reason>(pressure_reasons)) == "unknown");
}

TEST_CASE("a result of a move-only value gives it away")
{
  result<std::unique_ptr<int>> one(std::make_unique<int>(7));
  const std::unique_ptr<int> mine = *std::move(one);
  REQUIRE(*mine == 7);
  result<std::unique_ptr<int>> none(pressure{});
  REQUIRE_THROWS_AS(*std::move(none), pressure_error);
}

TEST_CASE("pressure names its numbers")
{
  const pressure p{.pages_needed = 10, .pages_free = 3, .pages_evictable = 4, .pages_held = 5};
  REQUIRE(to_string(p) == "10 pages are needed, but only 3 are free and 4 can be evicted; leases hold 5");
  try {
    throw pressure_error(p);
  } catch (const pressure_error& e) {
    REQUIRE(e.why.pages_held == 5);
  }
}

// --- options ------------------------------------------------------------------------------------------------------------
namespace {

struct size_kind;
struct colour_kind;
template <int>
struct size_of
{
  using option_kind = size_kind;
};
struct red
{
  using option_kind = colour_kind;
};
struct not_an_option
{
};
struct some_policy
{
};

static_assert(option<red> && option<replaced_by<some_policy>> && option<replaced_as_cache>);
static_assert(!option<not_an_option> && !option<int>);

// a default, an option, in any order, the first of a kind
static_assert(std::is_same_v<find_option_t<size_kind, size_of<0>>, size_of<0>>);
static_assert(std::is_same_v<find_option_t<size_kind, size_of<0>, red>, size_of<0>>);
static_assert(std::is_same_v<find_option_t<size_kind, size_of<0>, red, size_of<1>>, size_of<1>>);
static_assert(std::is_same_v<find_option_t<size_kind, size_of<0>, size_of<1>, red>, size_of<1>>);
static_assert(std::is_same_v<find_option_t<size_kind, size_of<0>, size_of<1>, size_of<2>>, size_of<1>>);
static_assert(std::is_same_v<find_option_t<colour_kind, not_an_option, size_of<1>, red>, red>);

static_assert(std::is_same_v<replacement_of_t<replaced_as_cache, some_policy>, some_policy>);
static_assert(std::is_same_v<replacement_of_t<replaced_by<not_an_option>, some_policy>, not_an_option>);

template <class... Options>
concept takes_options = requires { typename find_option_t<size_kind, void, Options...>; };
static_assert(takes_options<red, size_of<1>> && !takes_options<red, not_an_option>);

}  // namespace
