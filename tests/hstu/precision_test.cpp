// Products in f32 and bf16 against double precision; and the model in bf16, which is as near to itself as bf16 is.
#include "hstu/precision.hpp"
#include "hstu/packed_matrix.hpp"
#include "hstu/reference.hpp"
#include "hstu/trained.hpp"

#include "hstu/elementwise.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace hstu_test;
using hstu::precision;

// 2^-8 is bf16's rounding, of numbers of the order of 1 that pass through a few layers.
constexpr double bf16_enough = 3e-2;
constexpr auto bf16_missing = "this processor has neither AMX nor AVX-512 BF16";

float of_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// The nearest bf16, found by looking at both neighbours.
float nearest_bf16(float x)
{
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto below = static_cast<std::uint16_t>(bits >> 16);
  const auto above = static_cast<std::uint16_t>(below + 1);
  const double down = std::abs(static_cast<double>(x) - static_cast<double>(of_bf16(below)));
  const double up = std::abs(static_cast<double>(x) - static_cast<double>(of_bf16(above)));
  return down < up || (down == up && below % 2 == 0) ? of_bf16(below) : of_bf16(above);
}

float as_operand(precision in, float x) { return in == precision::f32 ? x : nearest_bf16(x); }

std::vector<float> as_operands(precision in, std::vector<float> values)
{
  for (float& v : values) v = as_operand(in, v);
  return values;
}

/// How far C = or += A B lies from double precision at most.
double product_error(generator& random, precision in, std::size_t rows, std::size_t inner, std::size_t columns,
                     hstu::store how)
{
  const std::size_t stride = columns + below(random, 9);
  const std::vector<float> a = drawn(random, rows * inner, 0, 1);
  const std::vector<float> b = drawn(random, inner * stride, 0, 1);
  const std::vector<float> before = drawn(random, rows * columns, 0, 1);
  std::vector<float> c = before;
  c.push_back(42);  // nothing behind the rows is written
  hstu::buffer scratch;
  const hstu::packed_matrix matrix(inner, columns, {b.data(), stride}, in, how);
  matrix.multiply(rows, a.data(), c.data(), scratch);
  double most = c.back() == 42 ? 0 : 1e9;
  const std::vector<float> left = as_operands(in, a), right = as_operands(in, b);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      double sum = how == hstu::store::add ? static_cast<double>(before[i * columns + j]) : 0;
      for (std::size_t k = 0; k < inner; ++k) {
        sum += static_cast<double>(left[i * inner + k]) * static_cast<double>(right[k * stride + j]);
      }
      const double apart = std::abs(sum - static_cast<double>(c[i * columns + j]));
      most = apart <= most ? most : apart;
    }
  }
  return most;
}

hstu::config small()
{
  hstu::config c;
  c.layers = 3;
  c.hidden = 48;
  c.heads = 2;
  c.head_dim = 24;
  c.items = 500;
  c.max_tokens = 1024;
  c.normaliser = 200;
  c.position_buckets = 40;
  c.time_buckets = 30;
  return c;
}

}  // namespace

TEST_CASE("numbers are rounded to the nearest bf16, ties to the even one, and a NaN stays one", "[hstu][products]")
{
  generator random(501);
  std::vector<float> from = {0.0f, -0.0f, 1.0f, 1.00390625f, 1.01171875f, -1.00390625f, 3e38f, 1e-40f, 65535.0f};
  for (int i = 0; i < 4000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    const auto any = std::bit_cast<float>(bits);
    if (std::isfinite(any) && std::abs(any) < 3e38f) from.push_back(any);
    from.push_back(std::bit_cast<float>((bits & 0x3fff0000u) | 0x8000u));  // half way
  }
  for (const hstu::elementwise* loops : all_elementwise()) {
    std::vector<std::uint16_t> to(from.size(), 7);
    loops->round(to.data(), from.data(), from.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < from.size(); ++i) wrong += of_bf16(to[i]) == nearest_bf16(from[i]) ? 0U : 1U;
    CHECK(wrong == 0);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> odd = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(),
                                    std::bit_cast<float>(0x7f800001u), std::bit_cast<float>(0xffffffffu)};
    loops->round(to.data(), odd.data(), odd.size());
    CHECK(of_bf16(to[0]) == infinity);
    CHECK(of_bf16(to[1]) == -infinity);
    for (std::size_t i = 2; i < odd.size(); ++i) CHECK(std::isnan(of_bf16(to[i])));
    CHECK(to[5] == std::bit_cast<std::uint32_t>(nearest_bf16(from[5])) >> 16);
  }
}

TEST_CASE("products with packed matrices equal double precision for any number of rows", "[hstu][products]")
{
  generator random(502);
  for (const precision in : {precision::f32, precision::bf16}) {
    if (!hstu::is_fast(in)) continue;
    INFO(hstu::name_of(in));
    for (const std::size_t rows : {0u, 1u, 2u, 3u, 15u, 16u, 31u, 127u, 128u, 129u, 300u}) {
      const std::size_t inner = 1 + below(random, 200);
      const std::size_t columns = 1 + below(random, 200);
      INFO(rows << " x " << inner << " x " << columns);
      CHECK(product_error(random, in, rows, inner, columns, hstu::store::assign) < 1e-4);
      CHECK(product_error(random, in, rows, inner, columns, hstu::store::add) < 1e-4);
    }
    CHECK(product_error(random, in, 130, 700, 100, hstu::store::assign) < 3e-4);
  }
}

