// Calibration against a device and a model whose figures are known.
#include "support/catch.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/transfer/calibrate.hpp>

#include <chrono>
#include <cmath>
#include <random>
#include <vector>

using namespace kvstrata;

namespace {

emulated_device_config virtual_links(link_model to, link_model from)
{
  return {.time = time_mode::virtual_time, .to_device = to, .from_device = from, .check_ordering = true};
}

/// A model that takes a L + b L (L + 1) / 2 seconds, give or take `noise` of it, and now and then ten times as long.
struct noisy_model
{
  double per_token = 0;
  double per_pair = 0;
  double noise = 0;
  std::mt19937 random{7};
  std::vector<token_count> runs{};

  double operator()(token_count tokens)
  {
    runs.push_back(tokens);
    const double exact = per_token * tokens + per_pair * tokens * (tokens + 1.0) / 2;
    const double wobble = noise * (static_cast<double>(random() % 2001) / 1000 - 1);
    const bool disturbed = noise > 0 && random() % 10 == 0;
    return exact * (1 + wobble) * (disturbed ? 10 : 1);
  }
};

constexpr token_count lengths[] = {512, 1024, 2048, 4096, 8192};

}  // namespace

TEST_CASE("measure_link finds the figures of a link, in each direction", "[transfer][calibrate]")
{
  emulated_device d(virtual_links({55e9, 8e-6}, {25e9, 20e-6}));
  const auto clock = [&] { return d.now(); };
  const link_speed up = measure_link(d, copy_direction::to_device, clock);
  CHECK(up.bytes_per_second == Approx(55e9).epsilon(1e-6));
  CHECK(up.latency_seconds == Approx(8e-6).epsilon(1e-3));
  const link_speed down = measure_link(d, copy_direction::from_device, clock);
  CHECK(down.bytes_per_second == Approx(25e9).epsilon(1e-6));
  CHECK(down.latency_seconds == Approx(20e-6).epsilon(1e-3));
  CHECK(d.device_bytes_used() == 0);
  CHECK(d.pinned_bytes_used() == 0);
  CHECK(d.violations().empty());
}

TEST_CASE("measure_link is not misled by a copy that takes long for once", "[transfer][calibrate]")
{
  emulated_device d(virtual_links({55e9, 8e-6}, {}));
  d.delay_next_copy(1, 20);
  const link_speed up = measure_link(d, copy_direction::to_device, [&] { return d.now(); });
  CHECK(d.now() > 1);
  CHECK(up.bytes_per_second == Approx(55e9).epsilon(1e-6));
  CHECK(up.latency_seconds == Approx(8e-6).epsilon(1e-3));
}

TEST_CASE("a link without limit is too fast to tell, and one that is all latency is all latency",
          "[transfer][calibrate]")
{
  emulated_device d(virtual_links({}, {.latency_seconds = 1e-3}));
  const auto clock = [&] { return d.now(); };
  const link_speed free = measure_link(d, copy_direction::to_device, clock);
  CHECK(free.bytes_per_second == 0);
  CHECK(free.latency_seconds == 0);
  const link_speed slow = measure_link(d, copy_direction::from_device, clock);
  CHECK(slow.latency_seconds == Approx(1e-3).epsilon(1e-3));
}

TEST_CASE("measure_link takes any clock, and never finds less than nothing", "[transfer][calibrate]")
{
  emulated_device real;
  const auto steady = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const link_speed found = measure_link(real, copy_direction::to_device, steady,
                                        {.small_bytes = 64, .large_bytes = 1 << 16, .copies = 2, .trials = 3});
  CHECK((std::isfinite(found.latency_seconds) && found.latency_seconds >= 0));
  CHECK((std::isfinite(found.bytes_per_second) && found.bytes_per_second >= 0));

  emulated_device d(virtual_links({1e9, 1e-6}, {}));
  double time = 0;
  const link_speed backwards = measure_link(d, copy_direction::to_device, [&] { return time -= 1; });
  CHECK(backwards.latency_seconds >= 0);
  CHECK(backwards.bytes_per_second >= 0);
}

TEST_CASE("measure_link refuses trials that tell nothing, and says what the device says", "[transfer][calibrate]")
{
  emulated_device d(virtual_links({1e9, 1e-6}, {}));
  const auto clock = [&] { return d.now(); };
  const auto measure = [&](link_trials how) {
    static_cast<void>(measure_link(d, copy_direction::to_device, clock, how));
  };
  CHECK_THROWS_WITH(measure({.small_bytes = 4096, .large_bytes = 4096}),
                    "link_trials.large_bytes is 4096, but it must be more than link_trials.small_bytes, 4096");
  CHECK_THROWS_AS(measure({.small_bytes = 0}), config_error);
  CHECK_THROWS_AS(measure({.copies = 0}), config_error);
  CHECK_THROWS_AS(measure({.trials = 0}), config_error);
  CHECK(d.stats().launches() == 0);
  emulated_device small({.device_bytes = 1 << 20, .time = time_mode::virtual_time});
  CHECK_THROWS_AS(measure_link(small, copy_direction::to_device, [&] { return small.now(); }), capacity_error);
  d.fail_next_copy(5);
  CHECK_THROWS_AS(measure({}), device_error);
  CHECK(d.device_bytes_used() == 0);
}

