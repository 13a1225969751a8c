// The predicted times of a machine against times that are worked out by hand, and machine files, right and wrong.
#include <kvstrata/simulate/serving_simulator.hpp>

#include "command_line/source_dir.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/simulate/machine_file.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;

// Two layers of 8 bytes a token, pages of 4 tokens. Computing a token takes 1 ms a layer whatever it attends to, a
// candidate as long; a token travels in 0.25 ms a layer, a copy call takes 2 ms more.
constexpr geometry shape{.layers = 2, .kv_heads = 1, .head_dim = 2, .element = element_type::bf16};
constexpr cost_model cost{.seconds_per_token = 1e-3, .fetch_seconds_per_token = 0.25e-3, .layers = 2};
constexpr link_model link{.bytes_per_second = 8 / 0.25e-3, .latency_seconds = 2e-3};
constexpr token_count candidates = 3;

using plain_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<token_write_through>>, paged_layout,
                          layerwise_transfer<batched_copy<>>, lru>;

emulated_device_config slow_link()
{
  return {.time = time_mode::virtual_time, .to_device = link, .from_device = {}, .data = false};
}

struct server
{
  emulated_device device;
  plain_cache cache;
  serving_simulator<plain_cache> sim;

  explicit server(page_count pages, std::uint32_t streams = 1, const emulated_device_config& d = slow_link())
      : device(d),
        cache(device, {.shape = shape,
                       .tiers = {{.bytes = pages * page_bytes(shape, 4)}, {.bytes = 100 * page_bytes(shape, 4)}},
                       .layout = {.page_tokens = 4}}),
        sim(device, cache, cost, candidates, streams)
  {
  }

  template <class Observe = no_serving_observer>
  serving_report run(std::vector<arrival> all, const serving_options& options, Observe&& observe = {})
  {
    std::size_t at = 0;
    return sim.run(
        [&]() -> std::optional<arrival> { return at == all.size() ? std::nullopt : std::optional(all[at++]); }, options,
        observe);
  }
};

arrival comes(double seconds, std::uint64_t user, token_count tokens)
{
  return {.seconds = seconds, .asked = {.user = user_id{user}, .history_tokens = tokens}};
}

void check_latencies(const serving_report& r, const std::vector<double>& expected)
{
  REQUIRE(r.latencies.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(r.latencies[i] == Approx(expected[i]));
}

}  // namespace

TEST_CASE("a batch takes what computing it takes, and what of its fetches shows", "[simulate][serving]")
{
  server s(6);  // pages, of 4 tokens
  const request one{.user = user_id{1}, .history_tokens = 16};
  const request two{.user = user_id{2}, .history_tokens = 12};
  // 16 tokens and 3 candidates, in each of 2 layers.
  CHECK(s.sim.serve({&one, 1}) == Approx(2 * 19e-3));
  // All are there: candidates alone.
  CHECK(s.sim.serve({&one, 1}) == Approx(2 * 3e-3));
  // 3 pages for user 2; one of user 1's four goes.
  CHECK(s.sim.serve({&two, 1}) == Approx(2 * 15e-3));
  // That page comes back: 4 tokens, 2 + 1 ms a layer. The first layer's is waited for, the second comes during the first
  // layer's 3 ms.
  CHECK(s.sim.serve({&one, 1}) == Approx(3e-3 + 2 * 3e-3));
}

