// The loops between the products against double precision: all that this machine runs.
#include "hstu/elementwise.hpp"
#include "hstu/fixture.hpp"

#include "support/catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace {

double silu(double x) { return x / (1 + std::exp(-x)); }

/// Near 0 as a number is near, below as a score needs it.
bool near_silu(float found, double x)
{
  const double wanted = silu(x);
  const double apart = std::abs(static_cast<double>(found) - wanted);
  return apart <= (x > -1 ? 5e-7 * std::abs(wanted) : 2e-7);
}

}  // namespace

TEST_CASE("SiLU is exact to its last bits for all numbers and any count, and keeps a NaN", "[hstu]")
{
  for (const hstu::elementwise* loops : hstu_test::all_elementwise()) {
    std::vector<float> x;
    for (int i = -6000; i <= 6000; ++i) x.push_back(static_cast<float>(i) * 0.0173f);
    for (const float v : {0.0f, -0.0f, 1e-30f, -1e-30f, 3e38f, -1e6f, -87.4f, -88.1f, 126.0f}) x.push_back(v);
    std::vector<float> y(x.size());
    loops->silu(y.data(), x.data(), x.size());
    bool right = true;
    for (std::size_t i = 0; i < x.size(); ++i) right = right && near_silu(y[i], static_cast<double>(x[i]));
    CHECK(right);
    for (std::size_t count = 0; count < 40; ++count) {  // tails, and what lies behind is left alone
      std::vector<float> some(x.begin() + 6000, x.begin() + 6050);
      std::vector<float> offset = some, bias = some;
      const std::vector<float> add(50, 0.75f);
      loops->silu(some.data(), some.data(), count);
      loops->silu_offset(offset.data(), 0.75f, count);
      loops->silu_bias(bias.data(), add.data(), count);
      for (std::size_t i = 0; i < 50; ++i) {
        const float was = x[6000 + i];
        right = right && (i < count ? near_silu(some[i], static_cast<double>(was)) : some[i] == was);
        right = right && (i < count ? near_silu(offset[i], static_cast<double>(was + 0.75f)) : offset[i] == was);
        right = right && (i < count ? near_silu(bias[i], static_cast<double>(was + 0.75f)) : bias[i] == was);
      }
    }
    CHECK(right);
    float nan = std::numeric_limits<float>::quiet_NaN();
    loops->silu(&nan, &nan, 1);
    CHECK(std::isnan(nan));
  }
}

TEST_CASE("norms take their epsilon, and products and sums their two rows", "[hstu]")
{
  hstu_test::generator random(31);
  for (const hstu::elementwise* loops : hstu_test::all_elementwise()) {
    for (const std::size_t count : {1u, 7u, 16u, 33u, 300u}) {
      std::vector<float> x, g;
      for (std::size_t i = 0; i < count; ++i) {
        x.push_back(static_cast<float>(hstu_test::below(random, 1000)) * 1e-4f);
        g.push_back(static_cast<float>(hstu_test::below(random, 1000)) * 1e-2f);
      }
      double mean = 0, variance = 0;
      for (const float v : x) mean += static_cast<double>(v) / static_cast<double>(count);
      for (const float v : x) variance += std::pow(static_cast<double>(v) - mean, 2) / static_cast<double>(count);
      std::vector<float> normal(count), gated(count), product(count);
      for (const float epsilon : {1e-6f, 0.01f}) {
        loops->normalise(normal.data(), x.data(), epsilon, count);
        loops->normalise_gated(gated.data(), x.data(), g.data(), epsilon, count);
        loops->multiply(product.data(), x.data(), g.data(), count);
        bool right = true;
        for (std::size_t i = 0; i < count; ++i) {
          const double wanted = (static_cast<double>(x[i]) - mean) / std::sqrt(variance + static_cast<double>(epsilon));
          right = right && std::abs(static_cast<double>(normal[i]) - wanted) < 1e-5;
          right = right && std::abs(static_cast<double>(gated[i]) - wanted * static_cast<double>(g[i])) < 1e-4;
          right = right && product[i] == x[i] * g[i];
        }
        CHECK(right);
      }
    }
  }
}