TEST_CASE("products of activations equal double precision in either precision", "[hstu][products]")
{
  generator random(503);
  hstu::rounded_operands scratch;
  for (const precision in : {precision::f32, precision::bf16}) {
    if (!hstu::is_fast(in)) continue;
    for (int round = 0; round < 30; ++round) {
      const std::size_t m = below(random, 70), n = below(random, 70), k = 1 + below(random, 90);
      const std::size_t wide = k + below(random, 5), out = n + 3;
      const std::vector<float> a = drawn(random, m * wide, 0, 1);
      const std::vector<float> keys = drawn(random, n * k, 0, 1);    // [n][k]
      const std::vector<float> values = drawn(random, k * n, 0, 1);  // [k][n]
      std::vector<float> scores(m * out, 5), sums(m * out, 5);
      hstu::multiply_transposed(in, m, n, k, {a.data(), wide}, {keys.data(), k}, {scores.data(), out}, scratch);
      hstu::multiply_add(in, m, n, k, {a.data(), wide}, {values.data(), n}, {sums.data(), out}, scratch);
      double most = 0;
      for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < out; ++j) {
          double s = j < n ? 0 : 5, t = 5;
          for (std::size_t x = 0; j < n && x < k; ++x) {
            const auto left = static_cast<double>(as_operand(in, a[i * wide + x]));
            s += left * static_cast<double>(as_operand(in, keys[j * k + x]));
            t += left * static_cast<double>(as_operand(in, values[x * n + j]));
          }
          most = std::max({most, std::abs(s - static_cast<double>(scores[i * out + j])),
                           std::abs(t - static_cast<double>(sums[i * out + j]))});
        }
      }
      INFO(hstu::name_of(in) << ' ' << m << " x " << k << " x " << n);
      CHECK(most < 1e-4);
    }
  }
}

TEST_CASE("a model in bf16 answers within bf16's rounding of double precision, whatever its pages hold already",
          "[hstu][products]")
{
  if (!hstu::is_fast(precision::bf16)) SKIP_TEST(bf16_missing);
  generator random(504);
  for (int round = 0; round < 6; ++round) {
    const hstu::config c = small();
    const hstu::model m(c, round % 2 == 0 ? hstu::random_weights(c) : trained_weights(random, c), 2, precision::bf16);
    CHECK(m.computes_in() == precision::bf16);
    CHECK(m.shape().element == kvstrata::element_type::f32);
    user u(random, 1 + below(random, 250), 1 + below(random, 20));
    INFO("round " << round << " history " << u.history);
    pages memory(random, m.shape(), 16, {u.history});
    const std::vector<float> whole = run(m, {u.request()}, memory);
    const reference_result expected = reference(m, u.request());
    double apart = 0;
    for (std::size_t i = 0; i < u.candidates.size(); ++i) {
      apart = std::max(apart, furthest(std::span(whole).subspan(i * c.tasks, c.tasks), expected.scores[i]));
    }
    CHECK(apart < bf16_enough);
    CHECK(apart > 1e-5);  // it is not f32
    u.compute = random_intervals(random, u.history);
    CHECK(furthest(run(m, {u.request()}, memory), whole) < bf16_enough);
  }
}

TEST_CASE("a head of layers computes in bf16 as well", "[hstu][products]")
{
  if (!hstu::is_fast(precision::bf16)) SKIP_TEST(bf16_missing);
  generator random(505);
  const hstu::config c = small();
  hstu::weights w = hstu::random_weights(c);
  w.head_in.clear();
  w.head_out.clear();
  w.head = random_head(random, c);
  const hstu::model exact(c, w, 2);
  const hstu::model rounded(c, w, 2, precision::bf16);
  const user u(random, 300, 20);
  const std::vector<float> scores = run_alone(random, exact, u);
  double size = 0;
  for (const float s : scores) size = std::max(size, static_cast<double>(std::abs(s)));
  CHECK(furthest(run_alone(random, rounded, u), scores) < bf16_enough * std::max(1.0, size));
}

TEST_CASE("a model of a precision that this machine lacks is refused with a sentence", "[hstu][products]")
{
  CHECK(hstu::is_fast(precision::f32));
  CHECK_NOTHROW(hstu::check(precision::f32));
  if (hstu::is_fast(precision::bf16)) {
    CHECK_NOTHROW(hstu::check(precision::bf16));
    return;
  }
  std::string said;
  try {
    hstu::model(small(), 1, precision::bf16);
  } catch (const kvstrata::config_error& e) {
    said = e.what();
  }
  CHECK(said.find("precision is bf16") != std::string::npos);
  CHECK(said.find("AVX-512 BF16") != std::string::npos);
}