TEST_CASE("a window costs what its tokens cost", "[simulate][serving]")
{
  server s(6);
  const request front{.user = user_id{1}, .history_tokens = 16};
  const request window{.user = user_id{1}, .history_tokens = 20, .first_token = 8};
  const request other{.user = user_id{2}, .history_tokens = 1040, .first_token = 1030};
  const request large{.user = user_id{2}, .history_tokens = 1040, .first_token = 1010};
  CHECK(s.sim.serve({&front, 1}) == Approx(2 * 19e-3));
  CHECK(s.sim.serve({&window, 1}) == Approx(2 * 7e-3));  // 8 tokens are there, 4 are new
  CHECK(s.sim.serve({&other, 1}) == Approx(2 * 13e-3));
  CHECK(s.sim.serve({&large, 1}) == Approx(2 * 33e-3));  // 8 pages: computed beside the cache
  // Where attention costs something, a token of a window attends to the window.
  const cost_model pairs{.seconds_per_pair = 1e-3, .layers = 1};
  const token_interval tokens[] = {{1030, 1033}};
  CHECK(layer_seconds(pairs, 2, tokens, 1040, 1030) == Approx((1 + 2 + 3 + 2 * 11) * 1e-3));
}

TEST_CASE("a closed loop is busy all the time", "[simulate][serving]")
{
  server s(100);
  const serving_report r =
      s.run({comes(99, 1, 10), comes(0, 2, 5), comes(3, 1, 12), comes(7, 3, 1)}, {.batch_size = 3});
  // Users 1 and 2 with 12 and 5 tokens, three requests; then user 3.
  const double first = 2 * (12 + 5 + 6) * 1e-3;
  const double second = 2 * (1 + 3) * 1e-3;
  CHECK(r.requests == 4);
  CHECK(r.merged == 1);
  CHECK(r.batches == 2);
  CHECK(r.seconds == Approx(first + second));
  CHECK(r.busy_seconds == Approx(r.seconds));
  CHECK(r.stalled_seconds == Approx(0).margin(1e-12));
  check_latencies(r, {first, first, first, second});
  CHECK(r.percentile(0.25) == Approx(second));
  CHECK(r.percentile(0.26) == Approx(first));
  CHECK(r.percentile(0) == Approx(second));
  CHECK(r.percentile(1) == Approx(first));
  CHECK(r.mean_latency() == Approx((second + 3 * first) / 4));
  CHECK(r.requests_per_second() == Approx(4 / (first + second)));
  CHECK(r.computed_tokens == 12 + 5 + 1);
}

TEST_CASE("a closed loop of few users is no faster than their requests, merged, make it", "[simulate][serving]")
{
  for (const std::uint64_t users : {1U, 3U, 7U, 8U, 9U, 40U}) {
    CAPTURE(users);
    server s(1000);
    std::vector<arrival> all;
    for (std::uint64_t i = 0; i < 400; ++i) all.push_back(comes(0, i % users, 10));
    const serving_report r = s.run(all, {.batch_size = 8, .warm_up = 80});
    const std::uint64_t each = users < 8 ? users : 8;  // of a batch
    CHECK(r.batches == 40);
    CHECK(r.requests == 320);
    CHECK(r.merged == 40 * (8 - each));
    CHECK(r.computed_tokens == 0);
    CHECK(r.seconds == Approx(40 * 2 * static_cast<double>(each) * candidates * 1e-3));
  }
}

TEST_CASE("in an open loop requests wait for their turn", "[simulate][serving]")
{
  server s(100);
  // 0.000 user 1, 10 tokens: 2 x 13 ms, done at 0.026
  // 0.010 user 2, 0.020 user 3, 0.025 user 2 again: one batch of 4 + 6 tokens, 2 x (10 + 6) ms, done at 0.058
  // 0.027 user 4, 0.057 user 5: a batch of 2 tokens, 2 x 8 ms, done at 0.074
  // 1.000 user 1 again: candidates alone, 6 ms
  const serving_report r = s.run({comes(0, 1, 10), comes(0.010, 2, 3), comes(0.020, 3, 6), comes(0.025, 2, 4),
                                  comes(0.027, 4, 1), comes(0.057, 5, 1), comes(1, 1, 10)},
                                 {.load = serving_load::open_loop, .batch_size = 3});
  CHECK(r.batches == 4);
  CHECK(r.merged == 1);
  check_latencies(r, {0.026, 0.048, 0.038, 0.033, 0.047, 0.017, 0.006});  // as they came
  CHECK(r.percentile(0.5) == Approx(0.033));
  CHECK(r.percentile(1) == Approx(0.048));
  CHECK(r.seconds == Approx(1.006));
  CHECK(r.busy_seconds == Approx(0.026 + 0.032 + 0.016 + 0.006));
  CHECK(r.served_tokens[0] == 10);
  CHECK_THROWS_AS(s.run({comes(2, 1, 1), comes(1, 2, 1)}, {.load = serving_load::open_loop}), usage_error);
  CHECK_THROWS_WITH(s.run({comes(1e300, 1, 1)}, {.load = serving_load::open_loop}),
                    kvstrata_test::says("seconds, but it must be at most 1000000000"));
}

