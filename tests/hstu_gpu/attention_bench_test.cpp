// The benchmark of the attention kernel, on an emulated device: what it gives the kernel, and how often.
#include "../bench/cuda/attention.hpp"
#include "../bench/cuda/support/emulated_machine.hpp"
#include "hstu/gpu/emulated_runner.hpp"
#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <set>

namespace {

bench::attention_config tiny()
{
  bench::attention_config c;
  c.shapes = {{"tiny, 1 x 64", 1, 64, 8, 5, 2, {48}}};  // 24 KiB of keys and values a batch
  c.time_bias = true;
  c.ceiling_bytes = std::size_t{1} << 16;
  c.cold_bytes = std::size_t{70} << 10;
  c.plan = {.warm_ups = 0, .rounds = 1, .most = 1};
  return c;
}

}  // namespace

TEST_CASE("the attention benchmark's time buckets are the model's", "[bench]")
{
  bench::emulated_machine m;
  const bench::attention_config c = tiny();
  const bench::attention_batch<bench::emulated_machine> batch(m, 4, c.shapes[0], 48,
                                                              bench::attention_work::one_page_new, c);
  const auto& bias = batch.arguments().bias;
  REQUIRE(bias.times > 2);
  CHECK(bias.least_seconds[0] == std::numeric_limits<std::int64_t>::min());
  for (std::uint32_t b = 1; b < bias.times; ++b) {
    INFO("bucket " << b);
    CHECK(bias.least_seconds[b] == hstu::least_seconds(b));
  }
}

TEST_CASE("the attention benchmark takes turns between batches with memory of their own", "[bench]")
{
  bench::emulated_machine m;
  bench::attention_config c = tiny();
  const auto batches = bench::cold_batches(m, 4, c.shapes[0], 48, bench::attention_work::candidates, c);
  REQUIRE(batches.size() == 3);
  std::set<const void*> memory;
  for (const auto& b : batches) memory.insert(b->arguments().pages.base);
  CHECK(memory.size() == 3);
  c.most_batches = 2;
  CHECK(bench::cold_batches(m, 4, c.shapes[0], 48, bench::attention_work::candidates, c).size() == 2);

  bench::report out;
  hstu::gpu::emulated_runner runner(m.device());
  bench::attention(m, runner, c, out);
  REQUIRE(out.tables.size() == 2);
  CHECK(out.tables[1].rows.size() == 3);
  for (const auto& row : out.tables[1].rows) CHECK(row.size() == out.tables[1].columns.size());
}

TEST_CASE("a quick run of the attention benchmark keeps a short, a middle and the longest history of each model",
          "[bench]")
{
  bench::attention_config c;
  c.only_main_shapes();
  REQUIRE(c.shapes.size() == 2);
  CHECK(c.shapes[0].histories == std::vector<std::uint32_t>{1024, 10'000, 40'000});
  CHECK(c.shapes[1].histories == std::vector<std::uint32_t>{256, 1024, 4096});
}
