// Histograms by powers of two: where a value is counted, and how far off a quantile may be.
#include "support/catch.hpp"

#include <kvstrata/observe/log2_histogram.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using kvstrata::log2_histogram;

TEST_CASE("log2_histogram: every value has the bucket whose limits hold it")
{
  REQUIRE(log2_histogram::bucket_of(0) == 0);
  REQUIRE(log2_histogram::bucket_of(1) == 1);
  REQUIRE(log2_histogram::bucket_of((std::uint64_t{1} << 30) - 1) == 30);
  REQUIRE(log2_histogram::bucket_of(std::uint64_t{1} << 30) == 31);
  REQUIRE(log2_histogram::bucket_of((std::numeric_limits<std::uint64_t>::max)()) == 31);
  for (std::size_t i = 0; i + 1 < log2_histogram::buckets; ++i) {
    REQUIRE(log2_histogram::bucket_of(log2_histogram::first_of(i)) == i);
    REQUIRE(log2_histogram::bucket_of(log2_histogram::last_of(i)) == i);
    REQUIRE(log2_histogram::bucket_of(log2_histogram::last_of(i) + 1) == i + 1);
    REQUIRE(log2_histogram::last_of(i) + 1 == std::uint64_t{1} << i);
  }
}

TEST_CASE("log2_histogram: without values everything is 0")
{
  const log2_histogram none;
  REQUIRE(none.total() == 0);
  REQUIRE(none.mean() == 0);
  REQUIRE(none.quantile(0.5) == 0);
}

TEST_CASE("log2_histogram: quantiles lie in the bucket of the true ones, and rise")
{
  std::mt19937_64 random(7);
  for (const std::size_t size : {1U, 2U, 3U, 10U, 1000U}) {
    std::vector<std::uint64_t> values;
    log2_histogram h;
    for (std::size_t i = 0; i < size; ++i) {
      values.push_back(random() >> (34 + random() % 30));  // below 2^30, of any magnitude
      h.add(values.back());
    }
    std::sort(values.begin(), values.end());
    REQUIRE(h.total() == size);
    double sum = 0;
    for (const std::uint64_t v : values) sum += static_cast<double>(v);
    REQUIRE(h.mean() == Approx(sum / static_cast<double>(size)));
    double last = 0;
    for (int percent = 0; percent <= 100; ++percent) {
      const std::size_t rank = (std::max)(std::size_t{1}, (size * static_cast<std::size_t>(percent) + 99) / 100);
      const double estimate = h.quantile(percent / 100.0);
      // A share such as 0.07 is no binary fraction: its rank may round up by one where it is exactly whole.
      const auto bucket_at = [&](std::size_t r) { return log2_histogram::bucket_of(values[(std::min)(r, size) - 1]); };
      const std::size_t bucket = log2_histogram::bucket_of(static_cast<std::uint64_t>(estimate));
      REQUIRE(bucket >= bucket_at(rank));
      REQUIRE(bucket <= bucket_at(rank + 1));
      REQUIRE(estimate >= last);
      last = estimate;
    }
    REQUIRE(log2_histogram::bucket_of(static_cast<std::uint64_t>(h.quantile(0))) ==
            log2_histogram::bucket_of(values.front()));
    REQUIRE(log2_histogram::bucket_of(static_cast<std::uint64_t>(h.quantile(1))) ==
            log2_histogram::bucket_of(values.back()));
  }
}

TEST_CASE("log2_histogram: values spread evenly over a bucket are estimated closely")
{
  log2_histogram h;
  for (std::uint64_t v = 512; v < 1024; ++v) h.add(v);
  REQUIRE(h.quantile(0.25) == Approx(640).margin(2));
  REQUIRE(h.quantile(0.5) == Approx(768).margin(2));
  REQUIRE(h.quantile(1) == Approx(1023).margin(1));
}

TEST_CASE("log2_histogram: the last bucket answers with its smallest value")
{
  log2_histogram h;
  h.add(std::uint64_t{1} << 40);
  REQUIRE(h.quantile(0.5) == std::ldexp(1.0, 30));
  REQUIRE(h.mean() == std::ldexp(1.0, 40));
}

TEST_CASE("log2_histogram: a share that is none is turned down")
{
  log2_histogram h;
  h.add(3);
  REQUIRE_THROWS_AS(h.quantile(-0.01), kvstrata::usage_error);
  REQUIRE_THROWS_AS(h.quantile(1.01), kvstrata::usage_error);
  REQUIRE_THROWS_AS(h.quantile(std::nan("")), kvstrata::usage_error);
}