TEST_CASE("arrivals at no time, and costs of another model, are refused", "[simulate][serving]")
{
  const serving_options open{.load = serving_load::open_loop};
  for (const double wrong : {std::nan(""), double{INFINITY}, -1.0}) {
    CAPTURE(wrong);
    server s(100);
    CHECK_THROWS_AS(s.run({comes(wrong, 1, 4)}, open), usage_error);
    CHECK_THROWS_AS(s.run({comes(1, 1, 4), comes(wrong, 2, 4)}, open), usage_error);
  }
  server s(100);
  CHECK_THROWS_WITH((serving_simulator<plain_cache>(s.device, s.cache, cost_model{.layers = 3}, 0)),
                    "cost_model.layers is 3, but the cache is for a model of 2 layers");
}

TEST_CASE("a batch is not empty because the clock was rounded", "[simulate][serving]")
{
  // After the first batch the clock shows `began`, and `began` + (`comes_at` - `began`) lies below `comes_at`.
  constexpr double began = 2.3070489962861984e-10;
  constexpr double comes_at = 1.2550690257394217;
  static_assert(began + (comes_at - began) < comes_at);
  server s(100);
  serving_simulator<plain_cache> sim(s.device, s.cache, {.seconds_per_token = began / 2, .layers = 2}, 0);
  std::vector<arrival> all{comes(0, 1, 1), comes(comes_at, 2, 1)};
  std::size_t at = 0;
  const serving_report r =
      sim.run([&]() -> std::optional<arrival> { return at == all.size() ? std::nullopt : std::optional(all[at++]); },
              {.load = serving_load::open_loop});
  CHECK(r.batches == 2);
  CHECK(r.requests == 2);
}

TEST_CASE("the warm-up is served and not reported", "[simulate][serving]")
{
  server s(100);
  const serving_report r =
      s.run({comes(0, 1, 10), comes(0, 2, 8), comes(0, 1, 10), comes(0, 2, 9)}, {.batch_size = 1, .warm_up = 2});
  CHECK(r.requests == 2);
  CHECK(r.batches == 2);
  CHECK(r.served_tokens[0] == 18);
  CHECK(r.computed_tokens == 1);
  CHECK(r.seconds == Approx(2 * 3e-3 + 2 * 4e-3));
  server all(100);
  const serving_report none = all.run({comes(0, 1, 10), comes(0, 2, 8)}, {.warm_up = 2});
  CHECK(none.requests == 0);
  CHECK(none.latencies.empty());
  CHECK(none.percentile(0.5) == 0);
  CHECK(none.requests_per_second() == 0);
}

TEST_CASE("who does not fit is computed beside the cache, a batch that does not is halved", "[simulate][serving]")
{
  server s(4);
  const serving_report r = s.run({comes(0, 1, 12), comes(0, 2, 12), comes(0, 3, 17)}, {.batch_size = 2});
  CHECK(r.batches == 2);
  CHECK(r.unserved == 1);
  CHECK(r.computed_tokens == 12 + 12 + 17);
  CHECK(r.seconds == Approx(2 * (15 + 15 + 20) * 1e-3));
  CHECK_THROWS_AS(s.run({comes(0, 1, 1)}, {.batch_size = 0}), config_error);
}

