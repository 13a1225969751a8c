#include "hstu/gpu/attention.hpp"
#include "hstu/gpu/emulated_block.hpp"
#include "hstu_gpu/attention_cases.hpp"

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace hstu_gpu_test;

void attend_emulated(attention_bed& bed)
{
  const auto a = bed.arguments([](auto& vector) { return vector.data(); });
  hstu::gpu::with_attention(a, bed.head_dim(),
                            [](const auto& k) { REQUIRE(hstu::gpu::run_emulated(k).bank_conflicts == 0); });
}

}  // namespace

TEST_CASE("attention: pages of every size, heads of every width") { attention_over_page_sizes(attend_emulated); }
TEST_CASE("attention: empty histories, single tokens, edges of pages") { attention_of_edges(attend_emulated); }
TEST_CASE("attention: whole tiles and parts of them") { attention_of_whole_tiles(attend_emulated); }
TEST_CASE("attention: computed intervals far apart") { attention_of_intervals(attend_emulated); }
TEST_CASE("attention: long histories") { attention_of_long_histories(attend_emulated); }
TEST_CASE("attention: bias by distance and by time") { attention_with_bias(attend_emulated); }
TEST_CASE("attention: keys shared by several blocks") { attention_in_parts(attend_emulated); }
TEST_CASE("attention: windows that begin inside a page") { attention_of_windows(attend_emulated); }
TEST_CASE("attention: any prefix and oneself") { attention_of_random_masks(attend_emulated); }
TEST_CASE("attention: two stretches of keys") { attention_of_two_stretches(attend_emulated); }
TEST_CASE("attention: batches, and tiles that are not asked for") { attention_of_batches(attend_emulated); }

TEST_CASE("attention: parts give every multiprocessor work, and no block too little")
{
  using hstu::gpu::attention_parts;
  REQUIRE(attention_parts(1000, 4, 40'000, 132) == 1);   // enough tiles
  REQUIRE(attention_parts(32, 4, 40'000, 132) == 7);     // 6 blocks for each of 132: 792 of 128
  REQUIRE(attention_parts(2, 4, 4096, 132) == 8);        // 512 keys for each part
  REQUIRE(attention_parts(2, 4, 500, 132) == 1);         // too short to be shared
  REQUIRE(attention_parts(1, 1, 1'000'000, 132) == 32);  // not without end
  REQUIRE(attention_parts(0, 4, 0, 132) == 1);
}

TEST_CASE("attention: four SiLU that share a reciprocal are those of four by themselves")
{
  const auto exact = [](float x) { return static_cast<double>(x) / (1 + std::exp(-static_cast<double>(x))); };
  const auto close = [&](float got, float x) {
    const double error = std::fabs(static_cast<double>(got) - exact(x));
    return error <= std::fabs(exact(x)) * 0x1p-18 + (x < -21 ? std::fabs(static_cast<double>(x)) * 0x1p-30 : 0);
  };
  const std::vector<float> values = {-1e30f, -1000, -90, -40, -22, -20, -3,   -1,   -0.01f,
                                     0,      0.01f, 1,   5,   20,  88,  1000, 1e30f};
  for (const float a : values) {
    for (const float b : values) {
      float x[4] = {a, b, -50, 2};
      hstu::gpu::silu_four<hstu::gpu::emulated_block>(x[0], x[1], x[2], x[3]);
      INFO("of " << a << " and " << b << ": " << x[0] << ", " << x[1] << ", " << x[2] << ", " << x[3]);
      REQUIRE((close(x[0], a) && close(x[1], b) && close(x[2], -50) && close(x[3], 2)));
    }
  }
  float x[4] = {1, std::nanf(""), 3, -4};
  hstu::gpu::silu_four<hstu::gpu::emulated_block>(x[0], x[1], x[2], x[3]);
  REQUIRE((close(x[0], 1) && std::isnan(x[1]) && close(x[2], 3) && close(x[3], -4)));
}

TEST_CASE("attention: what the kernel does not take is refused with a sentence")
{
  attention_bed bed({.heads = 2, .head_dim = 64, .page_tokens = 8}, {{9, {8}, 1}}, 1);
  const auto good = bed.arguments([](auto& vector) { return vector.data(); });
  const auto message = [&](std::uint32_t head_dim, auto&& change) -> std::string {
    auto a = good;
    change(a);
    try {
      hstu::gpu::with_attention(a, head_dim, [](const auto&) { FAIL("it must not run"); });
    } catch (const kvstrata::config_error& e) {
      return e.what();
    }
    return "";
  };
  using args = hstu::gpu::attention_arguments;
  REQUIRE(message(64, [](args& a) { a.tile_count = 0; }).empty());
  REQUIRE(message(32, [](args&) {}) == "attention.head_dim is 32, but the attention kernel takes 64, 128 and 256");
  REQUIRE(message(128, [](args&) {}) == "attention.pages.width is 128, but it must be heads * head_dim = 256");
  for (const std::uint32_t tokens : {0u, 4u, 12u, 24u}) {
    REQUIRE(message(64, [&](args& a) { a.pages.page_tokens = tokens; }) ==
            "attention.pages.page_tokens is " + std::to_string(tokens) +
                ", but the attention kernel takes powers of two of at least 8");
  }
  REQUIRE(message(64, [](args& a) { a.pages.page_stride += 8; }) ==
          "attention.pages.page_stride is 4360, but pages must begin at multiples of 16 bytes");
  const std::string rows = ", but the attention kernel takes rows that begin at multiples of 8 elements";
  REQUIRE(message(64, [](args& a) { a.queries.stride = 132; }) == "attention.queries.stride is 132" + rows);
  REQUIRE(message(64, [](args& a) { a.outputs.stride = 129; }) == "attention.outputs.stride is 129" + rows);
  REQUIRE(message(64, [](args& a) { a.candidate_keys.stride = 4; }) == "attention.candidate_keys.stride is 4" + rows);
  REQUIRE(message(64, [](args& a) { a.candidate_values.stride = 4; }) ==
          "attention.candidate_values.stride is 4" + rows);
  REQUIRE(message(64, [](args& a) { ++a.queries.data; }).find("attention.queries.data is ") == 0);
  REQUIRE(message(64, [](args& a) { a.parts = 0; }).find("attention.parts is 0, but it must be 1") == 0);
  REQUIRE(message(64, [](args& a) { a.parts = 2; }).find("attention.parts is 2, but it must be 1") == 0);
  REQUIRE(message(64, [](args& a) { a.bias.times = 257; }) ==
          "attention.bias.times is 257, but at most 256 buckets are known");
  REQUIRE(message(64, [](args& a) { a.visible = nullptr; }) ==
          "attention.visible is null, but each row must say what it sees");
  const hstu::gpu::key_gap gap{};
  REQUIRE(message(64, [&gap](args& a) {
            a.pages.gaps = &gap;
            a.bias.distances = 3;
          }) == "attention.pages.gaps is there, but keys in two stretches have no bias by distance or time");
}