TEST_CASE("fit_compute finds the figures of a model", "[transfer][calibrate]")
{
  noisy_model exact{.per_token = 3e-6, .per_pair = 2e-10};
  const compute_speed found = fit_compute(exact, lengths);
  CHECK(found.seconds_per_token == Approx(3e-6).epsilon(1e-9));
  CHECK(found.seconds_per_pair == Approx(2e-10).epsilon(1e-9));
  CHECK(exact.runs.size() == 1 + 3 * 5);
  const compute_speed of_eight = fit_compute(noisy_model{.per_token = 3e-6, .per_pair = 2e-10}, lengths, 8);
  CHECK(of_eight.seconds_per_token == Approx(3e-6 / 8).epsilon(1e-9));
  CHECK(of_eight.seconds_per_pair == Approx(2e-10 / 8).epsilon(1e-9));
}

TEST_CASE("fit_compute is not misled by noise and by runs that take long for once", "[transfer][calibrate]")
{
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    noisy_model model{.per_token = 3e-6, .per_pair = 2e-9, .noise = 0.02, .random = std::mt19937(seed)};
    const compute_speed found = fit_compute(model, lengths, 1, 9);
    CAPTURE(seed);
    CHECK(found.seconds_per_token == Approx(3e-6).epsilon(0.15));
    CHECK(found.seconds_per_pair == Approx(2e-9).epsilon(0.1));
  }
}

TEST_CASE("fit_compute never finds less than nothing", "[transfer][calibrate]")
{
  const compute_speed sublinear = fit_compute([](token_count n) { return std::sqrt(n); }, lengths);
  CHECK(sublinear.seconds_per_pair == 0);
  CHECK(sublinear.seconds_per_token > 0);
  const compute_speed cubic = fit_compute([](token_count n) { return std::pow(n, 3); }, lengths);
  CHECK(cubic.seconds_per_token == 0);
  CHECK(cubic.seconds_per_pair > 0);
  const compute_speed free = fit_compute([](token_count) { return 0; }, lengths);
  CHECK((free.seconds_per_token == 0 && free.seconds_per_pair == 0));
}

TEST_CASE("fit_compute refuses what it cannot fit", "[transfer][calibrate]")
{
  int runs = 0;
  const auto fit = [&](std::vector<token_count> list, double seconds = 1, std::uint32_t layers = 1) {
    return fit_compute([&](token_count) { return ++runs, seconds; }, list, layers);
  };
  CHECK_THROWS_WITH(fit({512}), "fit_compute's list of lengths is 1, but it must have at least two different lengths");
  CHECK_THROWS_AS(fit({}), config_error);
  CHECK_THROWS_AS(fit({7, 7, 7}), config_error);
  CHECK_THROWS_WITH(fit({0, 7}), "a length given to fit_compute is 0, but it must be at least 1 token");
  CHECK_THROWS_AS(fit({7, 8}, 1, 0), config_error);
  CHECK(runs == 0);
  CHECK_THROWS_WITH(fit({7, 8}, -1),
                    "what a run of 7 tokens took is -1.000000, but it must be a finite number of "
                    "seconds, at least 0");
  CHECK_THROWS_AS(fit({7, 8}, std::nan("")), config_error);
}

TEST_CASE("a cost model by measurement has the device's link and the model's speed", "[transfer][calibrate]")
{
  constexpr geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
  const machine known{.flops_per_second = 424e12, .link_bytes_per_second = 55e9, .link_latency_seconds = 8e-6};
  const cost_model expected = cost_model::of(known, 1024, shape);
  emulated_device d(virtual_links({55e9, 8e-6}, {}));
  const auto run = [&](token_count tokens) {
    return shape.layers * expected.compute_seconds(token_interval{0, tokens});
  };
  const cost_model found = cost_model::of(fit_compute(run, lengths, shape.layers),
                                          measure_link(d, copy_direction::to_device, [&] { return d.now(); }), shape);
  CHECK(found.seconds_per_token == Approx(expected.seconds_per_token).epsilon(1e-6));
  CHECK(found.seconds_per_pair == Approx(expected.seconds_per_pair).epsilon(1e-6));
  CHECK(found.fetch_seconds_per_token == Approx(expected.fetch_seconds_per_token).epsilon(1e-6));
  CHECK(found.fetch_latency_seconds == Approx(expected.fetch_latency_seconds).epsilon(1e-2));
  CHECK(found.break_even_tokens() == Approx(expected.break_even_tokens()).epsilon(1e-3));
  CHECK(found.layers == shape.layers);
}