TEST_CASE("an observer is told of every batch: who came when, who shared, where tokens came from",
          "[simulate][serving]")
{
  server s(4);  // pages
  std::vector<std::vector<served_request>> asked;
  std::vector<std::vector<answer_sums>> answers;
  std::vector<double> latencies;
  const serving_report r =
      s.run({comes(0, 1, 8), comes(0, 1, 10), comes(0, 2, 12), comes(0, 3, 17), comes(1, 2, 13)},
            {.load = serving_load::open_loop, .batch_size = 4, .warm_up = 1}, [&](const served_batch& b) {
              CHECK(b.warm_up == asked.empty());
              CHECK(b.began < b.ended);
              asked.emplace_back(b.requests.begin(), b.requests.end());
              answers.emplace_back(b.answers.begin(), b.answers.end());
              for (const served_request& one : b.requests) latencies.push_back(b.ended - one.arrived);
            });
  REQUIRE(asked.size() == 2);
  REQUIRE(asked[0].size() == 4);
  CHECK(asked[0][0].asked.history_tokens == 8);
  CHECK(asked[0][0].answer == 0);
  CHECK(asked[0][1].answer == 0);  // shares the answer of the longer one
  CHECK(asked[0][2].answer == 1);
  CHECK(asked[0][3].answer == 2);
  REQUIRE(answers[0].size() == 3);  // of a batch that was halved, in the order of its users
  CHECK(answers[0][0].computed == 10);
  CHECK_FALSE(answers[0][0].unserved);
  CHECK(answers[0][1].computed == 12);
  CHECK(answers[0][2].computed == 17);
  CHECK(answers[0][2].unserved);
  REQUIRE(asked[1].size() == 1);
  CHECK(asked[1][0].arrived == Approx(1));
  CHECK(answers[1][0].served[0] + answers[1][0].served[1] == 12);
  CHECK(answers[1][0].computed == 1);
  REQUIRE(r.latencies.size() == 1);
  CHECK(r.latencies[0] == Approx(latencies.back()));
}

TEST_CASE("who waits in the queue of an open loop is prefetched", "[simulate][serving]")
{
  // Eight users of 3 pages take turns, and 20 pages hold six: without a prefetch everybody waits for their pages.
  std::vector<arrival> all;
  for (std::uint64_t i = 0; i < 200; ++i) all.push_back(comes(0, i % 8, 12));
  for (const serving_load load : {serving_load::closed_loop, serving_load::open_loop}) {
    double stalled = 0;
    for (const std::uint32_t prefetch : {0U, 1U}) {
      CAPTURE(prefetch);
      server s(20);
      const serving_report r = s.run(all, {.load = load, .batch_size = 1, .warm_up = 8, .prefetch = prefetch});
      CHECK(r.requests == 192);
      CHECK(r.computed_tokens == 0);
      if (prefetch == 0) stalled = r.stalled_seconds;
      else CHECK(r.stalled_seconds < stalled * 2 / 3);
    }
    CHECK(stalled > 0);
  }
  // Nobody waits when requests come one by one: there is nobody to prefetch.
  for (std::size_t i = 0; i < all.size(); ++i) all[i].seconds = static_cast<double>(i);
  server none(20), some(20);
  CHECK(some.run(all, {.load = serving_load::open_loop, .batch_size = 1, .prefetch = 4}).onload_bytes ==
        none.run(all, {.load = serving_load::open_loop, .batch_size = 1}).onload_bytes);
}

TEST_CASE("workers who share the multiprocessors compute no faster than one, and hide each other's copies",
          "[simulate][serving][streams]")
{
  const auto served = [](std::uint32_t streams, bool shared, const std::vector<arrival>& all, std::uint64_t seed = 0) {
    emulated_device_config d = slow_link();
    d.share_compute = shared;
    d.seed = seed;
    d.data = true;  // so that the order of all accesses is checked
    d.check_ordering = true;
    server s(24, streams, d);
    serving_report r = s.run(all, {.batch_size = 2});
    CHECK(s.device.violations().empty());
    CHECK(r.streams == streams);
    CHECK(r.requests == all.size());
    return r;
  };
  // Everybody is new: nothing travels that a model waits for.
  std::vector<arrival> fresh;
  for (std::uint64_t i = 0; i < 40; ++i) fresh.push_back(comes(0, i, static_cast<token_count>(3 + i % 7)));
  const serving_report one = served(1, false, fresh);
  CHECK(served(1, true, fresh).latencies == one.latencies);
  for (const std::uint32_t streams : {2U, 3U}) {
    const serving_report shared = served(streams, true, fresh);
    CHECK(shared.seconds == Approx(one.seconds).epsilon(1e-12));
    CHECK(shared.computed_tokens == one.computed_tokens);
    CHECK(shared.busy_seconds > 1.5 * shared.seconds);  // several batches are under way at a time
    CHECK(served(streams, false, fresh).seconds < 0.7 * one.seconds);
  }
  // Nine users of 4 pages, in turn: 6 have room in the slab, so that everybody comes back, 2 + 4 ms a layer each,
  // beside which computing takes 3 ms.
  std::vector<arrival> back;
  for (std::uint64_t i = 0; i < 90; ++i) back.push_back(comes(0, i % 9, 16));
  const serving_report waits = served(1, false, back);
  const serving_report hides = served(2, true, back);
  CHECK(waits.onload_bytes > 0);
  CHECK(hides.seconds < 0.9 * waits.seconds);
  // The multiprocessors are there once.
  const double computing = static_cast<double>(hides.computed_tokens + 3 * 90) * 2e-3;
  CHECK(hides.seconds >= computing);
  for (const std::uint64_t seed : {1U, 2U}) {
    const serving_report first = served(2, true, back, seed);
    const serving_report again = served(2, true, back, seed);
    CHECK(first.latencies == again.latencies);
    CHECK(first.seconds == again.seconds);
    CHECK(first.onload_bytes == again.onload_bytes);
  }
}

TEST_CASE("a batch goes to whoever is free first", "[simulate][serving][streams]")
{
  server s(100, 2);  // each computes as if it were alone
  std::vector<std::uint32_t> streams;
  std::vector<double> ended;
  const serving_report r = s.run({comes(0, 1, 16), comes(0.001, 2, 2), comes(0.002, 3, 1), comes(0.5, 4, 1)},
                                 {.load = serving_load::open_loop, .batch_size = 1}, [&](const served_batch& b) {
                                   streams.push_back(b.stream);
                                   ended.push_back(b.ended);
                                 });
  // 38 ms; 10 ms from 1 ms on; then 8 ms, behind it on the second stream; and one that finds both free.
  CHECK(streams == std::vector<std::uint32_t>{1, 1, 0, 0});
  REQUIRE(ended.size() == 4);
  CHECK(ended[0] == Approx(0.011));
  CHECK(ended[1] == Approx(0.019));
  CHECK(ended[2] == Approx(0.038));
  CHECK(ended[3] == Approx(0.508));
  check_latencies(r, {0.038, 0.010, 0.017, 0.008});  // as they came
  CHECK(r.seconds == Approx(0.508));
  CHECK(r.arriving_seconds == Approx(0.5));
  CHECK(r.busy_seconds == Approx(0.064));
  CHECK_THROWS_AS(server(100, 0), config_error);
}

TEST_CASE("a load is saturated when its queue grows, not when its end is a burst", "[simulate][serving]")
{
  const auto every = [](double seconds, std::uint64_t count) {
    std::vector<arrival> all;
    for (std::uint64_t i = 0; i < count; ++i) all.push_back(comes(static_cast<double>(i) * seconds, i, 10));
    return all;
  };
  const serving_options open{.load = serving_load::open_loop, .batch_size = 1};
  const auto run = [](std::vector<arrival> all, const serving_options& options) {
    server s(1000);
    return s.run(std::move(all), options);
  };
  // Each takes 26 ms.
  const serving_report over = run(every(0.025, 200), open);
  CHECK(over.saturated());
  CHECK(over.arriving_seconds == Approx(199 * 0.025));
  CHECK(over.drain_seconds == Approx(200 * 0.026 - 199 * 0.025));
  CHECK(over.longest_seconds == Approx(0.026));
  CHECK_FALSE(run(every(0.027, 200), open).saturated());
  std::vector<arrival> burst = every(0.027, 50);
  for (std::uint64_t user : {101U, 102U, 103U}) burst.push_back(comes(burst.back().seconds, user, 10));
  const serving_report ends = run(burst, open);
  CHECK(ends.drain_seconds > 0.01 * ends.arriving_seconds);
  CHECK_FALSE(ends.saturated());
  CHECK_FALSE(run(every(0.001, 200), {.batch_size = 1}).saturated());  // a closed loop has no queue
}

TEST_CASE("time must be virtual", "[simulate][serving]")
{
  emulated_device device;
  plain_cache cache(device, {.shape = shape, .tiers = {{.bytes = 1 << 10}, {.bytes = 1 << 10}}});
  CHECK_THROWS_AS((serving_simulator<plain_cache>(device, cache, cost, candidates)), usage_error);
}

// --- machine files -----------------------------------------------------------------------------------------------------

namespace {

std::filesystem::path shipped(const char* name) { return tools::source_dir() / "tools" / "sim" / "machines" / name; }

std::string text_of(const std::filesystem::path& file)
{
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The H200's file with one line changed.
std::string with(const std::string& from, const std::string& to)
{
  std::string text = text_of(shipped("h200_pcie5.machine"));
  const std::size_t at = text.find("\n" + from + " =");
  REQUIRE(at != std::string::npos);
  return text.replace(at + 1, text.find('\n', at + 1) - at - 1, to);
}

}  // namespace

TEST_CASE("the shipped machines fetch from the lengths on that their arithmetic says", "[simulate][machine]")
{
  struct expected
  {
    const char* file;
    const char* name;
    double tokens;
  };
  for (const expected& e : {expected{"l20_pcie4.machine", "L20, PCIe 4", 1.2e3},
                            {"a100_pcie4.machine", "A100, PCIe 4", 9e3},
                            {"h200_pcie5.machine", "H200, PCIe 5", 10e3},
                            {"b200.machine", "B200, PCIe 5", 18e3}}) {
    CAPTURE(e.file);
    const machine_description m = read_machine(shipped(e.file));
    CHECK(m.name == e.name);
    // 2 F / B - 5 d, and a little more for the latency.
    const double by_arithmetic = 2 * m.flops_per_second / m.to_device.bytes_per_second - 5.0 * m.model.hidden;
    CHECK(by_arithmetic == Approx(e.tokens).epsilon(0.07));
    CHECK(cost_of(m).break_even_tokens() > by_arithmetic);
    CHECK(cost_of(m).break_even_tokens() < by_arithmetic + 250);
    CHECK(m.model.kv.token_bytes() == 16 << 10);
    CHECK(m.device_bytes == std::uint64_t{20} << 30);
    CHECK(device_of(m).to_device.bytes_per_second == figures_of(m).link_bytes_per_second);
    CHECK_FALSE(device_of(m).data);
  }
}

TEST_CASE("every key of a machine file is read", "[simulate][machine]")
{
  kvstrata_test::scratch_folder folder;
  const machine_description m = read_machine(folder.write(
      "m",
      "\xef\xbb\xbf# all different\r\nname = a b # c\r\n\n effective_tflops=1.5\nto_device_gb_per_second = 2\n"
      "from_device_gb_per_second = 3e0\nto_device_us_per_copy = 4\nfrom_device_us_per_copy = 5\n"
      "to_device_us_per_piece = 0.25\nfrom_device_us_per_piece = 0\nkernel_us_per_launch = 6\n"
      "kernel_gb_per_second_per_sm = 7\nkernel_device_gb_per_second = 8\nkernel_device_gb_per_second_per_sm = 9\n"
      "layers = 10\nkv_heads = 11\nhead_dim = 12\nelement = fp8_e5m2\nhidden = 13\ncandidates = 14\n"
      "device_gib = 0.5\nhost_gib = 15\nstore_gb_per_second = 16\nstore_us_per_read = 17\n"));
  CHECK(m.name == "a b");
  CHECK(m.flops_per_second == Approx(1.5e12));
  CHECK(m.to_device.bytes_per_second == Approx(2e9));
  CHECK(m.from_device.bytes_per_second == Approx(3e9));
  CHECK(m.to_device.latency_seconds == Approx(4e-6));
  CHECK(m.from_device.latency_seconds == Approx(5e-6));
  CHECK(m.to_device.piece_seconds == Approx(0.25e-6));
  CHECK(m.from_device.piece_seconds == 0);
  CHECK(m.copy_kernels.latency_seconds == Approx(6e-6));
  CHECK(m.copy_kernels.sm_bytes_per_second == Approx(7e9));
  CHECK(m.copy_kernels.device_bytes_per_second == Approx(8e9));
  CHECK(m.copy_kernels.sm_device_bytes_per_second == Approx(9e9));
  CHECK(m.model.kv == geometry{.layers = 10, .kv_heads = 11, .head_dim = 12, .element = element_type::fp8_e5m2});
  CHECK(m.model.hidden == 13);
  CHECK(m.model.candidates == 14);
  CHECK(m.device_bytes == 1U << 29U);
  CHECK(m.host_bytes == std::uint64_t{15} << 30);
  CHECK(m.store_bytes_per_second == Approx(16e9));
  CHECK(m.store_latency_seconds == Approx(17e-6));
}

TEST_CASE("a machine whose links no clock could count is refused", "[simulate][machine]")
{
  machine_description m = read_machine(tools::source_dir() / "tools/sim/machines/b200.machine");
  check(m);
  m.to_device.bytes_per_second = 1e-291;
  CHECK_THROWS_WITH(check(m), kvstrata_test::says("or at least 1 byte a second"));
}

TEST_CASE("what is wrong with a machine file is said with file, line and limit", "[simulate][machine]")
{
  kvstrata_test::scratch_folder folder;
  const auto refused = [&](const std::string& text, const std::string& why) {
    const std::filesystem::path file = folder.write("m.machine", text);
    CAPTURE(why);
    CHECK_THROWS_AS(read_machine(file), data_error);
    CHECK_THROWS_WITH(read_machine(file), kvstrata_test::says(file.string() + why));
  };
  refused(with("layers", "layers = 0"), R"(:16: layers is "0", but it must lie between 1 and 4096)");
  refused(with("layers", "layers = 1.5"), R"(:16: layers is "1.5", but it must be a whole number)");
  refused(with("layers", "layers = many"), R"(:16: layers is "many", which is not a number)");
  refused(with("layers", "layers = 8 9"), R"(:16: layers is "8 9", which is not a number)");
  refused(with("layers", "layers = inf"), R"(:16: layers is "inf", which is not a number)");
  refused(with("layers", "layers ="), ":16: layers has no value");
  refused(with("layers", "layers"), R"(:16: "layers" is no `key = value`)");
  refused(with("layers", "layer = 8"), R"(:16: there is no key "layer")");
  refused(with("layers", "hidden = 8"), ":20: hidden stands in line 16 already");
  refused(with("layers", ""), ": the key layers is missing");
  refused(with("name", "# none"), ": the key name is missing");
  refused(with("element", "element = bf17"),
          R"(:19: element is "bf17", but it must be one of f32, f16, bf16, fp8_e4m3)");
  refused(with("device_gib", "device_gib = -1"),
          R"(:23: device_gib is "-1", but it must lie between 1e-06 and 1000000)");
  refused("", ": the key effective_tflops is missing");
  CHECK_THROWS_WITH(read_machine(folder.path() / "absent"), kvstrata_test::says("no such file"));
}
